"""The summary of a results folder: reads the runs, chooses those that count, estimates and compares."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from dimebench import stats
from dimebench.analysis.curves import full_env_steps
from dimebench.analysis.errors import NoRunsError, NotComparableError
from dimebench.analysis.notes import BudgetLimited, NeverReached, Unreadable
from dimebench.analysis.published import cite, split
from dimebench.analysis.question import Metric, Question
from dimebench.analysis.select import FLOOR, Selection, full_names, naming, read_chosen, require_left, select
from dimebench.analysis.summary import CellRow, RunRow, Summary, VariantRow
from dimebench.analysis.x_axis import on_axis
from dimebench.stats.bootstrap import RESAMPLES
from dimebench.store import Run, StoreError, read_curves
from dimebench.store.places import Place
from dimebench.store.reader import without_collecting

USUAL_PLACE = "results"  # where the command line looks by default
JOULES_PER_KWH = 3.6e6
MOST_PAIRED = 10  # variants, none of them named, of which every pair is judged


def read_summary(
    results: Place,
    names: Sequence[str] = (),
    suite: str | None = None,
    budget: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    question: Question | None = None,
    allow: Collection[str] = (),
) -> Summary:
    """The summary of a results folder.

    names: the variants to compare, in order, and published references, as `select.in_full` takes them; none: all
    there are, best first, and of more than MOST_PAIRED the best with each other one. budget in env steps, or in the
    unit of the question's axis. A question brings its own engine: `resamples` then has no effect. allow: differences
    that are noted, not refused: see `select.ALLOWABLE`.
    Raises the errors of `analysis.errors`, and StoreError where no run can be read, of all or of a variant named.
    """
    if not results.is_dir():
        raise NoRunsError(f"no results folder at '{results}'")
    broken: list[StoreError] = []
    runs = read_chosen(results, suite, (), broken)
    own, cited = split(full_names(names, runs, broken), {run.variant for run in runs})
    if cited and not own:
        raise NotComparableError("not comparable: published aggregates alone; name runs to set beside them")
    needed = [run for run in runs if not own or run.variant in {*own, FLOOR}]
    lost: dict[Place, StoreError] = {}
    with without_collecting():
        evals = read_curves(needed, lost)
        require_left(needed, lost, own)
        runs = [run for run in runs if run.path not in lost]
        with naming([*broken, *lost.values()]):
            found = summarise(runs, evals, own, budget, resamples, seed, question, allow)
    unread = [Unreadable(str(error)) for error in (*broken, *lost.values())]
    found = replace(found, notes=(*unread, *found.notes))
    if str(results) != USUAL_PLACE:
        found = replace(found, options=(*found.options, f"--results {shlex.quote(str(results))}"))
    return cite(found, cited)


def summarise(
    runs: Sequence[Run],
    evals: pd.DataFrame,
    names: Sequence[str] = (),
    budget: int | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    question: Question | None = None,
    allow: Collection[str] = (),
) -> Summary:
    """The summary of the runs of one suite and their evaluations (the columns of `store.read_curves`)."""
    question = question or Question(engine=stats.NumpyEngine(resamples, seed))
    engine = question.engine
    chosen = select(runs, evals, names, budget if question.axis == "env_step" else None, allow)
    chosen = on_axis(chosen, question.axis, budget)
    variants = chosen.variants
    metric = question.metric_of(chosen.compared[0])
    shown = [*variants, *([chosen.floor] if chosen.floor else [])]
    scores = {variant: metric.per_task(chosen.of(variant), chosen.env_steps) for variant in shown}
    every = np.concatenate([task for tasks in scores.values() for task in tasks])
    thresholds = np.linspace(min(0.0, every.min()), max(1.0, every.max()), 201)  # as far as the runs go beyond 0 to 1
    sides = {variant: engine.side(scores[variant], variant) for variant in shown}
    made = stats.in_threads(lambda v: _variant_row(chosen, v, scores[v], thresholds, engine, sides[v]), shown)
    rows = dict(zip(shown, made, strict=True))
    if not names:
        variants = tuple(sorted(variants, key=lambda v: (-rows[v].estimates["iqm"].point, v)))
        shown = [*variants, *shown[len(variants) :]]
    pairs = list(itertools.combinations(variants, 2))
    judged = pairs if names or len(variants) <= MOST_PAIRED else [(variants[0], other) for other in variants[1:]]
    comparisons = stats.compare_all(
        scores,
        judged,
        tasks=chosen.tasks,
        seed=seed,
        delta=question.delta,
        engine=engine,
        sides=sides,
        chosen_from=pairs,
    )
    better = stats.probability_of_improvement
    never = metric.never_reached(chosen.compared, chosen.env_steps)
    return Summary(
        suite=chosen.suite,
        variants=variants,
        floor=chosen.floor,
        tasks=chosen.tasks,
        score=str(metric),
        budget=chosen.budget,
        confidence=engine.confidence,
        resamples=engine.resamples,
        seed=seed,
        comparisons=comparisons,
        aggregates=tuple(rows[variant] for variant in shown),
        cells=_cell_rows(chosen, [(v, t) for t in chosen.tasks for v in shown], metric, engine),
        left_out=chosen.left_out,
        left_out_tasks=chosen.left_out_tasks,
        notes=(
            *(each for each in chosen.notes if chosen.axis == "env_step" or not isinstance(each, BudgetLimited)),
            *[NeverReached(metric.threshold)] * never,
        ),
        runs=_run_rows(runs, chosen),
        axis=chosen.axis,
        method=engine.method,
        score_asked=question.metric is not None,
        options=(*engine.options, *([f"--allow {','.join(sorted(allow))}"] if allow else [])),
        improvements=tuple(tuple(better(scores[row], scores[column]) for column in variants) for row in variants),
    )


def _variant_row(
    chosen: Selection,
    variant: str,
    scores: stats.Scores,
    thresholds: np.ndarray,
    engine: stats.Engine,
    side: stats.Side,
) -> VariantRow:
    """The row of a variant, from its normalised scores."""
    cells = chosen.of(variant)
    runs = [curve for cell in cells for curve in cell]
    seconds = float(np.median([curve.seconds_at(chosen.budget) for curve in runs]))
    joules = [c.run.progress.get("energy_j", c.run.provenance.get("energy_j")) for c in runs]
    steps = full_env_steps(runs, chosen.env_steps)
    curves = [np.stack([c.normalised(c.values(steps)) for c in cell]) for cell in cells]
    full_curve = engine.band(steps, curves, "curve", variant)
    return VariantRow(
        variant=variant,
        is_floor=variant == chosen.floor,
        runs=len(runs),
        fewest_seeds=min(len(cell) for cell in cells),
        most_seeds=max(len(cell) for cell in cells),
        diverged=sum(curve.diverged_by(chosen.budget) for curve in runs),
        estimates=side.estimates(tuple(stats.AGGREGATES)),
        curve=full_curve.at(chosen.env_steps),
        full_curve=full_curve,
        profile=engine.profile(scores, thresholds, "profile", variant),
        median_wall_time_s=seconds,
        env_steps_per_s=chosen.budget / seconds if seconds and chosen.axis == "env_step" else None,
        grad_steps=_median([c.run.progress.get("grad_step") for c in runs]),
        energy_kwh=_median(joules, JOULES_PER_KWH),
        devices=tuple(sorted({str(c.run.provenance["device"]) for c in runs if c.run.provenance.get("device")})),
    )


def _median(values: Sequence[Any], unit: float = 1.0) -> float | None:
    """Over the positive numbers among what files hold, in this unit; None where there is none."""
    known = [float(v) / unit for v in values if isinstance(v, int | float) and math.isfinite(v) and v > 0]
    return float(np.median(known)) if known else None


def _cell_rows(
    chosen: Selection, names: Sequence[tuple[str, str]], metric: Metric, engine: stats.Engine
) -> tuple[CellRow, ...]:
    """The rows of these variants and tasks."""
    runs = {name: sorted(chosen.cells[name], key=lambda curve: curve.run.seed) for name in names}
    steps = {name: full_env_steps(runs[name], chosen.env_steps) for name in names}
    cells = [
        stats.Cell(
            name,
            scores=np.array([metric.shown(curve, chosen.env_steps) for curve in runs[name]]),
            x=steps[name],
            curves=np.stack([curve.values(steps[name]) for curve in runs[name]]),
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
            curve=found.curve.at(chosen.env_steps),
            full_curve=found.curve,
            run_curves=_columns(cell.curves, np.isin(steps[cell.name], chosen.env_steps)),
            full_run_curves=_columns(cell.curves),
        )
        for cell, found in zip(cells, stats.estimate_cells(engine, cells), strict=True)
    )


def _columns(curves: np.ndarray, kept: Any = slice(None)) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(row) for row in curves[:, kept].tolist())


def _run_rows(runs: Sequence[Run], chosen: Selection) -> tuple[RunRow, ...]:
    """The runs of the report's variants, by variant, task and seed."""
    counted = {curve.run.path for cell in chosen.cells.values() for curve in cell}
    of_report = {*chosen.variants, *([chosen.floor] if chosen.floor else [])}
    return tuple(
        RunRow(r.variant, r.task, r.seed, r.status, r.reason, r.path in counted, r.identity, r.provenance, r.progress)
        for r in sorted(runs, key=lambda r: (r.variant, r.task, r.seed))
        if r.variant in of_report
    )
