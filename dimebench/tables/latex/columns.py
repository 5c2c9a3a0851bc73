"""A column that is set: how wide it is at a size of type, and its cells' lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dimebench.papers import Paper
from dimebench.tables.latex import source
from dimebench.tables.latex.grid import Column, Entry
from dimebench.tables.latex.metrics import Type
from dimebench.tables.latex.text import latex_text

SMALL = 7  # type of the lines below a number
LONGEST_HEAD = 14.0  # a piece of a head without a joint is parted above this many times the size of its type


@dataclass(frozen=True)
class Setting:
    """A width, a size and a gap that a table is set at."""

    paper: Paper
    width: float
    size: int
    leading: float
    gap: int

    @property
    def type(self) -> Type:
        return Type(family(self.paper), self.size)

    @property
    def small(self) -> Type:
        return Type(family(self.paper), SMALL)


def family(paper: Paper) -> str:
    return "times" if "Times" in paper.families else "modern"


@dataclass(frozen=True)
class Set:
    """A column's lines: those of its head and of each entry, as they are. Its width in points."""

    column: Column
    head: list[str]
    lines: list[list[str]]
    width: float

    def heads(self) -> list[str]:
        """The head's lines as LaTeX."""
        return [latex_text(line) for line in self.head]

    def cells(self) -> list[list[str]]:
        """Each entry's lines as LaTeX."""
        if self.column.prose:
            return [[*map(source.written, lines)] for lines in self.lines]
        entries = self.column.entries
        mains = source.aligned(*zip(*((e.main, e.bold, e.mark) for e in entries), strict=True))
        return [
            [main, *(rf"\scriptsize {source.written(line)}" for line in entry.below)]
            for main, entry in zip(mains, entries, strict=True)
        ]


def set_column(column: Column, setting: Setting, room: float, head_room: float = 0.0) -> Set:
    """One column set: prose folded to `room` points, a number's head to what its numbers need or to `head_room`."""
    type_ = setting.type
    if column.prose:
        texts = [type_.folded(entry.main, room) for entry in column.entries]
        head = type_.folded(column.heading, room)
        width = max((type_.width(line) for lines in [head, *texts] for line in lines), default=0.0)
        return Set(column, head, texts, width)
    needed = max(
        [*(_width(entry, type_, setting.small) for entry in column.entries), _aligned(column.entries, type_)]
    )
    limit = min(type_.longest_piece(column.heading), LONGEST_HEAD * setting.size)
    head = type_.folded(column.heading, max(needed, limit, head_room))
    lines = [[entry.main, *entry.below] for entry in column.entries]
    return Set(column, head, lines, max([needed, *map(type_.width, head)]))


def _width(entry: Entry, type_: Type, small: Type) -> float:
    return max([type_.width(entry.main, entry.bold), *map(small.width, entry.below)])


def _aligned(entries: Sequence[Entry], type_: Type) -> float:
    """The width of numbers aligned: the widest on the left of the point with the widest on its right."""
    bold = any(entry.bold for entry in entries)
    parts = [entry.main.partition(".") for entry in entries if entry.main[-1:].isdigit() or entry.main.endswith("%")]
    whole = max((type_.width(left.lstrip("<+\u2212"), bold) for left, _, _ in parts), default=0.0)
    rest = max((type_.width("".join(right), bold) for _, *right in parts), default=0.0)
    signed = any(left[:1] in tuple("<+\u2212") for left, _, _ in parts)
    return whole + rest + (type_.width("+") if signed else 0.0)
