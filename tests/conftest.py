"""Shared fixtures."""

import os
import threading
from pathlib import Path

import pytest
from local_server import Server

# Tiny networks on tiny images: threads would only wait for each other on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def real_data():
    """Folder of real galaxies, or skip."""
    folder = os.environ.get("GALAXY_SKLEARN_DATA")
    if not folder:
        pytest.skip("GALAXY_SKLEARN_DATA is not set: no real galaxies to test on")
    return Path(folder)


@pytest.fixture
def server():
    """Web server on this machine, of no files yet."""
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()
