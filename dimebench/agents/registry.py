"""Algorithms by name. Nothing is imported before it is asked for.

A package of your own adds an algorithm with an entry point:

    [project.entry-points."dimebench.algorithms"]
    mine = "my_package.mine:Mine"        # a subclass of dimebench.agents.base.Agent
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, cast

from dimebench.errors import DimebenchError, nearest

if TYPE_CHECKING:
    from dimebench.agents.base import Agent

ENTRY_POINTS = "dimebench.algorithms"

_BUILTIN = {
    "dime": "dimebench.agents.dime:DIME",
    "dime-gaussian": "dimebench.agents.dime_gaussian:GaussianDIME",
    "crossq": "dimebench.agents.crossq:CrossQ",
    "sac": "dimebench.agents.sac:SAC",
    "random": "dimebench.agents.random:Random",
}


class UnknownAlgorithmError(DimebenchError):
    """No algorithm has this name; `known` lists those that exist."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"unknown algorithm '{name}'{nearest(name, known)}")
        self.name, self.known = name, known


class BrokenAlgorithmError(DimebenchError):
    """An installed package announces an algorithm that cannot be used."""


def _external() -> dict[str, EntryPoint]:
    """Algorithms of other packages: looked for again when a folder of the path has changed, as on an installation."""
    return _entry_points(tuple((folder, _changed(folder)) for folder in sys.path))


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=1)
def _entry_points(path: tuple[tuple[str, int], ...]) -> dict[str, EntryPoint]:
    return {e.name: e for e in entry_points(group=ENTRY_POINTS) if e.name not in _BUILTIN}


def built_in_algorithms() -> list[str]:
    """The names of this package's own."""
    return list(_BUILTIN)


def known_algorithms() -> list[str]:
    """Every name, the built-in ones first."""
    return [*_BUILTIN, *sorted(_external())]


def algorithm_source(name: str) -> str:
    """Where the algorithm's class lives, as `module:Class`. Raises UnknownAlgorithmError."""
    if name in _BUILTIN:
        return _BUILTIN[name]
    if name in _external():
        return _external()[name].value
    raise UnknownAlgorithmError(name, known_algorithms())


def load_algorithm(name: str) -> type[Agent]:
    """The algorithm's class. Raises UnknownAlgorithmError, or BrokenAlgorithmError for a faulty entry point."""
    source = algorithm_source(name)
    module, _, attribute = source.partition(":")
    if name in _BUILTIN:
        return cast("type[Agent]", getattr(import_module(module), attribute))
    from dimebench.agents.base import Agent, NoSettings

    try:
        loaded: Any = _external()[name].load()
    except (Exception, SystemExit) as error:
        raise BrokenAlgorithmError(f"algorithm '{name}' ({source}) cannot be loaded: {error}") from error
    is_agent = isinstance(loaded, type) and issubclass(loaded, Agent)
    if is_agent and not (loaded.learns and loaded.Settings is NoSettings):
        return cast("type[Agent]", loaded)
    raise BrokenAlgorithmError(f"algorithm '{name}' ({source}) is not an Agent class with Settings")
