"""Everything that `compare` prints and `report` draws, computed once from the runs on disk."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from dimebench.analysis.errors import NoRunsError, NotComparableError
from dimebench.analysis.published import Citation, cite, split
from dimebench.analysis.question import Metric, Question
from dimebench.analysis.rows import CellRow, RunRow, VariantRow, cell_rows, run_rows, variant_row
from dimebench.analysis.select import FLOOR, LeftOut, LeftOutTask, Selection, choose_suite, select
from dimebench.analysis.x_axis import on_axis
from dimebench.stats import (
    Comparison,
    NumpyEngine,
    compare_all,
    in_threads,
    probability_of_improvement,
)
from dimebench.stats.bootstrap import RESAMPLES
from dimebench.store import Run, read_curves, read_runs
from dimebench.store.places import Place
from dimebench.store.reader import without_collecting
from dimebench.wording.verdict import sentences

USUAL_PLACE = "results"  # where the command line looks unless told
MOST_PAIRED = 10  # variants, none of them named, of which every pair is judged


@dataclass(frozen=True)
class Summary:
    """The report's content; drawing it needs no file. Intervals are at `confidence`."""

    suite: str
    variants: tuple[str, ...]  # compared
    floor: str | None
    tasks: tuple[str, ...]
    score: str  # "final", "auc" or "threshold:0.8"
    budget: int  # matched, in env steps or the unit of `axis`
    confidence: float
    resamples: int
    seed: int  # of the bootstrap
    sentences: tuple[str, ...]  # one per comparison
    comparisons: tuple[Comparison, ...]
    aggregates: tuple[VariantRow, ...]  # compared variants, then the floor
    cells: tuple[CellRow, ...]  # by task, then variant
    left_out: tuple[LeftOut, ...]
    left_out_tasks: tuple[LeftOutTask, ...]
    notes: tuple[str, ...]
    runs: tuple[RunRow, ...]
    published: tuple[Citation, ...] = ()  # aggregates of others, in no verdict
    axis: str = "env_step"  # or "grad_step", "wall_time" (seconds): what budget and curves count
    method: str = ""  # how the intervals were made, in words
    score_asked: bool = False  # the suite did not declare it
    options: tuple[str, ...] = ()  # of the command line that made these intervals and let these runs be compared
    improvements: tuple[tuple[float, ...], ...] = ()  # P(row > column) over the variants; point estimates

    def cell(self, variant: str, task: str) -> CellRow:
        return next(cell for cell in self.cells if (cell.variant, cell.task) == (variant, task))

    @property
    def shown(self) -> tuple[str, ...]:
        """The variants in the report, the floor last."""
        return tuple(row.variant for row in self.aggregates)

    @property
    def threshold(self) -> str | None:
        """The normalised score whose reaching is timed; None where returns are scored."""
        kind, _, threshold = self.score.partition(":")
        return threshold if kind == "threshold" else None

    @property
    def best_against_each(self) -> bool:
        """Whether not every pair was judged: only the best variant against each other one."""
        count = len(self.variants)
        return len(self.comparisons) < count * (count - 1) // 2

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and strings."""
        plain: dict[str, Any] = _plain(asdict(self))
        return plain


def summary(
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

    names: the variants to compare, in order; none: all there are, best first, and of more than MOST_PAIRED the best
    with each other one. budget in env steps, or in the unit of
    the question's axis. A question brings its own engine: `resamples` then has no say.
    allow: differences that are noted, not refused: see `select.ALLOWABLE`.
    Raises the errors of `report.errors`, and StoreError for files that cannot be read.
    """
    if not results.is_dir():
        raise NoRunsError(f"no results folder at '{results}'")
    runs = choose_suite(results, read_runs(results), suite)
    own, cited = split(names, {run.variant for run in runs})
    if cited and not own:
        raise NotComparableError("not comparable: published aggregates alone; name runs to set beside them")
    needed = [run for run in runs if not own or run.variant in {*own, FLOOR}]
    with without_collecting():
        found = summarise(runs, read_curves(needed), own, budget, resamples, seed, question, allow)
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
    question = question or Question(engine=NumpyEngine(resamples, seed))
    engine = question.engine
    by_env_step = question.axis == "env_step"
    chosen = on_axis(select(runs, evals, names, budget if by_env_step else None, allow), question.axis, budget)
    variants = chosen.variants
    metric = question.metric_of(chosen.cells[variants[0], chosen.tasks[0]][0])
    shown = [*variants, *([chosen.floor] if chosen.floor else [])]
    scores = {variant: _scores(chosen, variant, metric) for variant in shown}
    thresholds = _thresholds(scores)
    sides = {variant: engine.side(scores[variant], variant) for variant in shown}
    rows = dict(
        zip(
            shown,
            in_threads(lambda v: variant_row(chosen, v, scores[v], thresholds, engine, sides[v]), shown),
            strict=True,
        )
    )
    if not names:
        variants = tuple(sorted(variants, key=lambda v: (-rows[v].estimates["iqm"].point, v)))
        shown = [*variants, *shown[len(variants) :]]
    pairs = list(itertools.combinations(variants, 2))
    made = pairs if names or len(variants) <= MOST_PAIRED else [(variants[0], other) for other in variants[1:]]
    comparisons = compare_all(
        scores,
        made,
        tasks=chosen.tasks,
        seed=seed,
        delta=question.delta,
        engine=engine,
        sides=sides,
        chosen_from=len(pairs),
    )
    found = Summary(
        suite=chosen.suite,
        variants=variants,
        floor=chosen.floor,
        tasks=chosen.tasks,
        score=str(metric),
        budget=chosen.budget,
        confidence=engine.confidence,
        resamples=engine.resamples,
        seed=seed,
        sentences=(),
        comparisons=comparisons,
        aggregates=tuple(rows[variant] for variant in shown),
        cells=cell_rows(chosen, [(v, t) for t in chosen.tasks for v in shown], metric, engine),
        left_out=chosen.left_out,
        left_out_tasks=chosen.left_out_tasks,
        notes=(*chosen.notes, *_unreached(chosen, metric)),
        runs=run_rows(runs, chosen),
        axis=question.axis,
        method=engine.words,
        score_asked=question.metric is not None,
        options=(*engine.options, *([f"--allow {','.join(sorted(allow))}"] if allow else [])),
        improvements=tuple(
            tuple(probability_of_improvement(scores[row], scores[column]) for column in variants) for row in variants
        ),
    )
    return replace(found, sentences=sentences(found))


def _unreached(chosen: Selection, metric: Metric) -> list[str]:
    compared = [c for (variant, _), cell in chosen.cells.items() if variant != chosen.floor for c in cell]
    if not metric.never_reached(compared, chosen.env_steps):
        return []
    return [f"no run reached a normalised score of {metric.threshold:g}: time to it says nothing here"]


def _scores(chosen: Selection, variant: str, metric: Metric) -> list[np.ndarray]:
    """Normalised scores, over tasks, each [runs]."""
    return [
        np.array([metric.normalised(curve, chosen.env_steps) for curve in chosen.cells[variant, task]])
        for task in chosen.tasks
    ]


def _thresholds(scores: dict[str, list[np.ndarray]]) -> np.ndarray:
    """Normalised scores for the performance profile: 0 to 1, and as far as the runs go beyond."""
    everything = np.concatenate([task for tasks in scores.values() for task in tasks])
    return np.linspace(min(0.0, everything.min()), max(1.0, everything.max()), 201)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
