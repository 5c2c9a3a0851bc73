"""Estimates of many cells, each one variant on one task: cells with equally many runs are computed together.

All runs of a task are equally likely to be drawn, so how often a resample holds the lowest run, the next, ... does
not depend on the scores. An estimate that weighs a resample's runs by rank (mean, IQM) is then a product of weights
[R, n] and the cell's n ordered scores, and the weights depend only on n: drawn once, they serve every cell of a
report and every env step of its curve. Each interval is as valid as one from separate draws; cells share only the
Monte Carlo error, and no statement is made about two of them. Nor may one be made about two env steps: a resample by
rank is not the same runs at both, as an area under the curve would need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeGuard

import numpy as np
from numpy.typing import ArrayLike

from dimebench.stats.bootstrap import draw_counts, iqm_of_counts, stream
from dimebench.stats.curves import CURVE_RESAMPLES, Band
from dimebench.stats.engine import Engine, NumpyEngine
from dimebench.stats.estimators import Array, as_scores, iqm_along, run_mass, trimmed_mass
from dimebench.stats.intervals import Estimate, Interval, bounds, jackknife, leave_one_out
from dimebench.stats.threads import in_threads

MOST_RUNS = 32  # of a cell with shared weights, which take 8 bytes x 50,000 x runs
AT_ONCE = 8  # cells; their resamples stay in the cache


@dataclass(frozen=True, eq=False)
class Cell:
    """A variant's runs on one task, in any unit."""

    name: tuple[str, str]  # variant and task
    scores: Array  # [n]
    x: ArrayLike  # [K], of the curves; another cell may have others
    curves: Array  # [n, K]


@dataclass(frozen=True)
class CellEstimates:
    """What is known of a cell; no intervals with a single run."""

    mean: Estimate
    iqm: Estimate
    curve: Band  # IQM


def estimate_cells(engine: Engine, cells: Sequence[Cell]) -> list[CellEstimates]:
    """The estimates of each cell, independent of the other cells.

    Raises ValueError for a score that is not finite.
    """
    if not cells:
        return []
    as_scores([cell.scores for cell in cells])
    groups: dict[int | Cell, list[int]] = {}
    for place, cell in enumerate(cells):
        groups.setdefault(cell.scores.size if _shares(engine, cell) else cell, []).append(place)
    batches = [group[start : start + AT_ONCE] for group in groups.values() for start in range(0, len(group), AT_ONCE)]

    def estimate(batch: Sequence[int]) -> list[CellEstimates]:
        chosen = [cells[place] for place in batch]
        if _shares(engine, chosen[0]):
            return _together(engine, chosen)
        return [_alone(engine, cell) for cell in chosen]

    found: dict[int, CellEstimates] = {}
    for batch, estimates in zip(batches, in_threads(estimate, batches), strict=True):
        found |= zip(batch, estimates, strict=True)
    return [found[place] for place in range(len(cells))]


def _shares(engine: Engine, cell: Cell) -> TypeGuard[NumpyEngine]:
    """Whether the cell's intervals come from resamples that it shares with others."""
    return isinstance(engine, NumpyEngine) and 2 <= cell.scores.size <= MOST_RUNS


def _alone(engine: Engine, cell: Cell) -> CellEstimates:
    found = engine.estimates([cell.scores], ("mean", "iqm"), "cell", *cell.name)
    return CellEstimates(found["mean"], found["iqm"], engine.band(cell.x, [cell.curves], "cell curve", *cell.name))


def _together(engine: NumpyEngine, cells: Sequence[Cell]) -> list[CellEstimates]:
    """Cells with equally many runs: each cell is a column, and so is each env step of its curve."""
    scores = np.stack([cell.scores for cell in cells], axis=1)  # [n, cells]
    curves = np.concatenate([cell.curves for cell in cells], axis=1)  # [n, sum of K]
    runs, confidence = len(scores), engine.confidence
    without = leave_one_out([runs])

    def ends(name: str, values: Array, points: Array, left: Array, resamples: int) -> tuple[Array, Array]:
        """Of the intervals [K] of the runs' values [n, K]; left [n, K]: the points without each run."""
        draws = rank_draws(name, values, resamples, engine.seed)
        return bounds(draws, points, jackknife(left, [runs]), confidence, engine.method)

    def estimates(name: str, points: Array, left: Array) -> list[Estimate]:
        return [
            Estimate(float(point), Interval(float(low), float(high), confidence))
            for point, low, high in zip(points, *ends(name, scores, points, left, engine.resamples), strict=True)
        ]

    means = estimates("mean", np.ascontiguousarray(scores.T).mean(axis=1), without @ scores / runs)
    iqms = estimates("iqm", iqm_along([scores]), iqm_of_counts(without, scores, run_mass([runs])))
    points, left = iqm_along([curves]), iqm_of_counts(without, curves, run_mass([runs]))
    limits = ends("iqm", curves, points, left, min(engine.resamples, CURVE_RESAMPLES))
    xs = [np.asarray(cell.x, dtype=np.float64) for cell in cells]
    band = Band.of(np.concatenate(xs), points, limits, confidence)
    ends_at = np.cumsum([x.size for x in xs])
    parts = [band.part(slice(end - x.size, end)) for x, end in zip(xs, ends_at, strict=True)]
    return [CellEstimates(*each) for each in zip(means, iqms, parts, strict=True)]


def rank_draws(name: str, runs: Array, resamples: int, seed: int) -> Array:
    """Bootstrap draws [R, K] of the "mean" or "iqm" of one task's runs [n, K], each of K quantities on its own.

    The draws of one quantity are contiguous in memory.
    """
    return (np.sort(runs, axis=0).T @ _weights(name, len(runs), resamples, seed).T).T


@lru_cache(maxsize=8)
def _weights(name: str, runs: int, resamples: int, seed: int) -> Array:
    """What each ordered run adds to the estimate of each resample [R, n]."""
    counts = np.concatenate(list(draw_counts([runs], resamples, stream(seed, "ranks", str(runs)))))
    if name == "mean":
        return counts / runs
    cut = trimmed_mass(runs)
    kept = np.clip(np.cumsum(counts, axis=1), cut, runs - cut)
    weights: Array = np.diff(kept, axis=1, prepend=cut) / (runs - 2 * cut)
    return weights
