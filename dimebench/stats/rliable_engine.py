"""`--engine rliable`: every interval comes unchanged from `rliable.library`.

rliable 1.2.0 needs equally many runs of every task, ignores its random state (two calls differ by Monte-Carlo error)
and resamples each point of a curve on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dimebench.errors import DimebenchError
from dimebench.stats.curves import Band
from dimebench.stats.estimators import AGGREGATES, Array, Scores, as_scores, is_full
from dimebench.stats.intervals import CONFIDENCE, Estimate, Interval

RLIABLE_RESAMPLES = 2_000  # takes seconds; 50,000 would take minutes
RLIABLE_CURVE_RESAMPLES = 200  # a profile of 201 points takes a second per hundred, and bands are only drawn


class RaggedError(DimebenchError, ValueError):
    """rliable needs a full matrix: equally many runs of every task."""


def matrix(scores: Scores) -> Array:
    """The scores as rliable takes them [runs, tasks]. Raises RaggedError where tasks differ in their runs."""
    tasks = as_scores(scores)
    if not is_full(tasks):
        numbers = ", ".join(str(task.size) for task in tasks)
        raise RaggedError(f"rliable needs equally many seeds on every task, not {numbers}")
    return np.stack(tasks, axis=1)


def intervals(
    scores: Array | tuple[Array, Array], function: Callable[..., Any], resamples: int, confidence: float
) -> tuple[Array, Array, Array]:
    """Point, low and high, each [K], of a function of one or two score matrices that gives [K]."""
    from rliable import library

    points, found = library.get_interval_estimates(
        {"": scores}, function, reps=resamples, confidence_interval_size=confidence
    )
    low, high = found[""]
    return np.asarray(points[""]), low, high


@dataclass(frozen=True)
class RliableEngine:
    """All of rliable's own intervals; see `stats.engine.Engine`."""

    resamples: int = RLIABLE_RESAMPLES
    confidence: float = CONFIDENCE

    @property
    def method(self) -> str:
        return "rliable"

    @property
    def options(self) -> tuple[str, ...]:
        return ("--engine rliable",)

    def estimates(self, scores: Scores, names: Sequence[str] = tuple(AGGREGATES), *_: str) -> dict[str, Estimate]:
        from rliable import metrics

        runs = matrix(scores)
        functions = [getattr(metrics, f"aggregate_{name}") for name in names]
        if len(runs) < 2:
            return {
                name: Estimate(float(function(runs)), None) for name, function in zip(names, functions, strict=True)
            }
        points, low, high = intervals(
            runs, lambda x: np.array([function(x) for function in functions]), self.resamples, self.confidence
        )
        return {
            name: Estimate(float(points[k]), Interval(float(low[k]), float(high[k]), self.confidence))
            for k, name in enumerate(names)
        }

    def side(self, scores: Scores, name: str) -> RliableSide:
        return RliableSide(matrix(scores), self.resamples, self.confidence)

    def pair(self, a: RliableSide, b: RliableSide) -> RliablePair:
        return RliablePair(a.runs, b.runs, self.resamples)

    def band(self, x: ArrayLike, curves: Sequence[ArrayLike], *_: str) -> Band:
        """As rliable's sample-efficiency curves: [runs, tasks, K] in, one aggregate per point."""
        from rliable import metrics

        lengths = {len(np.asarray(task)) for task in curves}
        if len(lengths) > 1:
            raise RaggedError("rliable needs equally many seeds on every task")
        runs = np.stack([np.asarray(task, dtype=np.float64) for task in curves], axis=1)  # [runs, tasks, K]
        width = runs.shape[-1]

        def at_each(values: Array) -> Array:
            return np.array([metrics.aggregate_iqm(values[..., k]) for k in range(width)])

        xs = tuple(np.asarray(x, dtype=np.float64).tolist())
        if len(runs) < 2:
            return Band(xs, tuple(at_each(runs).tolist()), None, None, self.confidence)
        resamples = min(self.resamples, RLIABLE_CURVE_RESAMPLES)
        ends = intervals(runs, at_each, resamples, self.confidence)
        points, low, high = (tuple(each.tolist()) for each in ends)
        return Band(xs, points, low, high, self.confidence)

    def profile(self, scores: Scores, thresholds: ArrayLike, *_: str) -> Band:
        from rliable import library

        runs, taus = matrix(scores), np.asarray(thresholds, dtype=np.float64)
        xs = tuple(taus.tolist())
        if len(runs) < 2:
            points = library.score_distributions(runs, taus)
            return Band(xs, tuple(np.asarray(points).tolist()), None, None, self.confidence)
        found, bands = library.create_performance_profile(
            {"": runs},
            taus,
            reps=min(self.resamples, RLIABLE_CURVE_RESAMPLES),
            confidence_interval_size=self.confidence,
        )
        low, high = bands[""]
        return Band(xs, tuple(found[""].tolist()), tuple(low.tolist()), tuple(high.tolist()), self.confidence)


@dataclass(frozen=True)
class RliableSide:
    """One variant's matrix [runs, tasks]."""

    runs: Array
    resamples: int
    confidence: float

    def iqm(self, confidence: float) -> Estimate:
        return RliableEngine(self.resamples, confidence).estimates(list(self.runs.T), ["iqm"])["iqm"]

    def estimates(self, names: Sequence[str]) -> dict[str, Estimate]:
        return RliableEngine(self.resamples, self.confidence).estimates(list(self.runs.T), names)


@dataclass(frozen=True)
class RliablePair:
    """A against B: matrices [runs, tasks]."""

    a: Array
    b: Array
    resamples: int

    def difference(self, confidence: float) -> Interval:
        from rliable import metrics

        return self._of(lambda x, y: np.array([metrics.aggregate_iqm(x) - metrics.aggregate_iqm(y)]), confidence)

    def improvement(self, confidence: float) -> Interval:
        from rliable import metrics

        return self._of(lambda x, y: np.array([metrics.probability_of_improvement(x, y)]), confidence)

    def evidence(self) -> float:
        return 0.0  # rliable gives intervals, no p-values

    def _of(self, function: Callable[[Array, Array], Array], confidence: float) -> Interval:
        _, low, high = intervals((self.a, self.b), function, self.resamples, confidence)
        return Interval(float(low[0]), float(high[0]), confidence)
