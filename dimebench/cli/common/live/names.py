"""Names and times that fit a narrow column."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from rich.cells import cell_len, set_cell_size


@cache
def fitted(names: tuple[str, ...], width: int, ascii_only: bool = False) -> dict[str, str]:
    """Each name in at most `width` columns (1 or more), cut where that keeps different names apart."""
    dots = "~" if ascii_only else "…"
    heads = sorted(range(width), key=lambda head: abs(head - (width - 1) * 2 // 3))
    tried = (_cut(names, width, head, dots) for head in heads)
    return next((each for each in tried if len(set(each.values())) == len(each)), _cut(names, width, heads[0], dots))


def _cut(names: Sequence[str], width: int, head: int, dots: str) -> dict[str, str]:
    tail = width - 1 - head
    return {
        name: name
        if cell_len(name) <= width
        else set_cell_size(name, head).rstrip() + dots + (_end(name, tail) if tail else "")
        for name in names
    }


def _end(name: str, width: int) -> str:
    at = max(0, len(name) - width)
    while cell_len(name[at:]) > width:
        at += 1
    return name[at:]


def clock(seconds: float) -> str:
    """1:05, 2:03:04, 4d 07h."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24}d {hours % 24:02d}h"
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
