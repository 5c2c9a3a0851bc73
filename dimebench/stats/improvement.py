"""The interval of the probability of improvement.

P(A > B) lies between 0 and 1, and with few runs it is often seen at an end, where every resample is the same and a
bootstrap interval has no width. So its interval is a score interval (Wilson 1927, JASA 22, 209-212): all
probabilities p whose distance from the estimate is at most t standard errors *at p*, sqrt(p (1-p) / m). The number
of pairs m is what the runs' own variance says (each run's wins, as DeLong, DeLong and Clarke-Pearson 1988), but no
more than the variance of Hanley and McNeil (1982, Radiology 143, 29-36) allows, which holds also where the runs'
variance is 0.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dimebench.stats.estimators import Array, Scores, as_scores, wins
from dimebench.stats.intervals import CONFIDENCE, Influence, Interval


def improvement_influence(a: Scores, b: Scores) -> Influence:
    """The influence of each run of A, then of B, on P(A > B); strata are A's tasks, then B's."""
    tables = [wins(x, y) for x, y in zip(as_scores(a), as_scores(b), strict=True)]
    count = len(tables)
    pulls_a = [(table.mean(axis=1) - table.mean()) / (len(table) * count) for table in tables]
    pulls_b = [(table.mean(axis=0) - table.mean()) / (table.shape[1] * count) for table in tables]
    sizes = (*(len(table) for table in tables), *(table.shape[1] for table in tables))
    return Influence(np.concatenate([*pulls_a, *pulls_b]), sizes)


def improvement_interval(a: Scores, b: Scores, confidence: float = CONFIDENCE) -> Interval:
    """The score interval of P(A > B); needs two runs of every task on both sides."""
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
    return Interval(float((middle - reach) / scale), float((middle + reach) / scale), confidence)


def _variance(p: Array | float, m: int, n: int) -> float:
    """Variance of the Mann-Whitney estimate of p from m and n runs (Hanley and McNeil), the same for p and 1 - p."""

    def shared(p: Array | float) -> tuple[Array | float, Array | float]:
        return p / (2 - p) - p**2, 2 * p**2 / (1 + p) - p**2

    (one, two), (three, four) = shared(p), shared(1 - p)
    return float((p * (1 - p) + (m - 1) * (one + four) / 2 + (n - 1) * (two + three) / 2) / (m * n))
