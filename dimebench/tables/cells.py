"""Values as cells: written for people, and in full for programs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dimebench import numbers
from dimebench.stats import Estimate
from dimebench.tables.model import Cell
from dimebench.wording import terms


def interval(value: Estimate, write: Callable[[float], str] = numbers.unit) -> Cell:
    """An estimate with its interval; in full three values."""
    return Cell(terms.estimate(value, write), ends(value))


def ends(value: Estimate) -> tuple[float, float | None, float | None]:
    """Point, low and high."""
    return value.point, *((value.interval.low, value.interval.high) if value.interval else (None, None))


def number(value: float | None, write: Callable[[Any], str], *more: Any) -> Cell:
    """A number, empty where it is None or 0; `more` data for programs."""
    return Cell(write(value) if value else "", (value, *more))


def text(value: object) -> Cell:
    return Cell(str(value), (value,))
