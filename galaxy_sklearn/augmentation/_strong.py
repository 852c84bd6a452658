"""Strong distortions, for learning from images without labels."""

import torch
from torch.nn import functional as F

from galaxy_sklearn.augmentation._checks import SHARE, check_numbers
from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation


class StrongAugmentation(GalaxyAugmentation):
    """`GalaxyAugmentation` further out, then blur, noise and a blank square.

    Parameters
    ----------
    zoom, rotate, mirror, shift, contrast, colour, fill
        As in `GalaxyAugmentation`, with wider defaults.
    blur : float, default=0.5
        Part of the images that are blurred by a mean over 3 x 3 pixels, from 0 to 1.
    noise : float, default=0.3
        Largest deviation of the noise added to an image, in units of the training set's.
    blank : float, default=0.3
        Largest side of the square set to the training mean, as a fraction of the image's, from 0
        to 1.

    Raises
    ------
    ValueError
        If `blur` or `blank` is no number from 0 to 1, `noise` no number of at least 0, or a
        parameter of `GalaxyAugmentation` out of its range.

    References
    ----------
    Sohn et al. (2020), NeurIPS, "FixMatch"; DeVries & Taylor (2017), arXiv:1708.04552: Cutout.
    """

    def __init__(
        self,
        *,
        zoom=(0.65, 1.45),
        rotate=True,
        mirror=True,
        shift=0.08,
        contrast=0.5,
        colour=0.25,
        fill="reflection",
        blur=0.5,
        noise=0.3,
        blank=0.3,
    ):
        super().__init__(
            zoom=zoom,
            rotate=rotate,
            mirror=mirror,
            shift=shift,
            contrast=contrast,
            colour=colour,
            fill=fill,
        )
        check_numbers(self, SHARE, blur=blur, blank=blank)
        check_numbers(self, noise=noise)
        self.blur = blur
        self.noise = noise
        self.blank = blank

    def __call__(self, images, size, *, field, generator):
        """Return one random view of each image; parameters as in `GalaxyAugmentation`."""
        views = super().__call__(images, size, field=field, generator=generator)
        n, device = len(views), views.device

        def uniform(*shape):
            return torch.rand(*shape, generator=generator, device=device)

        blurred = F.avg_pool2d(views, 3, stride=1, padding=1, count_include_pad=False)
        views = torch.where(uniform(n, 1, 1, 1) < self.blur, blurred, views)
        deviation = self.noise * uniform(n, 1, 1, 1)
        noise = torch.randn(views.shape, generator=generator, device=device)
        views = views + deviation * noise
        return views.masked_fill(self._square(size, uniform, n), 0.0)

    def _square(self, size, uniform, n):
        half = self.blank / 2 * uniform(n, 1, 1)
        centre_y, centre_x = uniform(n, 1, 1), uniform(n, 1, 1)
        y = (torch.arange(size[0], device=half.device) + 0.5)[None, :, None] / size[0]
        x = (torch.arange(size[1], device=half.device) + 0.5)[None, None, :] / size[1]
        return (((y - centre_y).abs() < half) & ((x - centre_x).abs() < half))[:, None]
