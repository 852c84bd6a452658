"""Parameters of a network and an optimiser as parameters of the estimator."""

_NESTED = {"network": "network_params", "optimizer": "optimizer_params"}


class NestedParamsMixin:
    """Reach the entries of `network_params` as ``network__name``, and the optimizer's likewise."""

    def get_params(self, deep=True):
        """Return parameters by name, nested entries too when `deep`."""
        params = super().get_params(deep=deep)
        if deep:
            for prefix, owner in _NESTED.items():
                if isinstance(params.get(owner), dict):
                    params |= {f"{prefix}__{name}": v for name, v in params[owner].items()}
        return params

    def set_params(self, **params):
        """Set parameters; ``network__dropout=0.3`` sets one entry of `network_params`."""
        nested = {name: value for name, value in params.items() if self._owner(name)}
        super().set_params(**{k: v for k, v in params.items() if k not in nested})
        for name, value in nested.items():
            owner = self._owner(name)
            entry = {name.partition("__")[2]: value}
            setattr(self, owner, {**(getattr(self, owner) or {}), **entry})
        return self

    @staticmethod
    def _owner(name):
        prefix, separator, _ = name.partition("__")
        return _NESTED.get(prefix) if separator else None
