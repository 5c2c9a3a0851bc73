"""The ranking as a picture: a bar per variant on one scale, and what the claims say of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from dimebench.analysis.summary import RankRow, Summary
from dimebench.numbers import span


@dataclass(frozen=True)
class Bar:
    """A row of the picture. Places are percentages of the scale's width."""

    of: RankRow
    ranks: str  # "1", "2-4"
    letters: tuple[str, ...]  # one for each of the ranking's letters, "" where the variant lacks it; () without any
    told: str  # what the comparison with the highest IQM says, where not every pair was judged
    point: float
    low: float | None  # None where one seed per task gives no interval
    width: float | None


@dataclass(frozen=True)
class Picture:
    """The ranking of a summary; `ticks` are places on the scale and what stands there."""

    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]
    letters: tuple[str, ...]


def picture(summary: Summary) -> Picture | None:
    """None for so few variants that there is no ranking."""
    rows = summary.ranking
    if not rows:
        return None
    ends = [end for row in rows for end in _ends(row)]
    ticks = [float(tick) for tick in MaxNLocator(6, min_n_ticks=3).tick_values(min(ends), max(ends))]
    first, last = ticks[0], ticks[-1]
    letters = sorted({letter for row in rows for letter in _letters(row)}, key=_order)
    digits = next(n for n in range(9) if all(abs(tick - round(tick, n)) < 1e-9 for tick in ticks))

    def place(value: float) -> float:
        return round(100 * (value - first) / (last - first), 2)

    def bar(row: RankRow) -> Bar:
        interval, own = row.iqm.interval, _letters(row)
        low = place(interval.low) if interval else None
        width = round(max(0.4, place(interval.high) - place(interval.low)), 2) if interval else None
        shared = tuple(letter if letter in own else "" for letter in letters)
        return Bar(
            row, span(row.best_rank, row.worst_rank), shared, _told(summary, row), place(row.iqm.point), low, width
        )

    return Picture(
        tuple(bar(row) for row in rows), tuple((place(tick), f"{tick:.{digits}f}") for tick in ticks), tuple(letters)
    )


def _ends(row: RankRow) -> tuple[float, ...]:
    interval = row.iqm.interval
    return (row.iqm.point, *((interval.low, interval.high) if interval else ()))


def _letters(row: RankRow) -> list[str]:
    return re.findall(r"[a-z]\d*", row.letters or "")


def _order(letter: str) -> tuple[int, str]:
    return int(letter[1:] or 1), letter[0]


def _told(summary: Summary, row: RankRow) -> str:
    """What the comparison with the highest IQM says of another variant; "" where all pairs are judged."""
    first = summary.ranking[0].variant
    if not summary.best_against_each or row.variant == first:
        return ""
    judged = next(c for c in summary.comparisons if {c.a, c.b} == {first, row.variant})
    return "worse" if judged.winner else str(judged.verdict)
