"""How far an IQM is known, and the IQM difference over the runs' spread for every arrangement of the names.

Two standard errors are used. **`Spread`** is that of one variant's IQM, as of a trimmed mean: Winsorise the runs
(what lies beyond a rank counts as the run at that rank) and take the variance within each task (Tukey and McLaughlin
1963, Sankhya A 25, 331-352; Yuen 1974, Biometrika 61, 165-170). Of N runs the IQM cuts c = int(N/4) at each end.
Winsorised at c, the few runs that are left say little: with 5 runs there are 3. So one run less is Winsorised at each
end, k = max(c - 1, 0), and the variance is then multiplied by what cutting c instead of k costs where runs are
Gaussian. **`deviation`** is that of plain means. It varies less from one arrangement of the names to the next, and so
finds differences that the other misses; as all arrangements are divided by the like, it need not be the IQM's own.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dimebench.stats.estimators import Array, run_mass, trimmed_mass

IN_CACHE = 16_384  # arrangements at once
NO_SPREAD = 1e-7  # a standard error below this share of the scores' range is rounding
FEWEST = 4  # runs; fewer say next to nothing of how they vary


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
        return cls(_within(np.clip(task, low, high) for task in tasks) * scale(total) / len(tasks) ** 2, sizes)

    @property
    def variance(self) -> float:
        return float(self.shares.sum())

    @property
    def freedom(self) -> Array:
        """Degrees of freedom of each share [T]: runs - 1, times the share of all runs that is not cut."""
        total = sum(self.sizes)
        cut = max(2 * trimmed_mass(total) - 1, 0)
        free: Array = np.maximum(np.asarray(self.sizes, np.float64) - 1, 1) * (1 - cut / total)
        return free


def deviation(a: Sequence[Array], b: Sequence[Array]) -> float:
    """The standard error of mean(A) - mean(B), over tasks each [runs]."""
    return float(np.sqrt(_within(a).sum() + _within(b).sum())) / len(a)


def _within(tasks: Any) -> Array:
    """The variance of each task's mean [T]; 0 for one run."""
    return np.array([float(task.var(ddof=1)) / task.size if task.size > 1 else 0.0 for task in tasks])


def winsorised(total: int) -> int:
    """How many of so many runs `Spread` Winsorises at each end."""
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


def standard_error(a: Spread, b: Spread) -> float:
    """Of the difference of two IQMs."""
    return math.sqrt(a.variance + b.variance)


def degrees(a: Spread, b: Spread) -> float:
    """Degrees of freedom of the variance of the difference (Satterthwaite 1946, Biometrics Bulletin 2, 110-114).

    Without his bias: where each share of the variance has few degrees of its own, the largest looks larger than it
    is. A variance of n runs has a square that is (n + 1)/(n - 1) times too large on average, and so its weight is as
    many times less; what is then added where one share is all of the variance is taken off (as Welch 1947, Biometrika
    34, 28-35). A side of fewer than 4 runs counts alone.
    """
    few = [side.sizes for side in (a, b) if sum(side.sizes) < FEWEST]
    if few:
        return float(max(min(sum(sizes) for sizes in few) - 1, 1))
    shares, free = np.concatenate([a.shares, b.shares]), np.concatenate([a.freedom, b.freedom])
    whole = np.maximum(np.concatenate([a.sizes, b.sizes]) - 1, 1)  # of each share, were nothing cut
    weight, least = float((shares**2 / (free * (1 + 2 / whole))).sum()), float(free.min())
    return max(float(shares.sum()) ** 2 / weight - 2 * float((free / whole).max()), least) if weight > 0 else least


def studentise(difference: Array, error: Array, reach: float) -> Array:
    """|difference| over its standard error [R]. Without spread: infinite, or 0 where there is no difference.

    reach: the range of the scores.
    """
    size = np.abs(difference)
    with np.errstate(divide="ignore", invalid="ignore"):
        flat = np.where(size > NO_SPREAD * reach, np.inf, 0.0)
        found: Array = np.where(error > NO_SPREAD * reach, size / error, flat)
    return found


def arranged(members: NDArray[np.int8], values: Array, sizes: Sequence[tuple[int, int]]) -> tuple[Array, Array]:
    """IQM(A) - IQM(B) and `deviation`, each [R], for arrangements `members` [N, R] of the runs' values [N].

    The runs are those of task 0, of task 1, ...; sizes: runs of A and of B on each task.
    """
    differences, variances = np.empty(members.shape[1]), np.empty(members.shape[1])
    for start in range(0, members.shape[1], IN_CACHE):
        of_a = np.ascontiguousarray(members[:, start : start + IN_CACHE])
        part = slice(start, start + of_a.shape[1])
        differences[part] = _iqms(of_a, values, sizes, 0) - _iqms(1 - of_a, values, sizes, 1)
        variances[part] = _variances(of_a, values, sizes)
    return differences, np.sqrt(variances) / len(sizes)


def _variances(of_a: NDArray[np.int8], values: Array, sizes: Sequence[tuple[int, int]]) -> Array:
    """The sum over tasks of the variances of A's and of B's mean [r]."""
    found, first = np.zeros(of_a.shape[1]), 0
    for m, n in sizes:
        runs = values[first : first + m + n] - values[first : first + m + n].mean()  # sums of squares stay exact
        named = of_a[first : first + m + n].astype(np.float64)
        sums, squares = runs @ named, runs**2 @ named
        if m > 1:
            found += np.maximum(squares - sums**2 / m, 0.0) / (m * (m - 1))
        if n > 1:
            found += np.maximum((runs**2).sum() - squares - (runs.sum() - sums) ** 2 / n, 0.0) / (n * (n - 1))
        first += m + n
    return found


def _iqms(bears: NDArray[np.int8], values: Array, sizes: Sequence[tuple[int, int]], side: int) -> Array:
    """The IQM [r] of the runs that bear a name, [N, r]; `side` of `sizes` says how many of each task.

    With C the mass up to and including a value, clipped to what the trimming keeps, the trimmed sum is the telescoped
    sum of C times the steps between values (as in `bootstrap.iqm_of_counts`).
    """
    own, runs = [pair[side] for pair in sizes], [sum(pair) for pair in sizes]
    total, count = sum(own), bears.shape[1]
    cut = trimmed_mass(total)
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    whole = len(set(own)) == 1  # every run has the mass 1
    mass = np.repeat([total / (len(own) * size) for size in own], runs)
    kind: type[np.number[Any]] = (np.int16 if values.size < 2**15 else np.int64) if whole else np.float64
    ends, kept, moved, sums = np.zeros(count, kind), np.empty(count, kind), np.empty(count), np.zeros(count)
    floor, ceiling = kind(cut), kind(total - cut)
    for run, step in zip(order, np.diff(ordered), strict=False):
        ends += bears[run] if whole else bears[run] * mass[run]
        np.maximum(ends, floor, out=kept)
        np.minimum(kept, ceiling, out=kept)
        np.multiply(kept, step, out=moved)
        sums -= moved
    found: Array = (sums + (total - cut) * ordered[-1] - cut * ordered[0]) / (total - 2 * cut)
    return found
