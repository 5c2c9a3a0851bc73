"""Environment libraries by the prefix of their tasks. Nothing is imported before it is asked for.

A package of your own adds a library with an entry point that is called as the prefix:

    [project.entry-points."dimebench.environments"]
    mine = "my_package.adapter:Mine"       # a subclass of dimebench.envs.libraries.base.Library
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import EntryPoint

from dimebench import plugins
from dimebench.envs import gl
from dimebench.envs.libraries.base import Library
from dimebench.envs.spec import EnvError
from dimebench.errors import first_line, nearest

ENTRY_POINTS = "dimebench.environments"

_BUILTIN = {
    "dm_control": "dimebench.envs.libraries.dm_control:DMControl",
    "gymnasium": "dimebench.envs.libraries.gymnasium:Gymnasium",
}


class UnknownLibraryError(EnvError):
    """No library has this prefix."""


def known_libraries() -> list[str]:
    """Every prefix, the built-in ones first."""
    return plugins.names(ENTRY_POINTS, _BUILTIN)


def load_library(prefix: str) -> Library:
    """The library's adapter. Raises UnknownLibraryError, or EnvError for an entry point that is no adapter."""
    return _load(_found(prefix))


def library_source(prefix: str) -> str:
    """Where the adapter's class lives, as `module:Class`. Raises UnknownLibraryError."""
    return _found(prefix).value


def library_of(task: str) -> Library:
    """The adapter of a task's library. Raises as load_library does."""
    return load_library(task.partition("/")[0])


def loaded_libraries() -> dict[str, Library]:
    """Every adapter that loads, by prefix; a faulty one harms nobody who does not ask for it."""
    found = {}
    for prefix in known_libraries():
        with suppress(EnvError):
            found[prefix] = load_library(prefix)
    return found


def all_packages() -> list[str]:
    """The packages of all libraries whose versions can change a number."""
    return list(dict.fromkeys(package for library in loaded_libraries().values() for package in library.packages))


def _found(prefix: str) -> EntryPoint:
    point = plugins.find(ENTRY_POINTS, _BUILTIN, prefix)
    if point is None:
        raise UnknownLibraryError(f"unknown environment library '{prefix}'{nearest(prefix, known_libraries())}")
    return point


@cache
def _load(point: EntryPoint) -> Library:
    gl.load()
    what = f"environment library '{point.name}' ({point.value})"
    try:
        loaded = point.load()
        library = loaded() if isinstance(loaded, type) and issubclass(loaded, Library) else None
    except (Exception, SystemExit) as error:
        raise EnvError(f"{what} cannot be loaded: {first_line(error)}") from error
    if library is None:
        raise EnvError(f"{what} is not a Library class")
    if library.prefix != point.name:
        raise EnvError(f"{what} says that its prefix is '{library.prefix}'")
    return library
