"""The one exception of this room."""

from dimebench.errors import DimebenchError


class ConfigError(DimebenchError):
    """A suite, a word or a setting that cannot be used."""
