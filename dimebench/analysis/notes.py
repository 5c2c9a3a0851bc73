"""What a report has to say about its runs, as data: what was left out and why, what differs, what was adjusted.

`dimebench.wording.notes` puts these into words. Those that errors name, too, have their text here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LeftOut:
    """A run that the statistics do not count: it failed, ends before the budget, or lacks an evaluation."""

    variant: str
    task: str
    seed: int
    status: str
    reason: str | None  # as a failed run recorded it
    reached: int = 0  # env step of its last evaluation
    budget: int = 0  # env steps that count
    missing: int | None = None  # the first shared evaluation without a value; None: it failed or never began


@dataclass(frozen=True)
class Lacking:
    """A variant without a usable run of a task."""

    variant: str
    failed: int  # runs
    not_evaluated: int

    def __str__(self) -> str:
        parts = [f"{self.failed} failed"] * bool(self.failed)
        parts += [f"{self.not_evaluated} not evaluated yet"] * bool(self.not_evaluated)
        return f"no usable run of {self.variant} ({', '.join(parts)})" if parts else f"no runs of {self.variant}"


@dataclass(frozen=True)
class LeftOutTask:
    """A task that some of the compared variants lack."""

    task: str
    lacking: tuple[Lacking, ...]

    @property
    def reason(self) -> str:
        return "; ".join(map(str, self.lacking))


@dataclass(frozen=True)
class Difference:
    """A fact of two runs that differs: protocol.env_steps on dog-run is 300 for dime and 1000 for sac."""

    kind: str  # of `select.ALLOWABLE`; "" for what cannot be allowed
    name: str  # dotted
    values: tuple[Any, Any]
    variants: tuple[str, str]
    tasks: tuple[str, str]
    seeds: tuple[int, int] | None  # where both runs are of one variant

    def __str__(self) -> str:
        runs, where = list(self.variants), f" on {self.tasks[0]}"
        if self.seeds is not None:
            runs = [f"{run} seed {seed}" for run, seed in zip(runs, self.seeds, strict=True)]
        if self.tasks[0] != self.tasks[1]:
            runs, where = [f"{run} on {task}" for run, task in zip(runs, self.tasks, strict=True)], ""
        return f"{self.name}{where} is {self.values[0]} for {runs[0]} and {self.values[1]} for {runs[1]}"


@dataclass(frozen=True)
class BudgetTrimmed:
    """The budget asked for lies between two shared evaluations: the earlier one counts."""

    asked: int  # env steps
    budget: int


@dataclass(frozen=True)
class BudgetLimited:
    """Some variants end before the others do, and so decide at which env step all are scored."""

    variants: tuple[str, ...]
    ends: tuple[str, int, int]  # task, seed and last env step of the run that ends first
    others: int  # env step that the others reach


End = tuple[str, int, float]  # task, seed, last env step; infinite for a run that limits nothing


def limited_by(ends: Iterable[tuple[str, End]], asked: int | None) -> BudgetLimited | None:
    """The variants that end first, where that keeps the others from being scored where they end, or were asked.

    ends: the variant of each run that decides, and where the run ends.
    """
    first: dict[str, End] = {}
    for variant, end in ends:
        first[variant] = min(first.get(variant, end), end, key=lambda each: each[2])
    finite = {variant: end for variant, end in first.items() if math.isfinite(end[2])}
    reaches = [end[2] for end in finite.values()]
    least, most = min(reaches, default=0), max(reaches, default=0)
    if least == most or (asked is not None and asked <= least):
        return None
    variants = tuple(variant for variant, end in finite.items() if end[2] == least)
    task, seed, _ = finite[variants[0]]
    return BudgetLimited(variants, (task, seed, int(least)), int(most))


@dataclass(frozen=True)
class Unreadable:
    """A run that cannot be read, so that it does not count."""

    problem: str  # names the file


@dataclass(frozen=True)
class FloorNotShown:
    """Why the variant that learns nothing cannot stand beside the others: one of the four."""

    floor: str
    lacking: tuple[str, ...] = ()  # tasks without a usable run
    difference: Difference | None = None
    unscored: tuple[str, Any] | None = None  # a run.json, and the unusable score in it
    ends_before: tuple[int, str, str] | None = None  # the budget, its axis, and the task that decides ("" for all)


@dataclass(frozen=True)
class Origin:
    """Where the runs of an external variant come from, and how they were counted."""

    variant: str
    published: bool
    source: str | None
    licence: str | None
    unit: str | None  # of the source's steps
    action_repeat: Any


@dataclass(frozen=True)
class Mixture:
    """Runs that differ in something that does not forbid the comparison."""

    of: str  # "dimebench", "versions" or "execution"
    count: int  # of different ones
    differing: tuple[tuple[str, Any, Any], ...]  # name ("" for the whole), the first run's value, another one's


@dataclass(frozen=True)
class CodeMixture:
    """Variants whose runs on a library come from different code."""

    variants: tuple[str, ...]
    library: str
    codes: tuple[str, ...]  # digests
    functions: tuple[str, ...]  # that differ; () where that is not known
    allowed: bool  # whether the runs record `run --allow code`


@dataclass(frozen=True)
class LoopMixture:
    """Runs on a library come from different training loops, or different code of its environments."""

    library: str
    codes: tuple[tuple[str, str], ...]  # digest, the first variant with it


@dataclass(frozen=True)
class NeverReached:
    """No compared run reaches the normalised score whose reaching is timed."""

    threshold: float


Note = (
    Difference
    | BudgetTrimmed
    | BudgetLimited
    | Unreadable
    | FloorNotShown
    | Origin
    | Mixture
    | CodeMixture
    | LoopMixture
    | NeverReached
)
