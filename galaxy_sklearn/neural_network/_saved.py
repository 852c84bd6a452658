"""Fitted networks as files."""

import joblib
from sklearn.utils.validation import check_is_fitted

from galaxy_sklearn._files import written_whole


class SavedMixin:
    """Pickles the trained net of an estimator, ``net_``, so that any device can open it."""

    def __getstate__(self):
        state = super().__getstate__()
        if "net_" in state:
            state = {**state, "net_": state["net_"].on_cpu()}
        return state

    def save(self, path):
        """Write the fitted estimator to a file that `load` opens, on any device.

        Parameters
        ----------
        path : path-like
            Written compressed, as a whole or not at all. Like every pickle, open it only if you
            trust where it comes from.

        Raises
        ------
        NotFittedError
            If nothing is fitted yet.
        FileNotFoundError
            If there is no such folder.
        """
        check_is_fitted(self)
        with written_whole(path) as partial:
            joblib.dump(self, partial, compress=3)

    @classmethod
    def load(cls, path):
        """Return the estimator saved under `path`.

        Parameters
        ----------
        path : path-like
            What `save` wrote. Opening it runs code that it holds: open none you do not trust.

        Returns
        -------
        estimator
            Fitted, of this class.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file holds something else, is damaged, or needs what is not installed.
        """
        try:
            estimator = joblib.load(path)
        except OSError:
            raise
        except Exception as error:
            raise ValueError(
                f"{str(path)!r} cannot be opened as a {cls.__name__} ({type(error).__name__}: "
                f"{error}). It opens what save wrote; files of weights are for pretrained=."
            ) from error
        if not isinstance(estimator, cls):
            raise ValueError(
                f"{str(path)!r} holds a {type(estimator).__name__}, not a {cls.__name__}."
            )
        return estimator
