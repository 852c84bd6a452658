"""Shared fixtures."""

import os
from pathlib import Path

import pytest

# Tiny networks on tiny images: threads would only wait for each other on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def real_data():
    """Folder of real galaxies, or skip."""
    folder = os.environ.get("GALAXY_SKLEARN_DATA")
    if not folder:
        pytest.skip("GALAXY_SKLEARN_DATA is not set: no real galaxies to test on")
    return Path(folder)
