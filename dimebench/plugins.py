"""What other packages add by name: algorithms, environment libraries, engines, each in its entry point group."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points


def names(group: str, built_in: Mapping[str, str]) -> list[str]:
    """The built-in names, then those of installed packages in order."""
    return [*built_in, *sorted(_installed(group).keys() - built_in)]


def find(group: str, built_in: Mapping[str, str], name: str) -> EntryPoint | None:
    """Where the name's class is; None for an unknown name. A built-in one (module:Class) goes before others."""
    return EntryPoint(name, built_in[name], group) if name in built_in else _installed(group).get(name)


def _installed(group: str) -> dict[str, EntryPoint]:
    """Looked for again when a folder of the path has changed: a notebook may install a package while it runs."""
    path = tuple((folder, _changed(folder)) for folder in sys.path)
    return {each.name: each for each in _entry_points(group, path)}


def _changed(folder: str) -> int:
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


@lru_cache(maxsize=8)
def _entry_points(group: str, path: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))
