"""Is the IQM difference more than chance, and how large may it be? One test, and the interval that goes with it.

The statistic is T = (IQM(A) - IQM(B)) / its standard error (`studentised`). The names A and B are shuffled within
each task, and T is computed anew for each arrangement. A and B differ at level alpha where |T| is beyond both

- all but a share alpha of the arrangements' |T|. Where A and B are alike on each task (the runs of both come from one
  distribution) every arrangement was as likely as the one seen, so this errs at most as often as it says, for any
  number of runs and any distribution (Fisher 1935; Pitman 1937; random arrangements count the one seen among them:
  Phipson and Smyth 2010, SAGMB 9, 39). Divided by its standard error, the difference is judged rightly also where
  IQMs agree and spreads do not, the more runs the better (Janssen 1997, Statistics & Probability Letters 36, 9-21;
  Chung and Romano 2013, Annals of Statistics 41, 484-507);
- Student's quantile at Satterthwaite's degrees of freedom, which makes up for few runs of unequal spread.

The larger of the two is the critical value. The interval is the difference -+ this value times the standard error:
it excludes 0 exactly where the test rejects, at every level.
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
from dimebench.stats.studentised import NO_SPREAD, arranged, degrees, studentise
from dimebench.stats.testing.arrangements import (
    Members,
    every_arrangement,
    how_many,
    random_arrangements,
    smallest_p_value,
)

PERMUTATIONS = 50_000
TIE = 1e-9  # |T| closer than this are the same number, computed in another order


@dataclass(frozen=True, eq=False)
class DifferenceTest:
    """The two-sided test of IQM(A) - IQM(B), and its intervals."""

    point: float  # IQM(A) - IQM(B)
    error: float  # its standard error; 0 where no run differs from another of its task and side
    statistic: float  # |T|
    freedom: float  # Student's degrees of freedom
    bars: Array  # [R], largest first: the |T| that would equal or exceed each arrangement's
    smallest: float  # the least p-value that this number of runs can give
    exact: bool  # every arrangement was counted

    @cached_property
    def p_value(self) -> float:
        """The least alpha at which A and B differ."""
        beyond = np.count_nonzero(self.bars >= self.statistic) / self.bars.size
        return max(beyond, 2 * float(special.stdtr(self.freedom, -self.statistic)))

    def critical(self, alpha: float) -> float:
        """The |T| that must be exceeded; infinite where none can be."""
        allowed = int(np.searchsorted(np.arange(1, self.bars.size + 1) / self.bars.size, alpha, side="right"))
        among = float(self.bars[allowed]) if allowed < self.bars.size else 0.0
        return max(among, float(special.stdtrit(self.freedom, 1 - alpha / 2)))

    def rejects(self, alpha: float) -> bool:
        """Whether A and B differ at this level: exactly where `interval` excludes 0."""
        return self.p_value <= alpha

    def interval(self, alpha: float) -> Interval | None:
        """The interval at confidence 1 - alpha; None where the runs bound nothing."""
        critical, rejects = self.critical(alpha), self.rejects(alpha)
        if math.isinf(critical):
            return None
        if self.error == 0:
            return Interval(self.point, self.point, 1 - alpha)
        near, far = (self.error * (self.statistic + way * critical) for way in (-1, 1))
        # p-value and critical value are the same statement but for their last digit.
        near = max(near, np.nextafter(0.0, 1.0)) if rejects else min(near, 0.0)
        low, high = (near, far) if self.point >= 0 else (-far, -near)
        return Interval(float(low), float(high), 1 - alpha)


@dataclass(frozen=True, eq=False)
class Arrangements:
    """The arrangements for any numbers of runs: fixed by a seed, made once, shared by tests of equal numbers."""

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
            return self._made[key], exact


def difference_test(a: Scores | Sample, b: Scores | Sample, arrangements: Arrangements) -> DifferenceTest:
    """The test of A against B, which need two runs of every task.

    It does not depend on the order of the runs, nor on which of the two is A.
    """
    of_a, of_b = Sample.of(a), Sample.of(b)
    spread_a, spread_b = of_a.spread, of_b.spread
    point, variance = of_a.iqm - of_b.iqm, spread_a.variance + spread_b.variance
    values = np.concatenate([np.sort(np.concatenate(pair)) for pair in zip(of_a.tasks, of_b.tasks, strict=True)])
    sizes = min(list(zip(x, y, strict=True)) for x, y in _both_ways(spread_a.sizes, spread_b.sizes))
    members, exact = arrangements.of(sizes)
    reach = float(np.ptp(values))
    statistic = float(studentise(np.array([point]), np.array([variance]), reach)[0])
    found = studentise(*arranged(members, values, sizes), reach)
    if not exact:
        found = np.append(found, statistic)
    error = math.sqrt(variance)
    return DifferenceTest(
        point=point,
        error=error if error > NO_SPREAD * reach else 0.0,
        statistic=statistic,
        freedom=degrees(spread_a, spread_b),
        bars=bars(found),
        smallest=smallest_p_value(sizes) if exact else 1 / len(found),
        exact=exact,
    )


def bars(statistics: Array) -> Array:
    """The |T| [R], largest first, each with what rounding may add to it."""
    return np.sort(statistics * (1 + TIE) + TIE)[::-1]


def _both_ways(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    return (a, b), (b, a)
