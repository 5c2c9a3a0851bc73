"""Pilot scores for `dimebench power`: from one's own runs, or from a long table of published ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dimebench.analysis.build import read_summary
from dimebench.analysis.errors import NotComparableError, ReportError, UnknownVariantError
from dimebench.analysis.notes import BudgetLimited, Note, Unreadable, limited_by
from dimebench.analysis.published import other_version, split
from dimebench.analysis.question import Question
from dimebench.analysis.select import full_names, read_chosen, require_left, select
from dimebench.errors import nearest
from dimebench.numbers import listed
from dimebench.reference import PREFIX
from dimebench.store import StoreError, read_curves
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.columns import ENV_STEPS
from dimebench.store.foreign.read import read_file
from dimebench.store.foreign.runs import as_runs
from dimebench.store.foreign.strands import require_told
from dimebench.store.importers import sourced
from dimebench.store.places import Place


@dataclass(frozen=True)
class Pilot:
    """Normalised scores of each variant, over tasks, each [runs]."""

    source: str
    tasks: tuple[str, ...]
    budget: int  # env steps
    scores: dict[str, list[np.ndarray]]
    published: PublishedFigure | None = None  # to be told from, where one was named
    notes: tuple[Note, ...] = ()
    unit: str = ENV_STEPS  # of the budget
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
    broken: list[StoreError] = []
    runs = read_chosen(results, suite, (), broken)
    names = full_names(names, runs, broken)
    own, cited = split(names, {run.variant for run in runs})
    if cited:
        beside = _beside_published(results, own, [reference.name for reference in cited], suite, budget)
        return replace(beside, named=tuple(names))
    needed = [run for run in runs if not names or run.variant in names]
    lost: dict[Place, StoreError] = {}
    evals = read_curves(needed, lost)
    chosen = select(require_left(needed or runs, lost, names), evals, names, budget)
    metric = Question().metric_of(chosen.compared[0])
    scores = {variant: metric.per_task(chosen.of(variant), chosen.env_steps) for variant in chosen.variants}
    unread = [Unreadable(str(error)) for error in (*broken, *lost.values())]
    limits = [note for note in chosen.notes if isinstance(note, BudgetLimited)]
    return Pilot(
        f"suite {chosen.suite} in {results}",
        chosen.tasks,
        chosen.budget,
        scores,
        notes=(*unread, *limits),
        named=tuple(names),
    )


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
    notes = tuple(note for note in found.notes if isinstance(note, BudgetLimited | Unreadable))
    return Pilot(f"suite {found.suite} in {results}", tasks, found.budget, {variant: scores}, figure, notes)


def pilot_of_file(
    file: Path,
    names: Sequence[str],
    budget: int | None,
    bounds: tuple[float, float],
    tasks: Sequence[str] = (),
    choices: Choices | None = None,
) -> Pilot:
    """From a file that `import` reads: one score per run and evaluation, tasks and algorithms as it names them.

    bounds: the scores that count as 0 and 1. tasks: only these; none: all that the variants share. choices: which
    columns are meant. A run's score is the mean of its last evaluation up to the budget (default: where the shortest
    of the shared tasks' runs ends).
    Raises ReportError for a published name, UnknownVariantError, NotComparableError, and StoreError for a file whose
    runs cannot be told.
    """
    for name in names:
        if name.startswith(PREFIX):
            raise ReportError(
                f"{name}: is set beside runs of a results folder; --from {file} has none: leave one out"
            )
    reading = read_file(file, choices or Choices())
    table = reading.rows.assign(file=0)
    for key in ("algorithm", "task"):
        if (table[key] == "").any():
            raise ReportError(f"{file}: names no {key}")
    table["variant"] = sourced(table)
    table["algorithm"] = table["variant"]
    known = sorted(map(str, table["algorithm"].unique()))
    for name in names:
        if name not in known:
            raise UnknownVariantError(f"{file}: no runs of '{name}'{nearest(name, known)}")
    table = table[table["algorithm"].isin(names)]
    shared = set.intersection(*(set(table.loc[table["algorithm"] == name, "task"]) for name in names))
    for task in tasks:
        if task not in shared:
            raise ReportError(f"{file}: no runs of {' and '.join(names)} on '{task}'{nearest(task, sorted(shared))}")
    if not shared:
        raise NotComparableError(f"not comparable: {' and '.join(names)} share no task in {file}")
    rows = as_runs(table[table["task"].isin(tasks or shared)], [file]).rows
    require_told([reading], rows)
    ends = rows.groupby(["algorithm", "task", "run", "seed"])["step"].max().reset_index()
    reach = int(ends["step"].min())
    end = reach if budget is None else budget
    told = ends[["algorithm", "task", "seed", "step"]].itertuples(index=False, name=None)
    limited = limited_by([(name, (task, max(0, int(seed)), step)) for name, task, seed, step in told], budget)
    keys = ["algorithm", "task", "run"]
    evaluations = rows[rows["step"] <= end].groupby([*keys, "step"])["score"].mean()
    at_end = evaluations.groupby(keys).last().reset_index()
    found = tuple(sorted(tasks or shared))
    lower, upper = bounds

    def scores(name: str, task: str) -> np.ndarray:
        own: np.ndarray = at_end.loc[(at_end["algorithm"] == name) & (at_end["task"] == task), "score"].to_numpy()
        if not len(own):
            short = f", where {' and '.join(limited.variants)} ends" if limited and budget is None else ""
            raise NotComparableError(f"not comparable: no evaluation of {name} on {task} up to {end:,}{short}")
        return (own - lower) / (upper - lower)

    by_name = {name: [scores(name, task) for task in found] for name in names}
    return Pilot(str(file), found, end, by_name, notes=(limited,) if limited else (), unit=reading.unit)
