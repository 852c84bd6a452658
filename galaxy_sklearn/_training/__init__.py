"""The training engine: the only code that imports skorch."""
