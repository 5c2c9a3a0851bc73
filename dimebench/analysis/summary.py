"""What a report says, as data: everything that `compare` prints and `report` draws. Drawing it reads no file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dimebench.analysis.notes import BudgetLimited, LeftOut, LeftOutTask, Note, Unreadable
from dimebench.stats import Band, Comparison, Estimate, claimed, ranked

FEWEST_RANKED = 3  # variants; of two, the verdict says it all


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
    curve: Band  # IQM of normalised returns against env steps, those that all variants share up to the budget
    full_curve: Band  # the same at every env step that its own runs share, beyond the budget too
    profile: Band  # fraction of runs above each normalised score
    median_wall_time_s: float  # of a run's training and evaluation, up to the budget; 0 where none recorded it
    env_steps_per_s: float | None  # of a run, up to the budget; this and the next ones None where none recorded it
    grad_steps: float | None  # median critic updates of a whole run
    energy_kwh: float | None  # median of a whole run; seeds that train together share it
    devices: tuple[str, ...]


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
    curve: Band  # IQM over seeds against env steps, those that all variants share up to the budget
    full_curve: Band  # the same at every env step that its own runs share, beyond the budget too
    run_curves: tuple[tuple[float, ...], ...]  # by seed, at the curve's env steps
    full_run_curves: tuple[tuple[float, ...], ...]  # by seed, at the full curve's env steps

    def normalised(self, value: float) -> float:
        """0 at the suite's lower bound, 1 at its upper one."""
        return (value - self.lower) / (self.upper - self.lower)


@dataclass(frozen=True)
class RankRow:
    """A compared variant's place by IQM, and what the verdicts say of it."""

    variant: str
    iqm: Estimate
    best_rank: int  # 1 is the best; the intervals of all variants hold together, at the summary's confidence
    worst_rank: int
    letters: str | None  # it shares one with each variant it is not told apart from; None: not all pairs judged


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

    @property
    def imported_from(self) -> str | None:
        """The source of a run that was imported; None for one that was trained."""
        return self.provenance.get("imported_from")


@dataclass(frozen=True)
class Cited:
    """A published figure on one task, in units of return; `env_steps` are those of the suite."""

    task: str  # that it was published on
    remark: str  # "v4; not the same task" where that is another version of the summary's task; else ""
    env_steps: int
    kind: str
    seeds: int | None
    mean: float | None
    iqm: float | None
    iqm_low: float | None
    iqm_high: float | None

    def figure(self, statistic: str) -> float:
        """The "mean" or the "IQM"; the other one where that is not known."""
        mean, iqm = (self.mean, self.iqm) if statistic == "mean" else (self.iqm, self.mean)
        figure = mean if mean is not None else iqm
        assert figure is not None
        return figure

    @property
    def value(self) -> float:
        """The mean where it is known, else the IQM."""
        return self.figure("mean")


@dataclass(frozen=True)
class Citation:
    """A published reference on the tasks of a summary."""

    variant: str  # "paper:DIME"
    algorithm: str
    source: str
    path: str  # in the source's repository
    licence: str
    action_repeat: str
    seeds: str
    note: str
    matched: dict[str, Cited]  # by task, at the summary's budget
    other_versions: dict[str, Cited]  # by the summary's task, where the reference has another version of it alone
    curves: dict[str, tuple[Cited, ...]]  # by task, up to the budget
    score: float | None  # mean over `matched` in normalised scores; None where that is empty
    own: dict[str, Estimate]  # by variant: the runs' figure on the tasks of `matched`; empty where nobody `asked`
    asked: bool  # the user named the reference

    @property
    def statistic(self) -> str:
        """What is cited of all matched tasks: their means where each has one, else their IQMs."""
        return "mean" if all(point.mean is not None for point in self.matched.values()) else "IQM"

    @property
    def points(self) -> list[tuple[str, Cited]]:
        """The figures at the budget, each with the summary's task beside which it stands; other versions last."""
        return [*self.matched.items(), *self.other_versions.items()]


@dataclass(frozen=True)
class Summary:
    """The report's content. Intervals are at `confidence`."""

    suite: str
    variants: tuple[str, ...]  # compared
    floor: str | None
    tasks: tuple[str, ...]
    score: str  # "final", "auc" or "threshold:0.8"
    budget: int  # matched, in env steps or the unit of `axis`
    confidence: float
    resamples: int
    seed: int  # of the bootstrap
    comparisons: tuple[Comparison, ...]
    aggregates: tuple[VariantRow, ...]  # compared variants, then the floor
    cells: tuple[CellRow, ...]  # by task, then variant
    left_out: tuple[LeftOut, ...]
    left_out_tasks: tuple[LeftOutTask, ...]
    notes: tuple[Note, ...]
    runs: tuple[RunRow, ...]
    published: tuple[Citation, ...] = ()  # aggregates of others, in no verdict
    axis: str = "env_step"  # or "grad_step", "wall_time" (seconds): what budget and curves count
    method: str = "expanded"  # of the intervals: one of `stats.METHODS`, or "rliable"
    score_asked: bool = False  # the suite did not declare it
    options: tuple[str, ...] = ()  # of the command line that made these intervals and let these runs be compared
    improvements: tuple[tuple[float, ...], ...] = ()  # P(row > column) over the variants; point estimates
    stored_names: tuple[tuple[str, str], ...] = ()  # name here, name in the results; where `renamed` has changed some

    def stored_name(self, variant: str) -> str:
        """What the variant, or the published reference, is called in the results."""
        return dict(self.stored_names).get(variant, variant)

    def cell(self, variant: str, task: str) -> CellRow:
        return self._cells[variant, task]

    @cached_property
    def _cells(self) -> dict[tuple[str, str], CellRow]:
        return {(cell.variant, cell.task): cell for cell in self.cells}

    @property
    def shown(self) -> tuple[str, ...]:
        """The variants in the report, the floor last."""
        return tuple(row.variant for row in self.aggregates)

    @property
    def drawn_published(self) -> tuple[Citation, ...]:
        """The references with figures on the summary's own tasks: other versions of a task are not drawn."""
        return tuple(citation for citation in self.published if any(citation.curves.values()))

    @property
    def limit(self) -> BudgetLimited | None:
        """The variants that keep the budget from being larger, where some do."""
        return next((note for note in self.notes if isinstance(note, BudgetLimited)), None)

    @property
    def unread(self) -> tuple[str, ...]:
        """What keeps runs from being read, and so from being counted."""
        return tuple(note.problem for note in self.notes if isinstance(note, Unreadable))

    @property
    def fewest_seeds(self) -> int:
        """Of a compared variant on a task."""
        return min(row.fewest_seeds for row in self.aggregates if not row.is_floor)

    @property
    def most_seeds(self) -> int:
        return max(row.most_seeds for row in self.aggregates if not row.is_floor)

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

    @cached_property
    def ranking(self) -> tuple[RankRow, ...]:
        """The compared variants, the highest IQM first; empty for fewer than FEWEST_RANKED.

        A pair that was not judged claims nothing: rank intervals stay valid, letters would call it not told apart.
        """
        if len(self.variants) < FEWEST_RANKED:
            return ()
        iqms = {row.variant: row.estimates["iqm"] for row in self.aggregates if row.variant in self.variants}
        order = sorted(iqms, key=lambda variant: (-iqms[variant].point, variant))
        return tuple(
            RankRow(
                found.name,
                iqms[found.name],
                found.best_rank,
                found.worst_rank,
                None if self.best_against_each else found.letters,
            )
            for found in ranked(order, claimed(self.comparisons))
        )
