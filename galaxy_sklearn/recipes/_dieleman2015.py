"""Dieleman, Willett & Dambre (2015): the winner of the Galaxy Challenge."""

from galaxy_sklearn._training.schedules import StepDecay
from galaxy_sklearn.augmentation._dieleman import DielemanAugmentation
from galaxy_sklearn.augmentation._views import RotatedViews
from galaxy_sklearn.recipes._parts import replaced, vote_pipeline
from galaxy_sklearn.recipes._registry import recipe

_CHUNK = 10_000 // 16  # steps of 16 images in a chunk of 10,000
_CHUNKS = 2500
_TRAINING = {
    "normalization": "divisive",
    "unnormalized_steps": _CHUNK,
    "augmentation": DielemanAugmentation(),
    "standardize": None,
    "tta": RotatedViews(10, fields=(1 / 1.2, 1.0, 1.2)),
    "field": 207 / 424,
    "optimizer": "sgd",
    "optimizer_params": {"momentum": 0.9, "nesterov": True},
    "learning_rate": 0.04,
    "schedule": StepDecay([1800 / _CHUNKS, 2300 / _CHUNKS]),
    "max_steps": _CHUNKS * _CHUNK,
    "batch_size": 16,
}


@recipe(
    source="Dieleman, Willett & Dambre (2015), MNRAS 450, 1441",
    task="37 vote fractions of Galaxy Zoo 2",
    metric="RMSE",
    published=0.0769,
)
def dieleman2015(**params):
    """Return the best single network of the winner of the Galaxy Challenge.

    Published by Dieleman, Willett & Dambre (2015): the central 207 of 424 pixels at 69 x 69, cut
    into 16 views of 45 x 45 pixels; any rotation, mirror images, zoom between 1 / 1.3 and 1.3,
    shifts by up to 4 of the 424 pixels and noise along the first component of the colours, in one
    resampling; outputs rectified and divided by their sum for each question, but not in the first
    chunk of 10,000 images, in which training would sometimes stick; MSE; SGD with Nesterov momentum
    0.9, batches of 16, 2,500 chunks (1,562,500 steps), a rate of 0.04, divided by 10 after 1,800
    and 2,300 chunks, which are shares of `max_steps` here; no weight decay; prediction averaged
    over 60 views (ten rotations, three zooms, mirror images). Steps and rates are in the released
    code too.

    Filled in: PyTorch's initialisation in place of one tuned by layer, biases shared by all
    positions of a convolution, pixels not clipped to [0, 1] after the colour noise; of a training
    shortened by `max_steps`, at most a twentieth without the division (of one given in
    `max_epochs`, the whole chunk: give `unnormalized_steps` if it is short). Images have to
    be 424 x 424 pixels and RGB, as the challenge's are; for a cutout of them give `field` and the
    `frame` of the augmentation, for other bands ``DielemanAugmentation(components=None)``. uint8
    images are divided by 255; floats are expected in [0, 1], as the noise is.

    Reported: RMSE 0.0769 of a single network, 0.07492 of 17 networks on 60 views each (1,020
    predictions a galaxy).

    Parameters
    ----------
    **params
        Parameters of the `VoteFractionRegressor` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        `ImageReader`, then `VoteFractionRegressor`: image files or arrays in, fractions out.
    """
    training = replaced(_TRAINING, params)
    if "unnormalized_steps" not in params and training["max_steps"] is not None:
        training["unnormalized_steps"] = min(_CHUNK, training["max_steps"] // 20)
    return vote_pipeline("dieleman", **training)
