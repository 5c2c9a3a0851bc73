"""Published figures: aggregates over seeds as other groups reported them, never per-seed data.

`published.csv` holds mean, median and IQM with a 95% bootstrap interval near a few env steps, or the one of them that
is known; `sources.csv` where they come from, and each reference's name. Both are made by
`tests/reference/make_published.py`. Steps are simulator steps (frames): action repeat is included.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from dimebench.errors import DimebenchError, nearest

PREFIX = "paper:"


@dataclass(frozen=True)
class Point:
    """Aggregates over the seeds of one task. None for a figure that was not published.

    `kind` says what is known: "per-seed" curves, from which all of it was computed; a "mean" or an "iqm" alone; or a
    "figure", an IQM read off one.
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

    name: str  # "paper:DIME"; "paper:SAC@simba" where several sources have the algorithm
    algorithm: str
    source: str
    path: str  # of the file in the source's repository
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

    def other_versions(self, task: str) -> list[str]:
        """The tasks here that are `task` in another version ("-v4" for "-v5"), the nearest version first."""
        stem, version = versioned(task)
        others = [(other, *versioned(other)) for other in self.points]
        alike = [(abs(v - version), -v, other) for other, its_stem, v in others if its_stem == stem and v != version]
        return [other for *_, other in sorted(alike)]


def versioned(task: str) -> tuple[str, int]:
    """Name and version of "gymnasium/Ant-v5"; -1 for a task without one."""
    found = re.fullmatch(r"(.+)-v(\d+)", task)
    return (found[1], int(found[2])) if found else (task, -1)


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
    found: dict[str, Reference] = {}
    for row in _rows("sources.csv"):
        of_tasks = points[row["source"], row["algorithm"]]
        curves = {task: tuple(sorted(own, key=lambda p: p.frames)) for task, own in of_tasks.items()}
        found[row["name"]] = Reference(points=curves, **row)
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def find(name: str, among: Sequence[str] = ()) -> Reference:
    """The reference with this name, ignoring case. `among`: what else could have been meant.

    Raises UnknownReferenceError.
    """
    by_lower = {known.lower(): reference for known, reference in references().items()}
    if name.lower() not in by_lower:
        raise UnknownReferenceError(name, [*among, *references()])
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
