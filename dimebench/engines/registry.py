"""Engines by name, as `--on NAME` has them. A package adds one through the entry point group `dimebench.engines`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dimebench import plugins
from dimebench.errors import UsageError, first_line, nearest

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
    """Raises UsageError for an engine that there is not, EngineError for a faulty entry point."""
    point = plugins.find(GROUP, BUILT_IN, check_engine(name))
    assert point is not None, "checked"
    from dimebench.engines.base import Engine, EngineError

    what = f"engine '{name}' ({point.value})"
    try:
        loaded: Any = point.load()
    except (Exception, SystemExit) as error:
        raise EngineError(f"{what} cannot be loaded: {first_line(error)}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Engine)):
        raise EngineError(f"{what} is not an Engine class")
    return loaded
