"""Published figures: aggregates over seeds as other groups reported them, never per-seed data.

`published.csv` holds mean, median and IQM with a 95% bootstrap interval near a few env steps, `sources.csv` where
they come from. Both are made by `tests/reference/make_published.py`. Steps are simulator steps (frames): action
repeat is included.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dimebench.errors import DimebenchError, nearest

PREFIX = "paper:"


@dataclass(frozen=True)
class Point:
    """Aggregates over the seeds of one task. None for a figure that was not published.

    `kind` says what the source gives: "per-seed" curves, the authors' "mean", or an "iqm" read off a figure.
    """

    nominal: int  # frames asked for
    frames: int  # frames at which the source evaluated
    kind: str
    seeds: int | None
    mean: float | None
    median: float | None
    iqm: float | None
    iqm_low: float | None  # 95% percentile bootstrap over seeds
    iqm_high: float | None


@dataclass(frozen=True)
class Reference:
    """One algorithm of one source. `points` by task, in the order of their frames."""

    name: str  # "paper:DIME"; "paper:SAC@simba" where several sources have the algorithm on the same task
    algorithm: str
    source: str
    licence: str
    seeds: str  # as the source says, like the two below
    action_repeat: str
    updates: str
    note: str
    points: dict[str, tuple[Point, ...]]

    def at(self, task: str, frames: int, below: float = 0.05, above: float = 0.05) -> Point | None:
        """The point nearest to `frames`, within the given fractions of it."""
        near = [p for p in self.points.get(task, ()) if frames * (1 - below) <= p.frames <= frames * (1 + above)]
        return min(near, key=lambda p: abs(p.frames - frames), default=None)


class UnknownReferenceError(DimebenchError):
    """No published figures under this name; `known` lists the existing ones."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"no published figures of '{name}'{nearest(name, known)}")
        self.name, self.known = name, known


@cache
def references() -> dict[str, Reference]:
    """Every reference by name."""
    points: dict[tuple[str, str], dict[str, list[Point]]] = {}
    for row in _rows("published.csv"):
        of_task = points.setdefault((row["source"], row["algorithm"]), {})
        of_task.setdefault(row["task"], []).append(_point(row))
    tasks: dict[str, list[str]] = {}
    for (_, algorithm), by_task in points.items():
        tasks.setdefault(algorithm, []).extend(by_task)
    found: dict[str, Reference] = {}
    # Two sources with an algorithm on different tasks: the plain name is that of the library that comes first.
    first = {key: min(map(_library, by_task)) for key, by_task in points.items()}
    for row in sorted(_rows("sources.csv"), key=lambda row: first[row["source"], row["algorithm"]]):
        key = (row["source"], row["algorithm"])
        shared = len(set(tasks[row["algorithm"]])) < len(tasks[row["algorithm"]])
        name = f"{PREFIX}{row['algorithm']}" + (f"@{row['source'].split('/')[-1]}" if shared else "")
        if name in found:
            name += f"@{row['source'].split('/')[-1]}"
        curves = {task: tuple(sorted(own, key=lambda p: p.frames)) for task, own in points[key].items()}
        found[name] = Reference(name=name, points=curves, **row)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def _library(task: str) -> str:
    return task.partition("/")[0]


def find(name: str) -> Reference:
    """The reference with this name, ignoring case. Raises UnknownReferenceError."""
    by_lower = {known.lower(): reference for known, reference in references().items()}
    if name.lower() not in by_lower:
        raise UnknownReferenceError(name, list(references()))
    return by_lower[name.lower()]


def licence_of(source: str) -> str:
    """The licence of a source's repository, "" where it is not known here."""
    return next((r.licence for r in references().values() if r.source == source), "")


def _point(row: dict[str, str]) -> Point:
    names = ("mean", "median", "iqm", "iqm_low", "iqm_high")
    figures = {name: float(row[name]) if row[name] else None for name in names}
    seeds = int(float(row["seeds"])) if row["seeds"] else None
    return Point(int(row["nominal_env_steps"]), int(row["actual_env_steps"]), row["kind"], seeds, **figures)


def _rows(name: str) -> Iterator[dict[str, str]]:
    with (files("dimebench.reference") / name).open(encoding="utf-8") as file:
        yield from csv.DictReader(file)
