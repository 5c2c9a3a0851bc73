"""The rows of a summary: a variant over all tasks, a variant on one task, a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dimebench.analysis.question import Metric
from dimebench.analysis.select import Selection
from dimebench.stats import AGGREGATES, Band, Cell, Engine, Estimate, Side, estimate_cells
from dimebench.store import Run


@dataclass(frozen=True)
class VariantRow:
    """A variant over all tasks, in normalised scores."""

    variant: str
    is_floor: bool
    runs: int
    fewest_seeds: int
    most_seeds: int
    diverged: int  # runs counted with the lower bound
    estimates: dict[str, Estimate]  # iqm, median, mean, optimality_gap
    curve: Band  # IQM of normalised returns against env steps
    profile: Band  # fraction of runs above each normalised score
    median_wall_time_s: float  # of a run, up to the budget


@dataclass(frozen=True)
class CellRow:
    """A variant on one task, in units of return (with a threshold metric: where on the axis it was reached)."""

    variant: str
    task: str
    lower: float  # the suite's bounds
    upper: float
    seeds: tuple[int, ...]
    scores: tuple[float, ...]  # by seed
    diverged: tuple[int, ...]  # seeds that diverged before the budget
    mean: Estimate
    iqm: Estimate
    curve: Band  # IQM over seeds against env steps
    run_curves: tuple[tuple[float, ...], ...]  # by seed, at the curve's env steps


@dataclass(frozen=True)
class RunRow:
    """A run of a variant of the report, counted or not, and where its numbers come from."""

    variant: str
    task: str
    seed: int
    status: str
    reason: str | None
    counted: bool
    identity: dict[str, Any]  # sha256, of
    provenance: dict[str, Any]
    progress: dict[str, Any]


def variant_row(
    chosen: Selection,
    variant: str,
    scores: list[np.ndarray],
    thresholds: np.ndarray,
    engine: Engine,
    side: Side,
) -> VariantRow:
    """The row of a variant, from its normalised scores, over tasks each [runs]."""
    cells = [chosen.cells[variant, task] for task in chosen.tasks]
    runs = [curve for cell in cells for curve in cell]
    curves = [np.stack([c.normalised(c.values(chosen.env_steps)) for c in cell]) for cell in cells]
    return VariantRow(
        variant=variant,
        is_floor=variant == chosen.floor,
        runs=len(runs),
        fewest_seeds=min(len(cell) for cell in cells),
        most_seeds=max(len(cell) for cell in cells),
        diverged=sum(curve.diverged_by(chosen.budget) for curve in runs),
        estimates=side.estimates(tuple(AGGREGATES)),
        curve=engine.band(chosen.env_steps, curves, "curve", variant),
        profile=engine.profile(scores, thresholds, "profile", variant),
        median_wall_time_s=float(np.median([curve.seconds_at(chosen.budget) for curve in runs])),
    )


def cell_rows(
    chosen: Selection, names: Sequence[tuple[str, str]], metric: Metric, engine: Engine
) -> tuple[CellRow, ...]:
    """The rows of these variants and tasks."""
    runs = {name: sorted(chosen.cells[name], key=lambda curve: curve.run.seed) for name in names}
    cells = [
        Cell(
            name,
            scores=np.array([metric.shown(curve, chosen.env_steps) for curve in runs[name]]),
            curves=np.stack([curve.values(chosen.env_steps) for curve in runs[name]]),
        )
        for name in names
    ]
    return tuple(
        CellRow(
            variant=cell.name[0],
            task=cell.name[1],
            lower=float(runs[cell.name][0].run.score["lower"]),
            upper=float(runs[cell.name][0].run.score["upper"]),
            seeds=tuple(curve.run.seed for curve in runs[cell.name]),
            scores=tuple(cell.scores.tolist()),
            diverged=tuple(curve.run.seed for curve in runs[cell.name] if curve.diverged_by(chosen.budget)),
            mean=found.mean,
            iqm=found.iqm,
            curve=found.curve,
            run_curves=tuple(tuple(row) for row in cell.curves.tolist()),
        )
        for cell, found in zip(cells, estimate_cells(engine, chosen.env_steps, cells), strict=True)
    )


def run_rows(runs: Sequence[Run], chosen: Selection) -> tuple[RunRow, ...]:
    """The runs of the report's variants, by variant, task and seed."""
    counted = {curve.run.path for cell in chosen.cells.values() for curve in cell}
    of_report = {*chosen.variants, *([chosen.floor] if chosen.floor else [])}
    return tuple(
        RunRow(r.variant, r.task, r.seed, r.status, r.reason, r.path in counted, r.identity, r.provenance, r.progress)
        for r in sorted(runs, key=lambda r: (r.variant, r.task, r.seed))
        if r.variant in of_report
    )
