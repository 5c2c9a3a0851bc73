"""A grid as a table that fits a terminal: what does not fit beside one another comes below, every row named again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from dimebench.tables.content import Grid

GAP = 2  # between two columns
NARROWEST_NAME = 16  # the first column is folded, at most to this, where that saves a further table
NARROWEST_HEAD = 12
NARROWEST_PROSE = 20


@dataclass(frozen=True)
class Fitted:
    """Draws a grid at the width there is."""

    grid: Grid

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        grid, room = self.grid, options.max_width
        needs = [_need(grid, index) for index in range(len(grid.header))]
        names = [min(needs[0], width) for width in (room, max(NARROWEST_NAME, room // 3), NARROWEST_NAME)]
        choices = [[name, *needs[1:]] for name in names if name <= room // 2 or name == names[-1]]
        needs = min(choices, key=lambda widths: len(list(_parts(widths, room))))  # fewest parts, widest name
        parts = list(_parts(needs, room))
        for number, columns in enumerate(parts):
            title = "" if number else grid.title
            yield Text("")
            yield _table(grid, columns, needs, title, grid.note if number == len(parts) - 1 else "")


def _table(grid: Grid, columns: Sequence[int], needs: Sequence[int], title: str, note: str) -> Table:
    table = Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        caption=Text(note, style="dim") if note else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_edge=False,
    )
    for index in columns:
        name, prose = Text(_folded(grid.header[index], needs[index])), _is_prose(grid, index)
        if prose:
            table.add_column(name, overflow="fold", min_width=needs[index])
        else:
            justify = "right" if _is_numeric(grid, index) else "left"
            table.add_column(name, justify=justify, overflow="fold", width=needs[index])  # type: ignore[arg-type]
    for row in grid.rows:
        table.add_row(*(Text(_lines(row[i], i) if i else _folded(_lines(row[i], i), needs[i])) for i in columns))
    return table


def _parts(needs: Sequence[int], room: int) -> Iterator[list[int]]:
    """The columns of each table: the first one, and as many of the others as have room; at least one."""
    columns, left = [0], room - needs[0] - GAP
    for index, need in enumerate(needs[1:], start=1):
        if len(columns) > 1 and need + GAP > left:
            yield columns
            columns, left = [0], room - needs[0] - GAP
        columns.append(index)
        left -= need + GAP
    yield columns


def _need(grid: Grid, index: int) -> int:
    """The width that a column takes at least; that of the first one is its whole."""
    head = cell_len(grid.header[index])
    widest = max((cell_len(line) for row in grid.rows for line in _lines(row[index], index).split("\n")), default=0)
    if index == 0:
        return max(head, widest)
    if _is_prose(grid, index):
        return min(max(head, widest), NARROWEST_PROSE)
    return max(widest, min(head, NARROWEST_HEAD))


def _lines(cell: str, index: int) -> str:
    """A value above its interval; a name above what is said of it."""
    return cell.replace(" [", "\n[") if index else cell.replace(" (", "\n(")


def _is_numeric(grid: Grid, index: int) -> bool:
    return index > 0 and all(row[index][:1] in "+-0123456789" for row in grid.rows)


def _is_prose(grid: Grid, index: int) -> bool:
    return index > 0 and not _is_numeric(grid, index)


def _folded(text: str, width: int) -> str:
    """Lines of at most `width`, ended where a name has a joint: dm_control/ walker-walk."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines.append("")
        for piece in re.findall(r"[^ /:,=_-]*[ /:,=_-]?", line):
            if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)
