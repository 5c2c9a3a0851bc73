"""The tasks of a comparison, one by one: means, P(A > B), and a verdict by the rule of the whole comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dimebench.stats.bootstrap import Sample, stream
from dimebench.stats.estimators import wins
from dimebench.stats.permutation import holm
from dimebench.stats.power import both_tests

Verdict = Literal["A better", "B better", "equivalent", "undecided"]
TASK_DRAWS = 2_000  # resamples and arrangements of a single task


@dataclass(frozen=True)
class TaskRow:
    """One task of a comparison, in normalised scores; its verdict is Holm-corrected over the comparison's tasks."""

    task: str
    seeds_a: int
    seeds_b: int
    mean_a: float
    mean_b: float
    improvement: float  # P(A > B) on this task
    difference: float = 0.0  # IQM(A) - IQM(B) on this task
    p_value: float | None = None  # permutation test and interval on this task alone: the larger of the two
    adjusted_p: float | None = None  # Holm over the tasks
    verdict: Verdict = "undecided"


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
            difference=x.iqm - y.iqm,
        )
        for name, x, y in zip(names, a.each, b.each, strict=True)
    )


def judge_tasks(
    rows: Sequence[TaskRow], a: Sample, b: Sample, names: tuple[str, str], alpha: float, seed: int, draws: int
) -> tuple[TaskRow, ...]:
    """The rows with a verdict each, Holm-corrected over the tasks. names: of A and of B, for the random streams."""
    tests = [
        both_tests(x, y, stream(seed, "names", *names, row.task), draws)
        for row, x, y in zip(rows, a.each, b.each, strict=True)
    ]
    return tuple(
        replace(
            row,
            p_value=p,
            adjusted_p=adjusted,
            verdict="undecided" if adjusted > alpha else "A better" if row.difference > 0 else "B better",
        )
        for row, p, adjusted in zip(rows, tests, holm(tests), strict=True)
    )
