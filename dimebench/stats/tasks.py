"""The tasks of a comparison, one by one: means, P(A > B), and a verdict by the test of the whole comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dimebench.stats.bootstrap import Sample
from dimebench.stats.estimators import wins
from dimebench.stats.intervals import Estimate, Interval
from dimebench.stats.testing.multiplicity import holm
from dimebench.stats.testing.permutation import DifferenceTest

Verdict = Literal["A better", "B better", "equivalent", "undecided"]
TASK_PERMUTATIONS = 10_000  # of one task among several: Holm asks for no more


@dataclass(frozen=True)
class TaskRow:
    """One task of a comparison, in normalised scores; its verdict is Holm-corrected over the comparison's tasks.

    Names mean what they mean in a `Comparison`.
    """

    task: str
    seeds_a: int
    seeds_b: int
    mean_a: float
    mean_b: float
    improvement: float  # P(A > B) on this task
    difference: Estimate  # IQM(A) - IQM(B) on this task
    verdict: Verdict = "undecided"
    judged: Interval | None = None  # the difference's interval at `judged_at`
    judged_at: float | None = None
    p_value: float | None = None  # of the test of the IQM difference on this task alone
    adjusted_p: float | None = None  # Holm over the tasks


def task_rows(names: Sequence[str], a: Sample, b: Sample) -> tuple[TaskRow, ...]:
    """The rows without a verdict; `names` over tasks."""
    return tuple(
        TaskRow(
            task=name,
            seeds_a=x.tasks[0].size,
            seeds_b=y.tasks[0].size,
            mean_a=float(x.tasks[0].mean()),
            mean_b=float(y.tasks[0].mean()),
            improvement=float(wins(x.tasks[0], y.tasks[0]).mean()),
            difference=Estimate(x.iqm - y.iqm, None),
        )
        for name, x, y in zip(names, a.each, b.each, strict=True)
    )


def judge_tasks(rows: Sequence[TaskRow], tests: Sequence[DifferenceTest], alpha: float) -> tuple[TaskRow, ...]:
    """The rows with a verdict each, from the test of each task."""

    def judged(row: TaskRow, test: DifferenceTest, level: float, claimed: bool, adjusted: float) -> TaskRow:
        better: Verdict = "A better" if test.point > 0 else "B better"
        return replace(
            row,
            difference=Estimate(test.point, test.interval(alpha)),
            verdict=better if claimed else "undecided",
            judged=test.interval(level),
            judged_at=1 - level,
            p_value=test.p_value,
            adjusted_p=adjusted,
        )

    found = holm([test.p_value for test in tests], alpha)
    return tuple(
        judged(row, test, one.alpha, one.claimed, one.adjusted)
        for row, test, one in zip(rows, tests, found, strict=True)
    )
