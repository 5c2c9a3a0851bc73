"""The IQM difference over its standard error, for the runs as they are named and for any other arrangement of names.

The standard error of an IQM is that of a trimmed mean: Winsorise the runs (what lies beyond a rank counts as the run
at that rank), and take the variance within each task (Tukey and McLaughlin 1963, Sankhya A 25, 331-352; Yuen 1974,
Biometrika 61, 165-170). Of N runs the IQM cuts c = int(N/4) at each end. Winsorised at c, the few runs that are left
say little: with 5 runs there are 3. So one run less is Winsorised at each end, k = max(c - 1, 0), and the variance
is then multiplied by what cutting c instead of k costs where runs are Gaussian (6% of 20 runs of a task, 2% of 70).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dimebench.stats.estimators import Array, run_mass, trimmed_mass

IN_CACHE = 16_384  # arrangements at once
NO_SPREAD = 1e-7  # a standard error below this share of the scores' range is rounding


@dataclass(frozen=True)
class Spread:
    """The variance of one variant's IQM."""

    shares: Array  # [T] of each task's runs in the variance
    sizes: tuple[int, ...]  # runs of each task

    @classmethod
    def of(cls, tasks: Sequence[Array]) -> Spread:
        """tasks: scores over tasks, each [runs]; a task of one run adds nothing."""
        sizes = tuple(task.size for task in tasks)
        total, near = sum(sizes), winsorised(sum(sizes))
        values = np.concatenate(tasks)
        order = np.argsort(values, kind="stable")
        ends, ordered = np.cumsum(run_mass(sizes)[order]), values[order]
        low = ordered[np.argmax(ends > near + 1e-9)]
        high = ordered[np.argmax(ends > total - near - 1e-9)]
        clipped = [np.clip(task, low, high) for task in tasks]
        shares = [float(task.var(ddof=1)) / task.size if task.size > 1 else 0.0 for task in clipped]
        return cls(np.asarray(shares) * scale(total) / len(tasks) ** 2, sizes)

    @property
    def variance(self) -> float:
        return float(self.shares.sum())

    @property
    def freedom(self) -> Array:
        """Degrees of freedom of each share [T]: runs - 1, times the share of runs that neither cut leaves out."""
        total = sum(self.sizes)
        cut = max(2 * trimmed_mass(total) - 1, 0)
        free: Array = np.maximum(np.asarray(self.sizes, np.float64) - 1, 1) * (1 - cut / total)
        return free


def winsorised(total: int) -> int:
    """How many of so many runs the standard error Winsorises at each end."""
    return max(trimmed_mass(total) - 1, 0)


@functools.cache
def scale(total: int) -> float:
    """What turns the Winsorised variance of the mean of `total` runs into that of their IQM."""
    near = winsorised(total)
    kept = total - 2 * near
    if kept < 2:
        return 1.0
    further = _gaussian(trimmed_mass(total) / total) / _gaussian(near / total)
    return further * total * (total - 1) / (kept * (kept - 1))


def _gaussian(cut: float) -> float:
    """The variance of a Gaussian's mean trimmed by a share at each end, over that of its mean."""
    if cut <= 0:
        return 1.0
    z = float(special.ndtri(1 - cut))
    density = float(np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi))
    return (1 - 2 * cut - 2 * z * density + 2 * cut * z**2) / (1 - 2 * cut) ** 2


def degrees(a: Spread, b: Spread) -> float:
    """Degrees of freedom of the variance of the difference (Satterthwaite 1946); the fewest where it is 0."""
    shares = np.concatenate([a.shares, b.shares])
    free = np.concatenate([a.freedom, b.freedom])
    weight = float((shares**2 / free).sum())
    return float(shares.sum()) ** 2 / weight if weight > 0 else float(free.min())


def studentise(difference: Array, variance: Array, reach: float) -> Array:
    """|difference| over its standard error [R]. Without spread: infinite, or 0 where there is no difference.

    reach: the range of the scores.
    """
    size, error = np.abs(difference), np.sqrt(np.maximum(variance, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = np.where(size > NO_SPREAD * reach, np.inf, 0.0)
        found: Array = np.where(error > NO_SPREAD * reach, size / error, flat)
    return found


def arranged(members: NDArray[np.int8], values: Array, sizes: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """IQM(A) - IQM(B) and its variance, each [R], for arrangements `members` [N, R] of the runs' values [N].

    The runs are those of task 0, of task 1, ...; sizes: runs of A and of B on each task.
    """
    runs = [m + n for m, n in sizes]
    differences, variances = np.empty(members.shape[1]), np.empty(members.shape[1])
    for start in range(0, members.shape[1], IN_CACHE):
        of_a = np.ascontiguousarray(members[:, start : start + IN_CACHE])
        iqm_a, variance_a = _side(of_a, values, [m for m, _ in sizes], runs)
        iqm_b, variance_b = _side(1 - of_a, values, [n for _, n in sizes], runs)
        differences[start : start + IN_CACHE] = iqm_a - iqm_b
        variances[start : start + IN_CACHE] = variance_a + variance_b
    return differences, variances


def _side(bears: NDArray[np.int8], values: Array, sizes: Sequence[int], runs: Sequence[int]) -> tuple[Array, Array]:
    """IQM and its variance [r] of the runs that bear a name, [N, r]; `sizes` of them among the `runs` of each task.

    With C the mass up to and including a value, clipped to what the trimming keeps, the trimmed sum is the telescoped
    sum of C times the steps between values (as in `bootstrap.iqm_of_counts`).
    """
    total, tasks, count = sum(sizes), len(sizes), bears.shape[1]
    cut, near = trimmed_mass(total), winsorised(total)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    whole = len(set(sizes)) == 1  # every run has the mass 1
    place: type[np.signedinteger[Any]] = np.int16 if values.size < 2**15 else np.int64
    kind: type[np.number[Any]] = place if whole else np.float64
    mass = np.repeat([total / (tasks * size) for size in sizes], runs)
    slack = 0 if whole else 1e-9
    ends, kept = np.zeros(count, kind), np.empty(count, kind)
    at_low, at_high, passed = np.zeros(count, place), np.zeros(count, place), np.empty(count, bool)
    sums, moved = np.zeros(count), np.empty(count)
    first, last = (kind(near + slack), kind(total - near - slack))  # type: ignore[arg-type]
    floor, ceiling = (kind(cut), kind(total - cut))
    for run, step in zip(order, np.diff(ordered), strict=False):
        ends += bears[run] if whole else bears[run] * mass[run]
        np.less_equal(ends, first, out=passed)
        at_low += passed
        np.less(ends, last, out=passed)
        at_high += passed
        np.maximum(ends, floor, out=kept)
        np.minimum(kept, ceiling, out=kept)
        np.multiply(kept, step, out=moved)
        sums -= moved
    iqm = (sums + (total - cut) * ordered[-1] - cut * ordered[0]) / (total - 2 * cut)
    middle = float(np.median(values))  # sums of squares stay exact
    low, high = ordered[at_low] - middle, ordered[at_high] - middle
    variance, clipped, column = np.zeros(count), np.empty(count), 0
    for size, width in zip(sizes, runs, strict=True):
        total_of, squares = np.zeros(count), np.zeros(count)
        for run in range(column, column + width):
            np.maximum(low, values[run] - middle, out=clipped)
            np.minimum(clipped, high, out=clipped)
            np.multiply(clipped, bears[run], out=clipped)
            total_of += clipped
            np.multiply(clipped, clipped, out=clipped)
            squares += clipped
        column += width
        if size > 1:
            variance += (squares - total_of**2 / size) / (size * (size - 1))
    return iqm, np.maximum(variance, 0.0) * scale(total) / tasks**2
