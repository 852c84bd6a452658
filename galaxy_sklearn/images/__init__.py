"""Images that are not read yet, their decoding, and the cache of decoded pixels."""

from galaxy_sklearn.images._sequence import ImageSequence

__all__ = ["ImageSequence"]
