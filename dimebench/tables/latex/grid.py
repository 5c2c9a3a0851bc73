"""What a paper's table holds, before it is known how wide the paper is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from dimebench.numbers import unit
from dimebench.stats import Estimate, Interval


@dataclass(frozen=True)
class Entry:
    """A cell: a line, lines in smaller type below it, and a mark at its upper right. Minus signs are U+2212."""

    main: str = ""
    below: tuple[str, ...] = ()
    bold: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """A heading and its entries. Numbers are centred and aligned, prose is left-aligned and folded."""

    heading: str
    entries: tuple[Entry, ...]
    prose: bool = False


@dataclass(frozen=True)
class Grid:
    """A table: `names` is its first column, which a table in several parts repeats.

    crosswise: what the headings of `columns` are ("variant"), where rows and columns may change places; else "".
    """

    name: str
    title: str
    notes: tuple[str, ...]
    names: Column
    columns: tuple[Column, ...]
    crosswise: str = ""

    @property
    def caption(self) -> str:
        return " ".join([f"{self.title}.", *(note for note in self.notes if note)])

    def turned(self) -> Grid:
        """Rows as columns."""
        names = Column(self.crosswise, tuple(Entry(column.heading) for column in self.columns), prose=True)
        columns = tuple(
            Column(name.main, tuple(column.entries[row] for column in self.columns))
            for row, name in enumerate(self.names.entries)
        )
        return replace(self, names=names, columns=columns, crosswise=self.names.heading)

    def part(self, columns: Sequence[int], rows: range) -> Grid:
        """Some of the columns and rows."""

        def of(column: Column) -> Column:
            return replace(column, entries=column.entries[rows.start : rows.stop])

        return replace(self, names=of(self.names), columns=tuple(of(self.columns[k]) for k in columns))


def minus(text: str) -> str:
    """A number with a real minus sign."""
    return text.replace("-", "\u2212")


def number(value: float, digits: int, sign: bool = False) -> str:
    """With so many decimals, commas between thousands and a real minus sign; never a zero with a sign."""
    text = f"{value:,.{digits}f}"
    text = text.lstrip("-") if float(text.replace(",", "")) == 0 else text
    return minus(f"+{text}" if sign and value > 0 and float(text.replace(",", "")) else text)


def interval(value: Interval | None, digits: int = 3, sign: bool = False) -> tuple[str, ...]:
    """As the line below a number; none where there is none."""
    return () if value is None else (f"[{number(value.low, digits, sign)}, {number(value.high, digits, sign)}]",)


def estimate(value: Estimate, digits: int = 3, bold: bool = False) -> Entry:
    return Entry(number(value.point, digits), interval(value.interval, digits), bold)


def digits_of(values: Sequence[float]) -> int:
    """The decimals of numbers that stand together: three significant digits of the largest, at most two decimals."""
    largest = max((abs(value) for value in values), default=0.0)
    return 0 if largest >= 99.95 else 1 if largest >= 9.995 else 2


def p_values(values: Sequence[float | None], level: float) -> list[str]:
    """With as many decimals, three or more, as keep what is above the level from being read as the level."""
    known = [value for value in values if value is not None]
    digits = next(
        (n for n in (3, 4, 5) if all(value <= level or round(value, n) > round(level, n) for value in known)), 6
    )
    least = 10**-digits
    return ["" if v is None else f"<{least:.{digits}f}" if v < least else unit(v, digits) for v in values]


def levels(values: Sequence[float | None]) -> list[str]:
    """Confidences in percent with the same number of decimals, at most one where that does not make 100% of less."""
    known = [100 * value for value in values if value is not None]
    digits = next(
        n
        for n in range(12)
        if all(value == 100 or float(f"{value:.{n}f}") < 100 for value in known)
        and (n or all(abs(value - round(value)) < 1e-9 for value in known))
    )
    return ["" if value is None else f"{100 * value:.{digits}f}%" for value in values]
