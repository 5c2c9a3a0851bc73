"""Point estimates over runs and tasks: IQM, mean, median, optimality gap, probability of improvement.

Where every task has the same number of runs the numbers are those of `rliable.metrics`, called on the
[runs, tasks] matrix. With ragged run counts the same formula is applied to what is there, each *task*
weighing the same: a run of a task with n runs carries the mass 1/n. With equal counts that is rliable's
formula; with unequal counts, pooling the runs instead would let a variant win by having more seeds on
the easy tasks.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Scores = Sequence[ArrayLike]  # over tasks; each [runs of that task]

TRIM = 0.25  # the IQM leaves out a quarter of the mass at each end
GAMMA = 1.0  # the normalised score that the optimality gap asks for


def as_scores(scores: Scores) -> list[Array]:
    """The scores as float64 vectors.

    Raises ValueError for no task, a task without runs, or a score that is not finite.
    """
    arrays = [np.asarray(task, dtype=np.float64) for task in scores]
    if not arrays:
        raise ValueError("scores of no task")
    for index, array in enumerate(arrays):
        if array.ndim != 1 or array.size == 0:
            raise ValueError(f"task {index}: expected a non-empty vector of run scores, got shape {array.shape}")
        if not np.isfinite(array).all():
            raise ValueError(f"task {index}: scores must be finite")
    return arrays


def is_full(scores: Sequence[Array]) -> bool:
    """Whether every task has the same number of runs."""
    return len({array.size for array in scores}) == 1


def run_mass(sizes: Sequence[int]) -> Array:
    """Mass of each run, all tasks concatenated [N]; every task weighs the same, the total is N."""
    total = sum(sizes)
    return np.repeat([total / (len(sizes) * size) for size in sizes], sizes)


def trimmed_mass(total: int) -> int:
    """Mass cut off at each end for the IQM: `scipy.stats.trim_mean` cuts whole runs, rounding down."""
    return int(TRIM * total)


def _as_rliable(ragged: Callable[[Sequence[Array]], float]) -> Callable[[Scores], float]:
    """rliable's aggregate of that name where every task has equally many runs, else the function itself."""

    @functools.wraps(ragged)
    def aggregate(scores: Scores) -> float:
        tasks = as_scores(scores)
        if not is_full(tasks):
            return ragged(tasks)
        from rliable import metrics

        return float(getattr(metrics, f"aggregate_{ragged.__name__}")(np.stack(tasks, axis=1)))

    return aggregate


@_as_rliable
def iqm(tasks: Sequence[Array]) -> float:
    """Interquartile mean over all runs of all tasks (`rliable.metrics.aggregate_iqm`)."""
    values = np.concatenate(tasks)  # [N]
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(run_mass([task.size for task in tasks])[order])  # [N], last = N
    cut = trimmed_mass(values.size)
    kept = np.diff(np.clip(ends, cut, values.size - cut), prepend=float(cut))
    return float(kept @ values[order] / kept.sum())


def iqm_along(curves: Sequence[Array]) -> Array:
    """The IQM at each point of curves: over tasks, each [runs, K]. Returns [K], each point's bits those of `iqm`."""
    width = curves[0].shape[1]
    if len({len(task) for task in curves}) > 1:
        return np.array([iqm([task[:, k] for task in curves]) for k in range(width)])
    rows = np.ascontiguousarray(np.stack(curves, axis=1).reshape(-1, width).T)  # [K, runs x tasks]
    first = trimmed_mass(rows.shape[1])
    last = rows.shape[1] - first
    kept = np.partition(rows, (first, last - 1), axis=1)[:, first:last]  # as `scipy.stats.trim_mean`
    found: Array = np.mean(kept, axis=1)
    return found


@_as_rliable
def mean(tasks: Sequence[Array]) -> float:
    """Mean over tasks of the mean over runs (`rliable.metrics.aggregate_mean`)."""
    return float(np.mean([task.mean() for task in tasks]))


@_as_rliable
def median(tasks: Sequence[Array]) -> float:
    """Median over tasks of the mean over runs (`rliable.metrics.aggregate_median`)."""
    return float(np.median([task.mean() for task in tasks]))


@_as_rliable
def optimality_gap(tasks: Sequence[Array]) -> float:
    """How far runs fall short of `GAMMA` on average (`rliable.metrics.aggregate_optimality_gap`)."""
    return float(GAMMA - np.mean([np.minimum(task, GAMMA).mean() for task in tasks]))


def wins(a: Array, b: Array) -> Array:
    """Outcome of every run of `a` against every run of `b`: 1 win, 0.5 tie, 0 loss. [runs a, runs b]."""
    outcome: Array = (a[:, None] > b) + 0.5 * (a[:, None] == b)
    return outcome


def probability_of_improvement(a: Scores, b: Scores) -> float:
    """P(a run of A scores higher than a run of B on a task drawn at random).

    Mann-Whitney per task, averaged over tasks (`rliable.metrics.probability_of_improvement`); A and B
    share the tasks but need not have equally many runs.
    """
    tasks_a, tasks_b = as_scores(a), as_scores(b)
    if len(tasks_a) != len(tasks_b):
        raise ValueError(f"A has {len(tasks_a)} tasks, B has {len(tasks_b)}")
    return float(np.mean([wins(x, y).mean() for x, y in zip(tasks_a, tasks_b, strict=True)]))


AGGREGATES = {"iqm": iqm, "median": median, "mean": mean, "optimality_gap": optimality_gap}
