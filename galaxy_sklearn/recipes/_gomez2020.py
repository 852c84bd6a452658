"""Gomez-Munoz (2020): regression of Galaxy Zoo 2's vote fractions."""

from galaxy_sklearn.augmentation._galaxy import GalaxyAugmentation
from galaxy_sklearn.recipes._parts import replaced, vote_pipeline
from galaxy_sklearn.recipes._registry import recipe

_TRAINING = {
    "output": "sigmoid",
    "augmentation": GalaxyAugmentation(zoom=(1.0, 1.0), shift=0.05, contrast=0.0, colour=0.0),
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "batch_size": 64,
    "max_epochs": 200,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "n_iter_no_change": 4,
}


@recipe(
    source="Gomez-Munoz (2020)",
    task="37 vote fractions of Galaxy Zoo 2",
    metric="RMSE",
    published=0.0954,
)
def gomez2020_resnet50(*, pretrained=True, **params):
    """Return the fine-tuned ResNet-50 of Gomez-Munoz (2020).

    Published: ImageNet's ResNet-50 with 37 nodes as a final layer, all weights refined; Adam,
    batches of 64, MSE, a fifth of the images to validate on, early stopping with a patience of 4 on
    their MSE; any rotation, mirror images, small shifts.

    Filled in: the final layer takes the place of ImageNet's (23,583,845 parameters), where it may
    also have been stacked upon its thousand outputs (25,594,069); the weights that timm names
    first, longer trained than Keras's; images of 224 x 224 pixels, standardised; a sigmoid on each
    output, so that the sum rules are not obeyed; Adam's rate 1e-4; shifts by up to 5 %; at most 200
    epochs. The publication trained on eleven fixed copies of each galaxy, an epoch of its patience
    being as many passes, and may have split them between training and validation; here each pass
    draws new views, and a galaxy is on one side. It kept the best of several runs, whose number it
    does not say: `n_restarts` does so.

    Reported: validation MSE 0.0091, that is RMSE 0.0954; an accuracy of about 80 %, which is not
    defined, and an "expert accuracy" of about 72 %, that times the 90 % on which experts agree with
    Galaxy Zoo. The MSE is said to be ten times better than the winner of the Galaxy Challenge,
    which compares it with the winner's RMSE of 0.0749; the winner's MSE is 0.0056, so that this one
    is 1.6 times worse.

    Parameters
    ----------
    pretrained : bool or path-like, default=True
        ImageNet's weights, downloaded or from a file; False starts from scratch.
    **params
        Parameters of the `VoteFractionRegressor` at the end that replace the published ones.

    Returns
    -------
    Pipeline
        `ImageReader`, `Resize`, `VoteFractionRegressor`: image files or arrays in, fractions out.
    """
    params = {"pretrained": pretrained or None} | params
    return vote_pipeline("timm/resnet50", 224, **replaced(_TRAINING, params))
