"""Curves over runs: IQM against env steps, performance profiles, area under the curve.

A resample draws whole runs: the same draw serves every env step (or threshold) of a curve. Resampling
each point on its own, as rliable's sample-efficiency helper does, breaks a run's correlation with
itself; an interval for the area under the curve came out several times too narrow that way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dimebench.stats.bootstrap import CHUNK, draw_counts, iqm_of_counts
from dimebench.stats.estimators import Array, Scores, as_scores, iqm_along, run_mass
from dimebench.stats.intervals import CONFIDENCE, DEFAULT_METHOD, Influence, Method, bounds, jackknife, leave_one_out

CURVE_RESAMPLES = 2_000  # bands are drawn, not tabulated


@dataclass(frozen=True)
class Band:
    """A curve with a pointwise interval: x [K], point [K], low and high [K] (None: one run of a task)."""

    x: tuple[float, ...]
    point: tuple[float, ...]
    low: tuple[float, ...] | None
    high: tuple[float, ...] | None
    confidence: float

    def part(self, places: slice) -> Band:
        """The curve at some of its x."""
        low, high = self.low and self.low[places], self.high and self.high[places]
        return Band(self.x[places], self.point[places], low, high, self.confidence)


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
    sizes = [len(task) for task in tasks]

    def draw() -> Array:
        values, mass = np.concatenate(tasks), run_mass(sizes)  # [N, K], [N]
        parts = draw_counts(sizes, resamples, rng, CHUNK)
        return np.concatenate([iqm_of_counts(counts, values, mass) for counts in parts])

    return iqm_band_of(env_steps, tasks, draw, confidence, method)


def iqm_band_of(
    env_steps: ArrayLike, tasks: Sequence[Array], draw: Callable[[], Array], confidence: float, method: Method
) -> Band:
    """As `iqm_band`, from `draw`, which gives bootstrap draws [R, K] of the IQM; called only if needed."""
    x, sizes = np.asarray(env_steps, dtype=np.float64), [len(task) for task in tasks]
    points = iqm_along(tasks)
    if min(sizes) < 2:
        return Band(tuple(x.tolist()), tuple(points.tolist()), None, None, confidence)
    without = iqm_of_counts(leave_one_out(sizes), np.concatenate(tasks), run_mass(sizes))
    return _band(x, points, draw(), jackknife(without, sizes), confidence, method)


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
    points = above.sum(axis=0)
    if min(sizes) < 2:
        return Band(tuple(x.tolist()), tuple(points.tolist()), None, None, confidence)
    draws = np.concatenate([counts @ above for counts in draw_counts(sizes, resamples, rng)])  # [R, K]
    pulls = jackknife(leave_one_out(sizes) @ above, sizes)
    return _band(x, points, draws, pulls, confidence, method)


def _band(x: Array, points: Array, draws: Array, pulls: Influence, confidence: float, method: Method) -> Band:
    low, high = bounds(draws, points, pulls, confidence, method)
    xs, ys, lows, highs = (tuple(each.tolist()) for each in (x, points, low, high))
    return Band(xs, ys, lows, highs, confidence)
