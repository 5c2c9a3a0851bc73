"""What a table is, before any of its writers draws it. Imports the standard library alone."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

from dimebench.numbers import Estimate, estimate, unit

TERMINAL, PAPER, PROGRAM = "terminal", "paper", "program"


@dataclass(frozen=True)
class Cell:
    """A value: as people read it, and in full for each of its column's fields."""

    text: str = ""
    data: tuple[Any, ...] = ()
    bold: bool = False  # in a paper
    remark: str = ""  # on a terminal, after the text


def interval(value: Estimate, write: Callable[[float], str] = unit, bold: bool = False) -> Cell:
    """An estimate with its interval; in full three values."""
    return Cell(estimate(value, write), ends(value), bold)


def number(value: float | None, write: Callable[[Any], str]) -> Cell:
    """A number, empty where it is None or 0."""
    return Cell(write(value) if value else "", (value,))


def text(value: str) -> Cell:
    return Cell(value, (value,))


def ends(value: Estimate) -> tuple[float, float | None, float | None]:
    """Point, low and high."""
    low, high = (None, None) if value.interval is None else (value.interval.low, value.interval.high)
    return value.point, low, high


@dataclass(frozen=True)
class Column:
    """A column: its heading for people, and the names of its cells' data for programs."""

    heading: str = ""
    fields: tuple[str, ...] = ()
    prose: bool = False  # left-aligned and folded on a terminal; others hold numbers (or, the first, names)
    only: str = ""  # the one medium that shows it


@dataclass(frozen=True)
class Caption:
    """What stands above and below a table."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells, one for each column. Where `spread` is named, programs get a row for each cell but the first.

    A medium without a caption does not show the table; programs get every table that has fields.
    """

    name: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    terminal: Caption | None = None
    paper: Caption | None = None
    spread: tuple[str, ...] = ()  # fields of those rows: row, column, and the cell's

    @property
    def for_programs(self) -> bool:
        return bool(self.spread) or any(column.fields for column in self.columns)

    def on(self, medium: str) -> Table:
        """The table with the columns that people see in this medium."""
        shown = [k for k, column in enumerate(self.columns) if column.heading and column.only in ("", medium)]
        return replace(self, columns=_of(self.columns, shown), rows=tuple(_of(row, shown) for row in self.rows))

    @property
    def headings(self) -> tuple[str, ...]:
        return tuple(column.heading for column in self.columns)


def _of(items: tuple[Any, ...], places: Collection[int]) -> tuple[Any, ...]:
    return tuple(items[place] for place in places)
