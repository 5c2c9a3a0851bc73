"""Is the IQM difference more than chance, and how large may it be? One test, and the interval that goes with it.

A and B differ at level alpha where |IQM(A) - IQM(B)| is beyond both

- what the names alone may do. A and B are shuffled within each task, and the difference is divided by the runs'
  standard deviation within tasks as they are then named: T. |T| must exceed all but a share alpha of the
  arrangements'. Where A and B are alike on each task (the runs of both come from one distribution) every arrangement
  was as likely as the one seen, so this errs at most as often as it says, for any number of runs and any distribution
  (Fisher 1935; Pitman 1937; random arrangements count the one seen among them: Phipson and Smyth 2010, SAGMB 9, 39).
  A difference over its spread is the better statistic (Janssen 1997, Statistics & Probability Letters 36, 9-21; Chung
  and Romano 2013, Annals of Statistics 41, 484-507);
- what chance may do where the IQMs agree and the spreads do not: Student's quantile times the standard error of the
  difference (`Spread`), at Satterthwaite's degrees of freedom.

The larger of the two is what the difference must exceed, and half the width of its interval. So the interval excludes
0 exactly where the test rejects, at every level.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy import special

from dimebench.stats.bootstrap import Sample, stream
from dimebench.stats.estimators import Array, Scores
from dimebench.stats.intervals import Interval
from dimebench.stats.studentised import NO_SPREAD, arranged, degrees, deviation, standard_error, studentise
from dimebench.stats.testing.arrangements import (
    Members,
    every_arrangement,
    how_many,
    random_arrangements,
    smallest_p_value,
)

PERMUTATIONS = 50_000
MOST_KEPT = 8  # numbers of runs whose arrangements are kept: each takes 50,000 bytes a run
TIE = 1e-9  # |T| closer than this are the same number, computed in another order


@dataclass(frozen=True, eq=False)
class DifferenceTest:
    """The two-sided test of IQM(A) - IQM(B), and its intervals."""

    point: float  # IQM(A) - IQM(B)
    deviation: float  # what T divides it by; 0 where no run differs from another of its task and side
    statistic: float  # |T|
    bars: Array  # [R], largest first: the |T| that would equal or exceed each arrangement's
    error: float  # the standard error of the difference
    freedom: float  # Student's degrees of freedom
    smallest: float  # the least p-value that this number of runs can give
    exact: bool  # every arrangement was counted

    @cached_property
    def shuffled_p(self) -> float:
        """The share of arrangements whose |T| is as large."""
        return float(np.count_nonzero(self.bars >= self.statistic)) / self.bars.size

    @cached_property
    def student_p(self) -> float:
        """Student's two-sided p-value."""
        if self.error == 0:
            return 0.0 if self.point else 1.0
        return 2 * float(special.stdtr(self.freedom, -abs(self.point) / self.error))

    @property
    def p_value(self) -> float:
        """The least alpha at which A and B differ."""
        return max(self.shuffled_p, self.student_p)

    def reach(self, alpha: float) -> float:
        """What |difference| must exceed, half the width of the interval; infinite where nothing is beyond it."""
        allowed = int(np.searchsorted(np.arange(1, self.bars.size + 1) / self.bars.size, alpha, side="right"))
        bar = float(self.bars[allowed]) if allowed < self.bars.size else 0.0
        if math.isinf(bar):
            return math.inf
        return max(bar * self.deviation, float(special.stdtrit(self.freedom, 1 - alpha / 2)) * self.error)

    def rejects(self, alpha: float) -> bool:
        """Whether A and B differ at this level: exactly where `interval` excludes 0."""
        return self.p_value <= alpha

    def interval(self, alpha: float) -> Interval | None:
        """The interval at confidence 1 - alpha; None where the runs bound nothing."""
        reach, size, rejects = self.reach(alpha), abs(self.point), self.rejects(alpha)
        if math.isinf(reach):
            return None
        # p-value and reach are the same statement but for their last digit.
        near = max(size - reach, np.nextafter(0.0, 1.0)) if rejects else min(size - reach, 0.0)
        low, high = (near, size + reach) if self.point >= 0 else (-size - reach, -near)
        return Interval(float(low), float(high), 1 - alpha)


@dataclass(frozen=True, eq=False)
class Arrangements:
    """The arrangements for any numbers of runs: fixed by a seed, shared by tests of equal numbers."""

    seed: int = 0
    count: int = PERMUTATIONS
    _made: dict[tuple[tuple[int, int], ...], Members] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, sizes: Sequence[tuple[int, int]]) -> tuple[Members, bool]:
        """[N, R], and whether these are all there are."""
        exact, key = how_many(sizes) <= self.count, tuple(sizes)
        with self._lock:
            if key not in self._made:
                rng = stream(self.seed, "arrangements", str(key))
                self._made[key] = (
                    every_arrangement(sizes) if exact else random_arrangements(sizes, self.count - 1, rng)
                )
            found = self._made[key]
            if len(self._made) > MOST_KEPT:
                del self._made[next(iter(self._made))]
            return found, exact


def difference_test(a: Scores | Sample, b: Scores | Sample, arrangements: Arrangements) -> DifferenceTest:
    """The test of A against B, which need two runs of every task.

    It does not depend on the order of the runs, nor on which of the two is A.
    """
    of_a, of_b = Sample.of(a), Sample.of(b)
    values = np.concatenate([np.sort(np.concatenate(pair)) for pair in zip(of_a.tasks, of_b.tasks, strict=True)])
    runs_a, runs_b = of_a.spread.sizes, of_b.spread.sizes
    sizes = min(list(zip(*way, strict=True)) for way in ((runs_a, runs_b), (runs_b, runs_a)))
    members, exact = arrangements.of(sizes)
    point, reach = of_a.iqm - of_b.iqm, float(np.ptp(values))
    plain = deviation(of_a.tasks, of_b.tasks)
    error = standard_error(of_a.spread, of_b.spread)
    statistic = float(studentise(np.array([point]), np.array([plain]), reach)[0])
    found = studentise(*arranged(members, values, sizes), reach)
    if not exact:
        found = np.append(found, statistic)
    return DifferenceTest(
        point=point,
        deviation=plain if plain > NO_SPREAD * reach else 0.0,
        statistic=statistic,
        bars=bars(found),
        error=error if error > NO_SPREAD * reach else 0.0,
        freedom=degrees(of_a.spread, of_b.spread),
        smallest=smallest_p_value(sizes) if exact else 1 / len(found),
        exact=exact,
    )


def bars(statistics: Array) -> Array:
    """The |T| [R], largest first, each with what rounding may add to it."""
    return np.sort(statistics * (1 + TIE) + TIE)[::-1]
