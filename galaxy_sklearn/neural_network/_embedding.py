"""Networks that turn images into embeddings."""

from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin

from galaxy_sklearn.neural_network._base import NetEstimator
from galaxy_sklearn.preprocessing._columns import as_table


class ImageNetEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NetEstimator):
    """A network on images that is also a transformer: of images to embeddings."""

    def transform(self, X):
        """Return embeddings: what the network's last layer sees.

        Parameters
        ----------
        X : array-like or ImageSequence
            Images of the shape and pixel kind seen in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_embedding)
            float64, averaged over the views of `tta` where there is such a parameter.

        Raises
        ------
        ValueError
            If the images have another shape or pixel kind, or hold NaN or infinity.
        """
        return as_table(self, self._outputs(X, embed=True), X)

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns of an embedding: the class in lower case and a number.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Ignored: the columns do not depend on what the column of images is called.

        Returns
        -------
        ndarray of str
        """
        return super().get_feature_names_out()

    @property
    def _n_features_out(self):
        return self.net_.module_.network.n_embedding
