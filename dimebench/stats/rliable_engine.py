"""`--engine rliable`: every interval comes unchanged from `rliable.library`.

rliable 1.2.0 needs equally many runs of every task, ignores its random state (two calls differ by Monte-Carlo error)
and resamples each point of a curve on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dimebench import own_matplotlib
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


def _library() -> Any:
    """`rliable.library`. It brings matplotlib along, which must not fail on the user's set-up of it."""
    with own_matplotlib.importing():
        from rliable import library
    return library


def intervals(
    scores: Array | tuple[Array, Array], function: Callable[..., Any], resamples: int, confidence: float
) -> tuple[Array, Array, Array]:
    """Point, low and high, each [K], of a function of one or two score matrices that gives [K]."""
    library = _library()
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

        def aggregates(values: Array) -> Array:
            return np.array([function(values) for function in functions])

        found = intervals(runs, aggregates, self.resamples, self.confidence)
        return {
            name: Estimate(float(point), Interval(float(low), float(high), self.confidence))
            for name, point, low, high in zip(names, *found, strict=True)
        }

    def side(self, scores: Scores, name: str) -> RliableSide:
        return RliableSide(matrix(scores), self)

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

        xs = np.asarray(x, dtype=np.float64)
        if len(runs) < 2:
            return Band.of(xs, at_each(runs), None, self.confidence)
        points, *ends = intervals(runs, at_each, min(self.resamples, RLIABLE_CURVE_RESAMPLES), self.confidence)
        return Band.of(xs, points, (ends[0], ends[1]), self.confidence)

    def profile(self, scores: Scores, thresholds: ArrayLike, *_: str) -> Band:
        library, runs, taus = _library(), matrix(scores), np.asarray(thresholds, dtype=np.float64)
        if len(runs) < 2:
            return Band.of(taus, np.asarray(library.score_distributions(runs, taus)), None, self.confidence)
        resamples = min(self.resamples, RLIABLE_CURVE_RESAMPLES)
        found, bands = library.create_performance_profile(
            {"": runs}, taus, reps=resamples, confidence_interval_size=self.confidence
        )
        return Band.of(taus, found[""], tuple(bands[""]), self.confidence)


@dataclass(frozen=True)
class RliableSide:
    """One variant's matrix [runs, tasks]."""

    runs: Array
    engine: RliableEngine

    def iqm(self, confidence: float) -> Estimate:
        return RliableSide(self.runs, replace(self.engine, confidence=confidence)).estimates(["iqm"])["iqm"]

    def estimates(self, names: Sequence[str]) -> dict[str, Estimate]:
        return self.engine.estimates(list(self.runs.T), names)


@dataclass(frozen=True)
class RliablePair:
    """A against B: matrices [runs, tasks]."""

    a: Array
    b: Array
    resamples: int

    def improvement(self, confidence: float) -> Interval:
        from rliable import metrics

        def better(x: Array, y: Array) -> Array:
            return np.array([metrics.probability_of_improvement(x, y)])

        _, low, high = intervals((self.a, self.b), better, self.resamples, confidence)
        return Interval(float(low[0]), float(high[0]), confidence).clipped(0.0, 1.0)
