"""From bootstrap draws to an interval by four methods, and the score interval of the probability of improvement.

Percentile intervals over few runs cover less than they say: the bootstrap spread is short by a factor of
sqrt((n-1)/n), and nothing allows for the spread's own uncertainty. The default, the *expanded* percentile interval of
Hesterberg (2015, The American Statistician 69, 371-386), widens the percentiles by just these two. With several tasks
the degrees of freedom are Satterthwaite's (1946) over the tasks. Coverage of each method: docs/statistics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dimebench.stats.estimators import Array, Scores, as_scores, wins

Method = Literal["expanded", "percentile", "bca", "student"]
METHODS: tuple[Method, ...] = get_args(Method)
DEFAULT_METHOD: Method = "expanded"
CONFIDENCE = 0.95
FEW_PLACES = 8  # of ordered draws; beyond that, sorting all draws is as quick


@dataclass(frozen=True)
class Interval:
    """A confidence interval; `confidence` as a fraction."""

    low: float
    high: float
    confidence: float

    def excludes(self, value: float) -> bool:
        return not self.low <= value <= self.high

    def within(self, margin: float) -> bool:
        """Whether all of it lies between -margin and margin, both left out."""
        return -margin < self.low and self.high < margin

    def clipped(self, least: float, most: float) -> Interval:
        """The part within what the quantity can be."""
        return replace(self, low=min(max(self.low, least), most), high=max(min(self.high, most), least))


@dataclass(frozen=True)
class Estimate:
    """A point estimate; `interval` is None where one run per task leaves nothing to resample."""

    point: float
    interval: Interval | None


@dataclass(frozen=True)
class Influence:
    """What each run adds to an estimate: `pulls` [N, ...], the runs of stratum 0 first, then those of 1, ...

    A pull is the empirical influence of a run over the number of runs in its stratum; within a stratum pulls add up
    to 0. Their squares add up to the variance of the bootstrap, each stratum's short by (n-1)/n.
    """

    pulls: Array
    sizes: tuple[int, ...]

    def minus(self, other: Influence) -> Influence:
        """The influence on the difference of two estimates that share no run."""
        return Influence(np.concatenate([self.pulls, -other.pulls]), self.sizes + other.sizes)

    @property
    def stratum_variances(self) -> Array:
        """Unbiased share of each stratum in the estimate's variance [T, ...] (a stratum of one run: 0)."""
        starts = np.cumsum([0, *self.sizes[:-1]])
        squares = np.add.reduceat(self.pulls**2, starts, axis=0)
        n = np.asarray(self.sizes, dtype=np.float64).reshape(-1, *[1] * (self.pulls.ndim - 1))
        return squares * n / np.maximum(n - 1, 1)

    @property
    def variance(self) -> Array:
        """Variance of the estimate [...]."""
        return np.asarray(self.stratum_variances.sum(axis=0))

    @property
    def degrees(self) -> Array:
        """Degrees of freedom of `variance`, after Satterthwaite [...]; of the smallest stratum where it is 0."""
        shares = self.stratum_variances
        free = np.asarray(self.sizes, dtype=np.float64).reshape(-1, *[1] * (shares.ndim - 1)) - 1
        total = shares.sum(axis=0)
        weight = (shares**2 / np.maximum(free, 1)).sum(axis=0)
        return _over(total**2, weight, max(1.0, min(self.sizes) - 1.0))

    @property
    def shortfall(self) -> Array:
        """How many times the true spread is wider than the bootstrap's [...]; sqrt(n/(n-1)) for n runs each."""
        drawn = (self.pulls**2).sum(axis=0)
        least = min(self.sizes)
        return np.sqrt(_over(self.variance, drawn, least / max(least - 1.0, 1.0)))

    @property
    def acceleration(self) -> Array:
        """Efron's a for a stratified sample [...]: sum of cubed pulls / 6 (sum of squares)^1.5."""
        squares = (self.pulls**2).sum(axis=0)
        return _over((self.pulls**3).sum(axis=0), 6 * squares**1.5, 0.0)


def _over(above: Array, below: Array, otherwise: float) -> Array:
    """above / below, [...] both, and `otherwise` where below is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(below > 0, above / below, otherwise)


def leave_one_out(sizes: Sequence[int]) -> Array:
    """Counts [N, N]: row i is the sample without run i, the others of its stratum weighing n/(n-1) each."""
    stratum = np.repeat(np.arange(len(sizes)), sizes)
    size = np.repeat(sizes, sizes).astype(np.float64)
    with np.errstate(divide="ignore"):
        weights = np.where(stratum[:, None] == stratum, size / (size - 1), 1.0)
    np.fill_diagonal(weights, 0.0)
    return weights


def jackknife(values: Array, sizes: Sequence[int]) -> Influence:
    """The influence of each run, from the estimate without it: values [N, ...] (the rows of `leave_one_out`)."""
    starts = np.cumsum([0, *sizes[:-1]])
    n = np.asarray(sizes, dtype=np.float64).reshape(-1, *[1] * (values.ndim - 1))
    centre = np.repeat(np.add.reduceat(values, starts, axis=0) / n, sizes, axis=0)
    return Influence((centre - values) * np.repeat((n - 1) / n, sizes, axis=0), tuple(sizes))


def bounds(
    draws: Array, point: Array, influence: Influence, confidence: float = CONFIDENCE, method: Method = DEFAULT_METHOD
) -> tuple[Array, Array]:
    """Both ends of the interval [...], from bootstrap draws [R, ...], the estimate [...] and the runs' influence.

    expanded    percentiles at Phi(-+ s t), t the quantile of Student's t at the Satterthwaite degrees of freedom,
                s = `Influence.shortfall` (Hesterberg 2015)
    percentile  the central percentiles, as rliable (Efron 1979)
    bca         bias-corrected and accelerated percentiles (Efron 1987, JASA 82, 171-185)
    student     point -+ t times the jackknife standard error: no draws needed, may leave the scores' range
    """
    tail = (1 - confidence) / 2
    if method == "student":
        reach = special.stdtrit(influence.degrees, 1 - tail) * np.sqrt(influence.variance)
        return point - reach, point + reach
    z = special.ndtri(1 - tail)
    if method == "percentile":
        low, high = np.broadcast_to(tail, point.shape), np.broadcast_to(1 - tail, point.shape)
    elif method == "expanded":
        reach = influence.shortfall * special.stdtrit(influence.degrees, 1 - tail)
        low, high = special.ndtr(-reach), special.ndtr(reach)
    elif method == "bca":
        shift, a = _bias(draws, point), influence.acceleration
        low, high = (special.ndtr(shift + (shift + end) / (1 - a * (shift + end))) for end in (-z, z))
    else:
        raise ValueError(f"unknown interval method '{method}' (known: {', '.join(METHODS)})")
    below, above, between = _places(np.stack([low, high]), len(draws))
    # Where all quantities need the same few order statistics, a partition finds them faster than a full sort.
    places = np.unique([below, above])
    ordered = np.partition(draws, places, axis=0) if places.size <= FEW_PLACES else np.sort(draws, axis=0)
    start, end = np.take_along_axis(ordered, below, axis=0), np.take_along_axis(ordered, above, axis=0)
    low, high = start + between * (end - start)
    return low, high


def interval(
    draws: Array, point: float, influence: Influence, confidence: float = CONFIDENCE, method: Method = DEFAULT_METHOD
) -> Interval:
    """The interval of one quantity, from its bootstrap draws [R]; `bounds` says how."""
    low, high = bounds(draws, np.asarray(point), influence, confidence, method)
    return Interval(float(low), float(high), confidence)


def _bias(draws: Array, point: Array) -> Array:
    """Efron's z0 [...]: how far the estimate [...] lies from the median of its draws [R, ...].

    Over few runs many draws are the estimate itself, up to rounding of their sums: they count half.
    """
    slack = 1e-9 * np.maximum(np.abs(point), np.ptp(draws, axis=0))
    below = ((draws < point - slack).mean(axis=0) + (draws <= point + slack).mean(axis=0)) / 2
    found: Array = special.ndtri(np.clip(below, 0.5 / len(draws), 1 - 0.5 / len(draws)))
    return found


def _places(share: Array, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Array]:
    """Where a quantile lies among `count` ordered draws: the draw below, the one above, and how far between them."""
    place = share * (count - 1)
    below = np.clip(np.floor(place).astype(np.int64), 0, max(count - 2, 0))
    return below, np.minimum(below + 1, count - 1), place - below


def percentile_interval(draws: Array, confidence: float = CONFIDENCE) -> Interval:
    """The percentile interval of one quantity, from its bootstrap draws [R]."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return Interval(float(low), float(high), confidence)


def improvement_influence(a: Scores, b: Scores) -> Influence:
    """The influence of each run of A, then of B, on P(A > B); strata are A's tasks, then B's."""
    tables = [wins(x, y) for x, y in zip(as_scores(a), as_scores(b), strict=True)]
    count = len(tables)
    pulls_a = [(table.mean(axis=1) - table.mean()) / (len(table) * count) for table in tables]
    pulls_b = [(table.mean(axis=0) - table.mean()) / (table.shape[1] * count) for table in tables]
    sizes = (*(len(table) for table in tables), *(table.shape[1] for table in tables))
    return Influence(np.concatenate([*pulls_a, *pulls_b]), sizes)


def improvement_interval(a: Scores, b: Scores, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of P(A > B); needs two runs of every task on both sides.

    With few runs P(A > B) is often estimated as 0 or 1, where every resample is the same and a bootstrap interval
    has no width. The score interval (Wilson 1927, JASA 22, 209-212) holds all p whose distance from the estimate is
    at most t standard errors *at p*, sqrt(p (1-p) / m). The number of pairs m follows from the runs' own variance
    (each run's wins, as DeLong, DeLong and Clarke-Pearson 1988), but from no less than the variance of Hanley and
    McNeil (1982, Radiology 143, 29-36), which holds also where the runs' variance is 0.
    """
    tables = [wins(x, y) for x, y in zip(as_scores(a), as_scores(b), strict=True)]
    influence = improvement_influence(a, b)
    point = float(np.mean([table.mean() for table in tables]))
    # One comparison more on each task, drawn: keeps the variance above 0 where every run of A beats every run of B.
    drawn_in = np.array([(table.sum() + 0.5) / (table.size + 1) for table in tables])
    least = float(np.mean([_variance(p, *table.shape) for p, table in zip(drawn_in, tables, strict=True)]))
    variance = max(float(influence.variance), least / len(tables))
    centre = float(drawn_in.mean())
    pairs = centre * (1 - centre) / variance
    t = float(special.stdtrit(influence.degrees, (1 + confidence) / 2))
    middle = point + t**2 / (2 * pairs)
    reach = t * np.sqrt(point * (1 - point) / pairs + t**2 / (4 * pairs**2))
    scale = 1 + t**2 / pairs
    found = Interval(float((middle - reach) / scale), float((middle + reach) / scale), confidence)
    return found.clipped(0.0, 1.0)


def _variance(p: Array | float, m: int, n: int) -> float:
    """Variance of the Mann-Whitney estimate of p from m and n runs (Hanley and McNeil), the same for p and 1 - p."""

    def shared(p: Array | float) -> tuple[Array | float, Array | float]:
        return p / (2 - p) - p**2, 2 * p**2 / (1 + p) - p**2

    (one, two), (three, four) = shared(p), shared(1 - p)
    return float((p * (1 - p) + (m - 1) * (one + four) / 2 + (n - 1) * (two + three) / 2) / (m * n))
