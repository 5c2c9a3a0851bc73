"""Tables that fit a terminal: columns without room beside the others come below, with every row named again.

Names come from files and may hold square brackets (`dime:critic_hidden=[64,64]`), so every cell is a `Text`: rich
reads no markup in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from dimebench.tables import model
from dimebench.tables.model import TERMINAL

GAP = 2  # between two columns
NARROWEST_NAME = 16  # the first column is folded, at most to this, where that saves a further table
NARROWEST_HEAD = 12
NARROWEST_PROSE = 20


@dataclass(frozen=True)
class Fitted:
    """Draws a table at the width there is."""

    table: model.Table[Any]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        shown, room, caption = self.table.on(TERMINAL), options.max_width, self.table.terminal
        assert caption is not None
        columns = [
            _Column(column.heading, column.prose, [_lines(row[k].text + row[k].remark, k) for row in shown.rows])
            for k, column in enumerate(shown.columns)
        ]
        first, *needs = [_need(column, index) for index, column in enumerate(columns)]
        names = [min(first, width) for width in (room, max(NARROWEST_NAME, room // 3), NARROWEST_NAME)]
        choices = [[name, *needs] for name in names if name <= room // 2 or name == names[-1]]
        needs = min(choices, key=lambda widths: len(list(_parts(widths, room))))  # fewest parts, widest name
        parts = list(_parts(needs, room))
        for number, part in enumerate(parts):
            yield Text("")
            table = _ruled(
                title=None if number else Text(caption.title, style="bold"),
                title_justify="left",
                caption=Text(caption.note, style="dim") if caption.note and number == len(parts) - 1 else None,
                caption_justify="left",
            )
            for index in part:
                _add(table, columns[index], index, needs[index])
            for row in range(len(shown.rows)):
                cells = ((columns[index].cells[row], index) for index in part)
                table.add_row(*(Text(text if index else _folded(text, needs[index])) for text, index in cells))
            yield table


@dataclass(frozen=True)
class Lines:
    """Draws rows of text, at least one, at the width there is.

    Where a row is too long the widest columns are folded, each at its joints.
    """

    rows: Sequence[Sequence[str]]
    header: Sequence[str] = ()
    right: Collection[str] = ()  # the headings of the columns that are right-aligned

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room, everything = options.max_width, [self.header, *self.rows] if self.header else self.rows
        columns = list(zip(*everything, strict=True))
        whole = [max(map(cell_len, column)) for column in columns]
        least = [max(cell_len(piece.rstrip()) for cell in column for piece in _pieces(cell)) for column in columns]
        for number, part in enumerate(_parts(least, room)):
            if number:
                yield Text("")
            widths = _squeezed([whole[k] for k in part], [least[k] for k in part], room - GAP * (len(part) - 1))
            table = _ruled() if self.header else Table(show_header=False, box=None, padding=(0, GAP, 0, 0))
            for index, width in zip(part, widths, strict=True):
                name = self.header[index] if self.header else ""
                justify: Literal["left", "right"] = "right" if name in self.right else "left"
                table.add_column(Text(_folded(name, width)), overflow="fold", justify=justify)
            for row in self.rows:
                table.add_row(*(Text(_folded(row[k], width)) for k, width in zip(part, widths, strict=True)))
            yield table


def _ruled(**options: Any) -> Table:
    """A table with a rule below its header."""
    return Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False, **options)


def _squeezed(whole: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """The columns' widths: whole where there is room, else the widest give way, none below its `least`."""
    widths = list(whole)
    while sum(widths) > room:
        widest = max(range(len(widths)), key=lambda k: (widths[k] > least[k], widths[k]))
        if widths[widest] <= least[widest]:
            break  # one word is wider than the terminal
        widths[widest] -= 1
    return widths


@dataclass(frozen=True)
class _Column:
    heading: str
    prose: bool
    cells: list[str]


def _add(table: Table, column: _Column, index: int, width: int) -> None:
    heading = Text(_folded(column.heading, width))
    if column.prose:
        table.add_column(heading, overflow="fold", min_width=width)
    else:
        table.add_column(heading, justify="right" if index else "left", overflow="fold", width=width)


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


def _need(column: _Column, index: int) -> int:
    """The width that a column takes at least; that of the first one is its whole."""
    head = cell_len(column.heading)
    widest = max((cell_len(line) for cell in column.cells for line in cell.split("\n")), default=0)
    if index == 0:
        return max(head, widest)
    if column.prose:
        return min(max(head, widest), NARROWEST_PROSE)
    return max(widest, min(head, NARROWEST_HEAD))


def _lines(cell: str, index: int) -> str:
    """A value above its interval; a name above what is said of it."""
    return cell.replace(" [", "\n[") if index else cell.replace(" (", "\n(")


def _folded(text: str, width: int) -> str:
    """Lines of at most `width`, ended at spaces; a longer word where it has a joint: dm_control/ walker-walk."""
    lines: list[str] = []
    for line in text.split("\n"):
        lines.append("")
        for word in re.findall(r"[^ ]* ?", line):
            for piece in [word] if cell_len(word.rstrip()) <= width else _pieces(word):
                if lines[-1] and cell_len(lines[-1] + piece.rstrip()) > width:
                    lines.append("")
                lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str) -> list[str]:
    """What may stand on a line of its own, with the joint that ends it; a number's commas are none."""
    return re.findall(r"(?:[^ /:,=_-]|(?<=\d),(?=\d{3}(?!\d)))*[ /:,=_-]?", text)
