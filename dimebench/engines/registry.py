"""Engines by name, as `--on NAME` has them. A package adds one through the entry point group `dimebench.engines`."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from dimebench.errors import UsageError, nearest

if TYPE_CHECKING:  # an engine is loaded when it is wanted
    from dimebench.engines.base import Engine

GROUP = "dimebench.engines"
BUILT_IN = {
    "local": "dimebench.engines.local.engine:Local",
    "slurm": "dimebench.engines.slurm.engine:Slurm",
    "ray": "dimebench.engines.ray.engine:Ray",
}


def known_engines() -> dict[str, str]:
    """Name -> module:class, those of installed packages included."""
    return {each.name: each.value for each in entry_points(group=GROUP)} | BUILT_IN


def check_engine(name: str) -> str:
    """The name. Raises UsageError for an engine that there is not."""
    if name not in BUILT_IN and name not in (known := known_engines()):
        raise UsageError(f"--on {name}: unknown engine{nearest(name, known)}")
    return name


def load_engine(name: str) -> type[Engine]:
    """Raises UsageError for an engine that there is not."""
    check_engine(name)
    found: type[Engine] = EntryPoint(name, BUILT_IN.get(name) or known_engines()[name], GROUP).load()
    return found
