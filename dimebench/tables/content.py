"""The tables of a summary, each built once; `model` says what they are made of, `published` has those of others.

In bold stands the best of a column (or, per task, of a row), and with it each one whose interval holds the best's
point: the data do not distinguish them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dimebench import numbers
from dimebench.analysis.notes import LeftOut
from dimebench.analysis.summary import CellRow, RankRow, RunRow, Summary, VariantRow
from dimebench.stats import Estimate
from dimebench.tables.cells import ends, interval, number, text
from dimebench.tables.model import PAPER, Caption, Cell, Column, Table
from dimebench.tables.published import cited, published
from dimebench.tables.verdicts import comparisons, task_verdicts
from dimebench.wording import terms
from dimebench.wording.notes import reason

ENDS = ("point", "low", "high")
_Maker = Callable[[Summary], Table[Any]]


def tables(summary: Summary) -> list[Table[Any]]:
    """Every table that has rows, most wanted first."""
    ranking = [_ranking] if summary.ranking else []
    makers: tuple[_Maker, ...] = (
        _aggregates,
        *ranking,
        comparisons,
        _tasks,
        task_verdicts,
        _seeds,
        _curves,
        _cost,
    )
    found = [make(summary) for make in makers]
    found += [cited(summary, citation) for citation in summary.published]
    found += [_counts(summary), _left_out(summary), _runs(summary)]
    return [*found, published(summary)] if summary.published else found


def _aggregates(summary: Summary) -> Table[VariantRow]:
    def statistic(name: str) -> Column[VariantRow]:
        best = bold([row.estimates[name] for row in summary.aggregates], least=name == "optimality_gap")

        def cell(row: VariantRow) -> Cell:
            value = row.estimates[name]
            data = (*ends(value), row.fewest_seeds, row.most_seeds, row.runs, row.diverged)
            return Cell(terms.estimate(value), data, value in best and not row.is_floor)

        return Column(terms.STATISTICS[name], cell, (name,))

    over = f"{summary.suite}: {terms.scores(summary)} at {terms.at_budget(summary)} over {terms.tasks(summary)}"
    return Table[VariantRow](
        "aggregates",
        summary.aggregates,
        [
            Column("variant", lambda row: Cell(row.variant + " (floor)" * row.is_floor, (row.variant,))),
            *map(statistic, terms.STATISTICS),
            Column("seeds", _span, only=PAPER),
        ],
        Caption(f"Over all tasks, {terms.scores(summary)}", _method(summary)),
        Caption(over, _method(summary)),
        ("variant", "statistic", *ENDS, "fewest_seeds", "most_seeds", "runs", "diverged"),
    )


def _ranking(summary: Summary) -> Table[RankRow]:
    def rank(row: RankRow) -> Cell:
        return Cell(numbers.span(row.best_rank, row.worst_rank), (row.best_rank, row.worst_rank))

    note, ci = terms.ranking(summary), f"[{numbers.percent(summary.confidence)} CI]"
    letters = "" if summary.best_against_each else "letters"
    return Table[RankRow](
        "ranking",
        summary.ranking,
        [
            Column("variant", lambda row: text(row.variant), ("variant",)),
            Column("rank", rank, ("best_rank", "worst_rank")),
            Column(f"IQM {ci}", lambda row: interval(row.iqm), _ends("iqm")),
            Column(letters, lambda row: Cell(row.letters or "", (row.letters,)), ("letters",), prose=True),
        ],
        Caption("Ranking", note),
        Caption(
            f"{summary.suite}: ranking by IQM at {terms.at_budget(summary)} over {terms.tasks(summary)}",
            f"{note} {_method(summary)}",
        ),
    )


def _tasks(summary: Summary) -> Table[str]:
    def of_variant(variant: str) -> Column[str]:
        def cell(task: str) -> Cell:
            c = summary.cell(variant, task)
            lost = f", {len(c.diverged)} diverged" if c.diverged else ""
            data = (len(c.seeds), len(c.diverged), *ends(c.mean), *ends(c.iqm), c.lower, c.upper)
            return Cell(terms.estimate(c.mean, numbers.raw), data, c.mean in best[task], f" ({len(c.seeds)}{lost})")

        return Column(variant, cell, (variant,))

    soonest = summary.threshold is not None
    best = {t: bold([summary.cell(v, t).mean for v in summary.shown], least=soonest) for t in summary.tasks}
    title, at = terms.per_task(summary), "" if soonest else f" at {terms.at_budget(summary)}"
    return Table[str](
        "tasks",
        summary.tasks,
        [Column("task", text), *map(of_variant, summary.shown)],
        Caption(f"{title} (seeds)"),
        Caption(f"{summary.suite}: {title[0].lower()}{title[1:]}{at}", _method(summary)),
        ("task", "variant", "seeds", "diverged", *_ends("mean"), *_ends("iqm"), "lower_bound", "upper_bound"),
    )


def _seeds(summary: Summary) -> Table[tuple[CellRow, int, float]]:
    def score(row: tuple[CellRow, int, float]) -> Cell:
        cell, seed, value = row
        left = 1 - value / summary.budget  # the share of the budget
        normalised = left if summary.threshold else cell.normalised(value)
        return Cell(numbers.raw(value), (value, normalised, seed in cell.diverged))

    scored, field = "return", "return"
    if summary.threshold:
        scored, field = (f"{axis} to {summary.threshold}" for axis in (numbers.AXES[summary.axis], summary.axis))
    return Table[tuple[CellRow, int, float]](
        "seeds",
        [(c, seed, value) for c in summary.cells for seed, value in zip(c.seeds, c.scores, strict=True)],
        [
            Column("task", lambda row: text(row[0].task), ("task",)),
            Column("variant", lambda row: text(row[0].variant), ("variant",)),
            Column("seed", lambda row: text(row[1]), ("seed",)),
            Column(scored, score, (field.replace(" ", "_"), "normalised", "diverged")),
        ],
        paper=Caption(f"{summary.suite}: {scored} of every run that counts, at {terms.at_budget(summary)}"),
    )


def _curves(summary: Summary) -> Table[tuple[CellRow, int]]:
    def point(row: tuple[CellRow, int]) -> Cell:
        (cell, k), curve = row, row[0].curve
        ends_ = curve.low and curve.low[k], curve.high and curve.high[k]
        return Cell(data=(cell.task, cell.variant, int(curve.x[k]), curve.point[k], *ends_))

    points = [(cell, k) for cell in summary.cells for k in range(len(cell.curve.x))]
    return Table("curves", points, [Column("", point, ("task", "variant", summary.axis, "iqm", "low", "high"))])


def _cost(summary: Summary) -> Table[VariantRow]:
    def energy(row: VariantRow) -> Cell:
        return number(row.energy_kwh, "{:.3g}".format, "; ".join(row.devices))

    return Table[VariantRow](
        "cost",
        summary.aggregates,
        [
            Column("variant", lambda row: text(row.variant), ("variant",)),
            Column(
                "time of a run", lambda row: number(row.median_wall_time_s or None, numbers.duration), ("seconds",)
            ),
            Column("env steps/s", lambda row: number(row.env_steps_per_s, numbers.rate), ("env_steps_per_s",)),
            Column("gradient steps", lambda row: number(row.grad_steps, "{:,.0f}".format), ("grad_steps",)),
            Column("kWh", energy, ("energy_kwh", "devices")),
        ],
        paper=Caption(f"{summary.suite}: cost of a run, medians"),
    )


def _counts(summary: Summary) -> Table[VariantRow]:
    return Table[VariantRow](
        "counts",
        summary.aggregates,
        [
            Column("variant", lambda row: text(row.variant)),
            Column("seeds per task", _span),
            Column("runs counted", lambda row: text(row.runs)),
            Column("left out", lambda row: text(sum(lost.variant == row.variant for lost in summary.left_out))),
            Column("diverged", lambda row: text(row.diverged)),
            Column("median time of a run", lambda row: text(time_of(row))),
        ],
        Caption("Runs"),
    )


def _span(row: VariantRow) -> Cell:
    return text(numbers.span(row.fewest_seeds, row.most_seeds))


def time_of(row: VariantRow) -> str:
    """The median time of a run; "" for imported runs, which do not record it."""
    return numbers.duration(row.median_wall_time_s) if row.median_wall_time_s else ""


def _runs(summary: Summary) -> Table[RunRow]:
    def facts(r: RunRow) -> Cell:
        return Cell(data=(r.variant, r.task, r.seed, r.status, r.counted, r.reason, r.identity.get("sha256")))

    fields = ("variant", "task", "seed", "status", "counted", "reason", "identity")
    return Table("runs", summary.runs, [Column("", facts, fields)])


def _left_out(summary: Summary) -> Table[LeftOut]:
    return Table[LeftOut](
        "left_out",
        summary.left_out,
        [
            Column("run", lambda row: text(f"{row.variant} {row.task} seed {row.seed}")),
            Column("status", lambda row: text(row.status), prose=True),
            Column("reason", lambda row: text(reason(row)), prose=True),
        ],
        Caption("Left out of the statistics") if summary.left_out else None,
    )


def bold(estimates: Sequence[Estimate], least: bool = False) -> list[Estimate]:
    """The best of them (highest, or least), and those that hold its point in their interval."""
    best = (min if least else max)(estimate.point for estimate in estimates)
    return [e for e in estimates if e.point == best or (e.interval and e.interval.low <= best <= e.interval.high)]


def _ends(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for end in ENDS)


def _method(summary: Summary) -> str:
    if terms.without_intervals(summary):
        return "[one seed per task: no intervals]"
    return f"[{numbers.percent(summary.confidence)} intervals: {terms.method(summary)}]"
