"""Algorithms by name. Nothing is imported before it is asked for.

A package of your own adds an algorithm with an entry point:

    [project.entry-points."dimebench.algorithms"]
    mine = "my_package.mine:Mine"        # a subclass of dimebench.agents.base.Agent
"""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any, cast

from dimebench import plugins
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


def built_in_algorithms() -> list[str]:
    """The names of this package's own."""
    return list(_BUILTIN)


def known_algorithms() -> list[str]:
    """Every name, the built-in ones first."""
    return plugins.names(ENTRY_POINTS, _BUILTIN)


def algorithm_source(name: str) -> str:
    """Where the algorithm's class lives, as `module:Class`. Raises UnknownAlgorithmError."""
    return _found(name).value


def load_algorithm(name: str) -> type[Agent]:
    """The algorithm's class. Raises UnknownAlgorithmError, or BrokenAlgorithmError for a faulty entry point."""
    point = _found(name)
    if name in _BUILTIN:
        return cast("type[Agent]", point.load())
    from dimebench.agents.base import Agent, NoSettings

    what = f"algorithm '{name}' ({point.value})"
    try:
        loaded: Any = point.load()
    except (Exception, SystemExit) as error:
        raise BrokenAlgorithmError(f"{what} cannot be loaded: {error}") from error
    is_agent = isinstance(loaded, type) and issubclass(loaded, Agent)
    if is_agent and not (loaded.learns and loaded.Settings is NoSettings):
        return cast("type[Agent]", loaded)
    raise BrokenAlgorithmError(f"{what} is not an Agent class with Settings")


def _found(name: str) -> EntryPoint:
    point = plugins.find(ENTRY_POINTS, _BUILTIN, name)
    if point is None:
        raise UnknownAlgorithmError(name, known_algorithms())
    return point
