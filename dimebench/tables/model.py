"""What a table is, before any of its writers draws it. Imports the standard library alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

TERMINAL, PAPER = "terminal", "paper"
Row = TypeVar("Row")


@dataclass(frozen=True)
class Cell:
    """A value: as people read it, and in full for each of its column's fields."""

    text: str = ""
    data: tuple[Any, ...] = ()
    bold: bool = False  # in a paper
    remark: str = ""  # on a terminal, after the text


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column: its heading for people ("": for programs alone), its cell in a row, its data's names for programs."""

    heading: str
    cell: Callable[[Row], Cell]
    fields: tuple[str, ...] = ()
    prose: bool = False  # left-aligned and folded on a terminal; others hold numbers (or, the first, names)
    only: str = ""  # the one medium that shows it


@dataclass(frozen=True)
class Caption:
    """What stands above and below a table."""

    title: str
    note: str = ""


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A medium without a caption does not show the table; programs get every table with fields.

    Where `spread` names fields, programs get a row for each cell but the first: the first cell's data, the column's
    field, the cell's data.
    """

    name: str
    items: Sequence[Row]
    columns: Sequence[Column[Row]]
    terminal: Caption | None = None
    paper: Caption | None = None
    spread: tuple[str, ...] = ()

    @property
    def for_programs(self) -> bool:
        return any(column.fields for column in self.columns)

    @property
    def headings(self) -> list[str]:
        return [column.heading for column in self.columns]

    @property
    def rows(self) -> list[list[Cell]]:
        return [[column.cell(item) for column in self.columns] for item in self.items]

    def on(self, medium: str) -> Table[Row]:
        """The table with the columns that people see in this medium."""
        return replace(self, columns=[c for c in self.columns if c.heading and c.only in ("", medium)])
