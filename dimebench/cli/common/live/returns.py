"""The returns of a cell's evaluations. Those of different env steps never become one number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dimebench.store import StoreError
from dimebench.store.schema import EVALS_FILE
from dimebench.store.tables import read_table

LEVELS, ASCII_LEVELS = "▁▂▃▄▅▆▇█", "_.-=+*#@"


@dataclass(frozen=True)
class Point:
    """An evaluation: the mean return over the seeds that have reached this env step, and how many these are."""

    env_step: int
    value: float
    seeds: int


class Returns:
    """Of each seed the mean return of each of its evaluations. A seed that diverged has none from there on."""

    def __init__(self) -> None:
        self._by_seed: dict[int, dict[int, float]] = {}

    def add(self, seed: int, evaluations: dict[int, float]) -> None:
        """All evaluations of a seed, by env step, in place of those it had."""
        self._by_seed[seed] = evaluations

    def points(self) -> list[Point]:
        """One for each env step at which a seed was evaluated, in order."""
        at: dict[int, list[float]] = {}
        for evaluations in list(self._by_seed.values()):
            for env_step, value in evaluations.items():
                at.setdefault(env_step, []).append(value)
        return [Point(env_step, sum(values) / len(values), len(values)) for env_step, values in sorted(at.items())]


def read_evaluations(folder: Path) -> dict[int, float]:
    """By env step the mean return over the episodes of a run's folder; {} where nothing can be read."""
    try:
        table = read_table(folder / EVALS_FILE).select(["env_step", "return"]).to_pandas().dropna()
    except (OSError, StoreError):
        return {}
    return {int(step): float(value) for step, value in table.groupby("env_step")["return"].mean().items()}


def spark(
    points: Sequence[Point], budget: int, interval: int, bounds: tuple[float, float], width: int, ascii_only: bool
) -> str:
    """The evaluations as a line of at most `width` characters over the whole budget.

    A column shows the last evaluation of its part of the budget, by its height between `bounds`, the returns that
    score 0 and 1; so lines of the same suite can be compared, and nothing is scaled by the data.
    """
    levels = ASCII_LEVELS if ascii_only else LEVELS
    due = budget // max(interval, 1) + 1 + (budget % max(interval, 1) > 0)  # evaluations of a whole run
    columns = max(1, min(width, due))
    line = [" "] * columns
    for point in points:
        at = min(columns - 1, point.env_step * columns // (budget + 1)) if budget else 0
        line[at] = levels[_level(point.value, bounds, len(levels))]
    return "".join(line)


def _level(value: float, bounds: Iterable[float], levels: int) -> int:
    lower, upper = bounds
    score = float(np.clip((value - lower) / (upper - lower), 0.0, 1.0))
    return min(levels - 1, int(score * levels))
