"""The one exception of this room."""

from collections.abc import Iterator
from contextlib import contextmanager

from dimebench.errors import DimebenchError


class ConfigError(DimebenchError):
    """A suite, a word or a setting that cannot be used."""


@contextmanager
def naming(what: str) -> Iterator[None]:
    """Puts "WHAT: " before a ConfigError that is raised inside."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
