"""Curves over runs: IQM against env steps, performance profiles, area under the curve.

A resample draws whole runs: the same draw serves every env step (or threshold) of a curve. Resampling
each point on its own, as rliable's sample-efficiency helper does, breaks a run's correlation with
itself; an interval for the area under the curve came out several times too narrow that way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from dimebench.stats.bootstrap import draw_counts, iqm_of_counts
from dimebench.stats.estimators import Array, Scores, as_scores, iqm_along, run_mass
from dimebench.stats.intervals import CONFIDENCE, DEFAULT_METHOD, Method, bounds, jackknife, leave_one_out

CURVE_RESAMPLES = 2_000  # bands are drawn, not tabulated


@dataclass(frozen=True)
class Band:
    """A curve with a pointwise interval: x [K], point [K], low and high [K] (None: one run of a task)."""

    x: tuple[float, ...]
    point: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    confidence: float

    @classmethod
    def of(cls, x: Array, point: Array, ends: tuple[Array, Array] | None, confidence: float) -> Band:
        low, high = (tuple(end.tolist()) for end in ends) if ends else (None, None)
        return cls(tuple(x.tolist()), tuple(point.tolist()), low, high, confidence)

    def clipped(self, least: float, most: float) -> Band:
        """With the part of each interval within what the quantity can be."""
        low, high = (end and tuple(np.clip(end, least, most).tolist()) for end in (self.low, self.high))
        return replace(self, low=low, high=high)

    def part(self, places: slice) -> Band:
        """The curve at some of its x."""
        low, high = self.low and self.low[places], self.high and self.high[places]
        return Band(self.x[places], self.point[places], low, high, self.confidence)

    def at(self, x: Sequence[float]) -> Band:
        """The curve at these of its x; itself, where that is all."""
        if len(x) == len(self.x):
            return self
        wanted = set(x)
        kept = [place for place, here in enumerate(self.x) if here in wanted]
        columns = (values and tuple(values[k] for k in kept) for values in (self.point, self.low, self.high))
        point, low, high = columns
        return Band(tuple(self.x[k] for k in kept), point or (), low, high, self.confidence)


def auc(env_steps: ArrayLike, values: ArrayLike) -> Array:
    """Mean height of curves over their range of env steps: trapezoids / range.

    env_steps [K], increasing; values [..., K]. Returns [...], in the unit of the values. A curve of one
    point has that point's height.
    """
    x, y = np.asarray(env_steps, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.size == 1:
        return y[..., 0]
    height: Array = np.trapezoid(y, x, axis=-1) / (x[-1] - x[0])
    return height


def time_to_threshold(x: ArrayLike, values: ArrayLike, threshold: float) -> Array:
    """Where curves first reach a threshold, as a share of their range.

    x [K], increasing; values [..., K]. Returns [...]: the first x at which the value is at or above `threshold`, over
    the last x; 1 for a curve that never gets there, as if it did so at the very end (time restricted
    to the budget, as in a restricted mean survival time).
    """
    at, y = np.asarray(x, dtype=np.float64), np.asarray(values, dtype=np.float64)
    reached = y >= threshold
    return np.where(reached.any(axis=-1), at[reached.argmax(axis=-1)] / at[-1], 1.0)


def iqm_band(
    env_steps: ArrayLike,
    curves: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    resamples: int = CURVE_RESAMPLES,
    confidence: float = CONFIDENCE,
    method: Method = DEFAULT_METHOD,
) -> Band:
    """IQM over runs and tasks at each env step, with a band from resampling whole runs.

    env_steps [K]; curves: over tasks, each [runs, K].
    """
    tasks = [np.asarray(task, dtype=np.float64) for task in curves]  # each [runs, K]
    x, sizes = np.asarray(env_steps, dtype=np.float64), [len(task) for task in tasks]
    on_counts = partial(iqm_of_counts, values=np.concatenate(tasks), mass=run_mass(sizes))
    return _band(x, iqm_along(tasks), sizes, on_counts, resamples, rng, confidence, method)


def performance_profile(
    scores: Scores,
    thresholds: ArrayLike,
    *,
    rng: np.random.Generator,
    resamples: int = CURVE_RESAMPLES,
    confidence: float = CONFIDENCE,
    method: Method = DEFAULT_METHOD,
) -> Band:
    """Fraction of runs that score above each threshold (run-score distribution of rliable).

    Each task weighs the same. thresholds [K].
    """
    tasks = as_scores(scores)
    sizes = [task.size for task in tasks]
    x = np.asarray(thresholds, dtype=np.float64)
    above = (np.concatenate(tasks)[:, None] > x).astype(np.float64)  # [N, K]
    above *= (run_mass(sizes) / sum(sizes))[:, None]
    found = np.minimum(above.sum(axis=0), 1.0)
    return _band(x, found, sizes, lambda counts: counts @ above, resamples, rng, confidence, method).clipped(0.0, 1.0)


def _band(
    x: Array,
    points: Array,
    sizes: Sequence[int],
    on_counts: Callable[[Array], Array],
    resamples: int,
    rng: np.random.Generator,
    confidence: float,
    method: Method,
) -> Band:
    """The band of points [K], from `on_counts`: what they are [r, K] where the runs were drawn so often, [r, N]."""
    if min(sizes) < 2:
        return Band.of(x, points, None, confidence)
    draws = np.concatenate([on_counts(counts) for counts in draw_counts(sizes, resamples, rng)])  # [R, K]
    pulls = jackknife(on_counts(leave_one_out(sizes)), sizes)
    return Band.of(x, points, bounds(draws, points, pulls, confidence, method), confidence)
