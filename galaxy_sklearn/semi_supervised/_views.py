"""Slightly different views of an image, which a sure guess survives. NumPy and OpenCV only."""

import cv2
import numpy as np

from galaxy_sklearn._validation import is_image_sequence


class View:
    """An image mirrored, turned by 180 degrees, or seen in another field.

    Parameters
    ----------
    field : float, default=1.0
        Part of the frame seen; above 1, what lies beyond the frame is its mirror image.
    turn : bool, default=False
        Turn by 180 degrees.
    mirror : bool, default=False
        Mirror left and right.
    """

    def __init__(self, field=1.0, *, turn=False, mirror=False):
        self.field = field
        self.turn = turn
        self.mirror = mirror

    def transform_images(self, images):
        """Return the view of each image, shaped and typed like `images` (n, h, w[, c])."""
        if self.turn:
            images = images[:, ::-1, ::-1]
        if self.mirror:
            images = images[:, :, ::-1]
        if self.field == 1:
            return np.ascontiguousarray(images)
        return np.stack([self._zoom(image) for image in images])

    def _zoom(self, image):
        height, width = image.shape[:2]
        zoom = 1 / self.field
        matrix = np.array(
            [[zoom, 0, (1 - zoom) * (width - 1) / 2], [0, zoom, (1 - zoom) * (height - 1) / 2]]
        )
        seen = cv2.warpAffine(
            np.ascontiguousarray(image),
            matrix,
            (width, height),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        return seen.reshape(image.shape)


VIEWS = (
    View(),
    View(mirror=True),
    View(turn=True),
    View(0.9),
    View(1.1, mirror=True),
)


def require_images(X):
    """Raise ValueError unless `X` is an array (n, h, w[, c]) or an ImageSequence."""
    if not (is_image_sequence(X) or (isinstance(X, np.ndarray) and X.ndim in (3, 4))):
        raise ValueError(
            'PseudoLabelClassifier(criterion="agreement") needs images, (n_samples, height, width, '
            "n_channels) or an ImageSequence, where the classifier stands; got "
            f"{type(X).__name__} of shape {getattr(X, 'shape', None)}."
        )


def views_of(X):
    """Yield the five views of images, an array (n, h, w[, c]) or an ImageSequence.

    Raises ValueError if `X` holds no images.
    """
    require_images(X)
    for view in VIEWS:
        yield X.map(view) if is_image_sequence(X) else view.transform_images(X)
