"""What is asked of the runs: along which axis, by which score, within which margin, with whose intervals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from dimebench.analysis.curves import Curve
from dimebench.analysis.errors import ReportError
from dimebench.stats import Engine, NumpyEngine, time_to_threshold

METRICS = ("final", "auc", "threshold:SCORE")


@dataclass(frozen=True)
class Metric:
    """How a run's curve becomes one score. `threshold` is a normalised score, for kind "threshold"."""

    kind: str  # final, auc or threshold
    threshold: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Metric:
        """`final`, `auc` or `threshold:0.8`. Raises ReportError for anything else, and a threshold not in (0, 1]."""
        kind, _, value = text.partition(":")
        if text in ("final", "auc"):
            return cls(kind)
        try:
            threshold = float(value)
        except ValueError:
            threshold = float("nan")
        if kind != "threshold" or not np.isfinite(threshold):
            raise ReportError(f"--metric {text}: unknown metric (known: {', '.join(METRICS)})")
        if not 0 < threshold <= 1:
            raise ReportError(f"--metric {text}: a threshold is a normalised score above 0 and at most 1")
        return cls(kind, threshold)

    def __str__(self) -> str:
        return f"threshold:{self.threshold:g}" if self.kind == "threshold" else self.kind

    def normalised(self, curve: Curve, grid: tuple[int, ...]) -> float:
        """The run's score over the shared grid, the higher the better: 0 to 1 between the suite's bounds.

        "threshold": the share of the budget that is left when the curve first reaches the threshold; 0 where it never
        does.
        """
        if self.kind == "threshold":
            values = curve.normalised(curve.values(grid))
            return float(1 - time_to_threshold(grid, values, self.threshold))
        return float(curve.normalised(np.array(curve.score(grid, self.kind))))

    def per_task(self, cells: Sequence[Sequence[Curve]], grid: tuple[int, ...]) -> list[np.ndarray]:
        """Normalised scores of each cell, [runs]."""
        return [np.array([self.normalised(curve, grid) for curve in cell]) for cell in cells]

    def never_reached(self, curves: Iterable[Curve], grid: tuple[int, ...]) -> bool:
        """Whether this is a threshold that no run gets to."""
        return self.kind == "threshold" and not any(
            (curve.normalised(curve.values(grid)) >= self.threshold).any() for curve in curves
        )

    def shown(self, curve: Curve, grid: tuple[int, ...]) -> float:
        """The same in the unit of the per-task tables: a return, or where on the axis the threshold was reached."""
        if self.kind == "threshold":
            return (1 - self.normalised(curve, grid)) * grid[-1]
        return curve.score(grid, self.kind)


@dataclass(frozen=True)
class Question:
    """Everything about a comparison but the runs and the budget."""

    axis: str = "env_step"  # one of `numbers.AXES`
    metric: Metric | None = None  # None: as the suite declares it
    delta: float | None = None  # the margin within which two variants count as equivalent
    engine: Engine = field(default_factory=NumpyEngine)

    def metric_of(self, curve: Curve) -> Metric:
        return self.metric or Metric(curve.run.score["kind"])
