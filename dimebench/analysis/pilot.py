"""Pilot scores for `dimebench power`: from one's own runs, or from a long table of published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from dimebench.analysis.build import read_summary
from dimebench.analysis.errors import NotComparableError, ReportError, UnknownVariantError
from dimebench.analysis.published import other_version, split
from dimebench.analysis.question import Question
from dimebench.analysis.select import in_full, read_chosen, select
from dimebench.errors import first_line, nearest
from dimebench.numbers import listed
from dimebench.reference import PREFIX
from dimebench.store import read_curves
from dimebench.store.places import Place

COLUMNS = ("algorithm", "task", "env_steps", "seed", "score")


@dataclass(frozen=True)
class Pilot:
    """Normalised scores of each variant, over tasks, each [runs]."""

    source: str
    tasks: tuple[str, ...]
    budget: int  # env steps
    scores: dict[str, list[np.ndarray]]
    published: PublishedFigure | None = None  # to be told from, where one was named
    named: tuple[str, ...] = ()  # in full and in order, with their prefixes: what a results folder made of the names


@dataclass(frozen=True)
class PublishedFigure:
    """A published aggregate beside the runs' own, both over the same tasks, in normalised scores."""

    variant: str  # "paper:BRO"
    source: str
    licence: str
    statistic: str  # "mean" or "IQM": the mean over tasks of these
    score: float
    own: float  # the runs' figure

    @property
    def difference(self) -> float:
        return abs(self.own - self.score)


def pilot_of_results(results: Place, names: Sequence[str], suite: str | None, budget: int | None) -> Pilot:
    """From a results folder, at a matched budget; with a published name among `names`, on its tasks alone.

    Raises the errors of `analysis.errors`, UnknownReferenceError.
    """
    runs = read_chosen(results, suite)
    names = in_full(names, runs)
    own, cited = split(names, {run.variant for run in runs})
    if cited:
        beside = _beside_published(results, own, [reference.name for reference in cited], suite, budget)
        return replace(beside, named=tuple(names))
    needed = [run for run in runs if not names or run.variant in names]
    chosen = select(needed or runs, read_curves(needed), names, budget)
    metric = Question().metric_of(chosen.compared[0])
    scores = {variant: metric.per_task(chosen.of(variant), chosen.env_steps) for variant in chosen.variants}
    return Pilot(f"suite {chosen.suite} in {results}", chosen.tasks, chosen.budget, scores, named=tuple(names))


def _beside_published(
    results: Place, own: Sequence[str], cited: Sequence[str], suite: str | None, budget: int | None
) -> Pilot:
    """The runs of one variant on the tasks of a published aggregate, matched as `compare` does."""
    found = read_summary(results, [*own, *cited], suite, budget, resamples=1000)
    (citation,), (variant,) = found.published, found.variants
    if citation.score is None:
        remark = other_version([point.task for point in citation.other_versions.values()])
        there = listed([point.task for point in citation.other_versions.values()])
        raise NotComparableError(f"not comparable: {citation.variant} has figures on {there} alone ({remark})")
    tasks = tuple(task for task in found.tasks if task in citation.matched)
    cells = [found.cell(variant, task) for task in tasks]
    scores = [np.array([cell.normalised(score) for score in cell.scores]) for cell in cells]
    figure = PublishedFigure(
        citation.variant,
        citation.source,
        citation.licence,
        citation.statistic,
        citation.score,
        citation.own[variant].point,
    )
    return Pilot(f"suite {found.suite} in {results}", tasks, found.budget, {variant: scores}, figure)


def pilot_of_file(
    file: Path, names: Sequence[str], budget: int | None, bounds: tuple[float, float], tasks: Sequence[str] = ()
) -> Pilot:
    """From a long table (csv or Parquet) with the columns `COLUMNS`: one score per run and evaluation.

    bounds: the scores that count as 0 and 1. tasks: only these; none: all that the variants share. A run's score is
    its last evaluation up to the budget (default: where the shortest of the shared tasks' runs ends). Rows whose seed
    is no number (`mean`, `iqm`) are aggregates, not runs, and left out. Raises ReportError for a file without these
    columns and for a published name, UnknownVariantError, NotComparableError.
    """
    for name in names:
        if name.startswith(PREFIX):
            raise ReportError(
                f"{name}: is set beside runs of a results folder; --from {file} has none: leave one out"
            )
    table = _read(file)
    lacking = [name for name in COLUMNS if name not in table.columns]
    if lacking:
        raise ReportError(f"{file}: column '{lacking[0]}' is missing (needed: {', '.join(COLUMNS)})")
    table = table[pd.to_numeric(table["seed"], errors="coerce").notna() & np.isfinite(table["score"])]
    known = sorted(map(str, table["algorithm"].unique()))
    for name in names:
        if name not in known:
            raise UnknownVariantError(f"{file}: no runs of '{name}'{nearest(name, known)}")
    table = table[table["algorithm"].isin(names)]
    per_variant = [set(table.loc[table["algorithm"] == name, "task"]) for name in names]
    shared = set.intersection(*per_variant)
    for task in tasks:
        if task not in shared:
            raise ReportError(f"{file}: no runs of {' and '.join(names)} on '{task}'{nearest(task, sorted(shared))}")
    table = table[table["task"].isin(tasks or shared)]
    if table.empty:
        raise NotComparableError(f"not comparable: {' and '.join(names)} share no task in {file}")
    runs = [name for name in ("source_repo", "algorithm", "task", "seed") if name in table.columns]
    reach = int(table.groupby(runs)["env_steps"].max().min())
    end = reach if budget is None else budget
    at_end = table[table["env_steps"] <= end].sort_values("env_steps").groupby(runs)["score"].last().reset_index()
    found = tuple(sorted(tasks or shared))
    lower, upper = bounds

    def scores(name: str, task: str) -> np.ndarray:
        own: np.ndarray = at_end.loc[(at_end["algorithm"] == name) & (at_end["task"] == task), "score"].to_numpy()
        return (own - lower) / (upper - lower)

    return Pilot(str(file), found, end, {name: [scores(name, task) for task in found] for name in names})


def _read(file: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
    except OSError:
        raise
    except Exception as error:
        raise ReportError(f"{file}: not a readable table ({first_line(error)})") from error
