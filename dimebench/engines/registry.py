"""Engines by name, as `--on NAME` has them. A package adds one through the entry point group `dimebench.engines`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dimebench import plugins
from dimebench.errors import UsageError, nearest

if TYPE_CHECKING:  # an engine is loaded when it is wanted
    from dimebench.engines.base import Engine

GROUP = "dimebench.engines"
BUILT_IN = {
    "local": "dimebench.engines.local.engine:Local",
    "slurm": "dimebench.engines.slurm.engine:Slurm",
    "ray": "dimebench.engines.ray.engine:Ray",
}


def known_engines() -> list[str]:
    """Every name, the built-in ones first."""
    return plugins.names(GROUP, BUILT_IN)


def check_engine(name: str) -> str:
    """The name. Raises UsageError for an engine that there is not."""
    if plugins.find(GROUP, BUILT_IN, name) is None:
        raise UsageError(f"--on {name}: unknown engine{nearest(name, known_engines())}")
    return name


def load_engine(name: str) -> type[Engine]:
    """Raises UsageError for an engine that there is not."""
    point = plugins.find(GROUP, BUILT_IN, check_engine(name))
    assert point is not None, "checked"
    found: type[Engine] = point.load()
    return found
