"""Who makes the intervals: our NumPy kernel, or `rliable.library` itself (`--engine rliable`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from dimebench.stats.bootstrap import (
    RESAMPLES,
    Sample,
    bootstrap,
    bootstrap_improvement,
    estimate,
    estimates_of,
    stream,
)
from dimebench.stats.curves import CURVE_RESAMPLES, Band, iqm_band, performance_profile
from dimebench.stats.estimators import AGGREGATES, Array, Scores, probability_of_improvement
from dimebench.stats.intervals import (
    CONFIDENCE,
    DEFAULT_METHOD,
    Estimate,
    Interval,
    Method,
    improvement_influence,
    improvement_interval,
    interval,
)


class Side(Protocol):
    """One variant's scores, prepared for comparison with several others."""

    def iqm(self, confidence: float) -> Estimate: ...

    def estimates(self, names: Sequence[str]) -> dict[str, Estimate]:
        """The named aggregates at the engine's confidence."""


class Pair(Protocol):
    """A against B. The interval of the IQM difference belongs to its test (`testing.permutation`), to no engine."""

    def improvement(self, confidence: float) -> Interval:
        """The interval of P(A > B)."""


class Engine(Protocol):
    """Estimates with intervals. `purpose` names a random stream, as in `bootstrap.stream`."""

    @property
    def resamples(self) -> int: ...

    @property
    def confidence(self) -> float: ...

    @property
    def method(self) -> str:
        """How the intervals are made: one of METHODS, or "rliable"."""

    @property
    def options(self) -> tuple[str, ...]:
        """The command line's options that ask for this engine; none for the default."""

    def estimates(self, scores: Scores, names: Sequence[str], *purpose: str) -> dict[str, Estimate]: ...

    def side(self, scores: Scores, name: str) -> Any: ...

    def pair(self, a: Any, b: Any) -> Pair:
        """Of two sides that this engine made."""

    def band(self, x: ArrayLike, curves: Sequence[ArrayLike], *purpose: str) -> Band: ...

    def profile(self, scores: Scores, thresholds: ArrayLike, *purpose: str) -> Band: ...


@dataclass(frozen=True)
class NumpyEngine:
    """Our kernel: vectorised, seeded, ragged run counts, whole runs resampled along a curve."""

    resamples: int = RESAMPLES
    seed: int = 0
    confidence: float = CONFIDENCE
    method: Method = DEFAULT_METHOD

    @property
    def options(self) -> tuple[str, ...]:
        return () if self.method == DEFAULT_METHOD else (f"--interval {self.method}",)

    def estimates(
        self, scores: Scores, names: Sequence[str] = tuple(AGGREGATES), *purpose: str
    ) -> dict[str, Estimate]:
        return estimate(scores, names, **self._ways(self.resamples, purpose))

    def side(self, scores: Scores, name: str) -> NumpySide:
        return NumpySide(self, Sample.of(scores), name)

    def pair(self, a: NumpySide, b: NumpySide) -> NumpyPair:
        return NumpyPair(self, a, b)

    def band(self, x: ArrayLike, curves: Sequence[ArrayLike], *purpose: str) -> Band:
        return iqm_band(x, curves, **self._ways(min(self.resamples, CURVE_RESAMPLES), purpose))

    def profile(self, scores: Scores, thresholds: ArrayLike, *purpose: str) -> Band:
        return performance_profile(scores, thresholds, **self._ways(min(self.resamples, CURVE_RESAMPLES), purpose))

    def _ways(self, resamples: int, purpose: tuple[str, ...]) -> dict[str, Any]:
        rng = stream(self.seed, *purpose)
        return {"rng": rng, "resamples": resamples, "confidence": self.confidence, "method": self.method}


@dataclass(frozen=True, eq=False)
class NumpySide:
    """One variant; its resamples are drawn once for all comparisons."""

    engine: NumpyEngine
    sample: Sample
    name: str
    drawn: dict[str, Array] = field(default_factory=dict, init=False)  # the aggregates of each resample, on demand

    def draws(self, names: Sequence[str]) -> dict[str, Array]:
        """The named aggregates of each resample."""
        missing = [name for name in names if name not in self.drawn]
        if missing:
            self.drawn.update(bootstrap(self.sample.tasks, missing, self.engine.resamples, self.stream()))
        return self.drawn

    def estimates(self, names: Sequence[str] = tuple(AGGREGATES)) -> dict[str, Estimate]:
        return estimates_of(self.sample.tasks, names, self.draws, self.engine.confidence, self.engine.method)

    def iqm(self, confidence: float) -> Estimate:
        drawn, sample = self.draws(["iqm"])["iqm"], self.sample
        return Estimate(sample.iqm, interval(drawn, sample.iqm, sample.influence, confidence, self.engine.method))

    def stream(self) -> np.random.Generator:
        return stream(self.engine.seed, "runs", self.name)


@dataclass(frozen=True)
class NumpyPair:
    """A against B through our kernel. The runs of A and of B are resampled independently."""

    engine: NumpyEngine
    a: NumpySide
    b: NumpySide

    def improvement(self, confidence: float) -> Interval:
        """The score interval for the expanded method: at 0 and 1 resampling says nothing."""
        a, b = self.a.sample.tasks, self.b.sample.tasks
        if self.engine.method == "expanded":
            return improvement_interval(a, b, confidence)
        draws = bootstrap_improvement(a, b, self.engine.resamples, self.a.stream(), self.b.stream())
        point = probability_of_improvement(a, b)
        found = interval(draws, point, improvement_influence(a, b), confidence, self.engine.method)
        return found.clipped(0.0, 1.0)
