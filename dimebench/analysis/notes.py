"""What a report has to say about its runs, as data: what was left out and why, what differs, what was adjusted.

`dimebench.wording.notes` puts these into words. Those that errors name, too, have their text here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Failed:
    """A run that failed; `reason` as the run recorded it."""

    reason: str | None


@dataclass(frozen=True)
class NotEvaluated:
    """A run without an evaluation after env step 0."""


@dataclass(frozen=True)
class TooShort:
    """A run that ends before the matched budget."""

    reached: int  # env steps
    budget: int


@dataclass(frozen=True)
class MissingEvaluation:
    """A run without an evaluation that all the others have."""

    env_step: int


@dataclass(frozen=True)
class LeftOut:
    """A run that the statistics do not count."""

    variant: str
    task: str
    seed: int
    status: str
    reason: Failed | NotEvaluated | TooShort | MissingEvaluation


@dataclass(frozen=True)
class Lacking:
    """A variant without a usable run of a task."""

    variant: str
    failed: int  # runs
    not_evaluated: int

    def __str__(self) -> str:
        if not self.failed + self.not_evaluated:
            return f"no runs of {self.variant}"
        parts = [f"{self.failed} failed"] * bool(self.failed)
        parts += [f"{self.not_evaluated} not evaluated yet"] * bool(self.not_evaluated)
        return f"no usable run of {self.variant} ({', '.join(parts)})"


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

    name: str  # dotted
    values: tuple[Any, Any]
    variants: tuple[str, str]
    tasks: tuple[str, str]
    seeds: tuple[int, int] | None  # where both runs are of one variant

    def __str__(self) -> str:
        runs = list(self.variants)
        if self.seeds is not None:
            runs = [f"{run} seed {seed}" for run, seed in zip(runs, self.seeds, strict=True)]
        where = f" on {self.tasks[0]}"
        if self.tasks[0] != self.tasks[1]:
            runs, where = [f"{run} on {task}" for run, task in zip(runs, self.tasks, strict=True)], ""
        return f"{self.name}{where} is {self.values[0]} for {runs[0]} and {self.values[1]} for {runs[1]}"


@dataclass(frozen=True)
class UnusableScore:
    """A run.json that does not say how the run is scored."""

    file: str
    score: Any

    def __str__(self) -> str:
        return f"{self.file} has no usable score: {self.score}"


@dataclass(frozen=True)
class Allowed:
    """A difference that forbids the comparison unless `--allow` names its kind, which it did."""

    kind: str  # of `select.ALLOWABLE`
    difference: Difference | UnusableScore


@dataclass(frozen=True)
class BudgetTrimmed:
    """The budget asked for lies between two shared evaluations: the earlier one counts."""

    asked: int  # env steps
    budget: int


@dataclass(frozen=True)
class NoRunOn:
    """Tasks on which the floor has no usable run."""

    tasks: tuple[str, ...]


@dataclass(frozen=True)
class EndsEarly:
    """The floor's runs end before the matched budget, in the unit of the axis; `task` where one of them decides."""

    task: str | None
    budget: int
    axis: str


@dataclass(frozen=True)
class FloorNotShown:
    """Why the variant that learns nothing cannot stand beside the others."""

    floor: str
    reason: NoRunOn | Difference | UnusableScore | EndsEarly


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

    of: str  # "code", "versions" or "execution"
    count: int  # of different ones
    differing: tuple[tuple[str, Any, Any], ...]  # name ("" for the whole), the first run's value, another one's


@dataclass(frozen=True)
class ThresholdNeverReached:
    """No compared run reaches the normalised score whose reaching is timed."""

    threshold: float


Note = Allowed | BudgetTrimmed | FloorNotShown | Origin | Mixture | ThresholdNeverReached
