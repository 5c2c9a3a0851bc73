"""The tables of a summary, each built once. `model` says what they are made of, the writers beside it how they look.

In bold stands the best of a column (or, per task, of a row), and with it each one whose interval holds the best's
point: the data do not distinguish them.
"""

from __future__ import annotations

from collections.abc import Sequence

from dimebench import numbers
from dimebench.analysis.cost import costs
from dimebench.analysis.summary import CellRow, Citation, Cited, Summary, VariantRow
from dimebench.stats import Estimate
from dimebench.tables.model import PAPER, TERMINAL, Caption, Cell, Column, Table, ends, interval, number, text
from dimebench.wording import terms
from dimebench.wording.notes import reason
from dimebench.wording.verdict import winner

ENDS = ("point", "low", "high")
HOLM = "Holm's correction: the stronger the evidence a comparison shows, the higher the confidence it must hold at."


def tables(summary: Summary) -> list[Table]:
    """Every table, most wanted first."""
    found = [_aggregates(summary), _tasks(summary), _seeds(summary), _curves(summary), _cost(summary)]
    found[1:1] = [_comparisons(summary)]
    found += [_cited(summary, citation) for citation in summary.published]
    found += [_published(summary), _counts(summary), _runs(summary), _left_out(summary)]
    return found


def _aggregates(summary: Summary) -> Table:
    estimates = {name: [row.estimates[name] for row in summary.aggregates] for name in terms.STATISTICS}
    best = {name: bold(column, least=name == "optimality_gap") for name, column in estimates.items()}
    rows = []
    for index, row in enumerate(summary.aggregates):
        counts = (row.fewest_seeds, row.most_seeds, row.runs, row.diverged)
        cells = [
            Cell(numbers.estimate(one), (*ends(one), *counts), best[name][index] and not row.is_floor)
            for name, one in row.estimates.items()
        ]
        name = Cell(row.variant + (" (floor)" if row.is_floor else ""), (row.variant,))
        rows.append((name, *cells, Cell(numbers.span(row.fewest_seeds, row.most_seeds))))
    over = f"{summary.suite}: normalised scores at {terms.at_budget(summary)} over {terms.tasks(summary)}"
    return Table(
        "aggregates",
        (
            Column("variant"),
            *(Column(word, (name,)) for name, word in terms.STATISTICS.items()),
            Column("seeds", only=PAPER),
        ),
        tuple(rows),
        Caption("Over all tasks, normalised scores", _method(summary)),
        Caption(over, _method(summary)),
        ("variant", "statistic", *ENDS, "fewest_seeds", "most_seeds", "runs", "diverged"),
    )


def _comparisons(summary: Summary) -> Table:
    rows = []
    for c in summary.comparisons:
        pair, level = winner(c), c.judged and c.judged.confidence
        rows.append(
            (
                Cell(f"{c.a} - {c.b}", (c.a, c.b)),
                interval(c.difference, numbers.signed),
                Cell(numbers.percent(level) if level else ""),
                interval(c.improvement, numbers.probability),
                Cell(f"{pair[0]} better" if pair else c.verdict, (c.verdict, level)),
            )
        )
    columns = (
        Column("A - B", ("a", "b")),
        Column("IQM difference", _fields("iqm_difference")),
        Column("judged at", only=TERMINAL),
        Column("P(A > B)", _fields("improvement")),
        Column("verdict", ("verdict", "judged_at"), prose=True),
    )
    several = Caption("Comparisons", HOLM) if len(rows) > 1 else None
    paper = Caption(f"{summary.suite}: comparisons") if rows else None
    return Table("comparisons", columns, tuple(rows), several, paper)


def _tasks(summary: Summary) -> Table:
    rows = []
    for task in summary.tasks:
        row = [summary.cell(variant, task) for variant in summary.shown]
        best = bold([cell.mean for cell in row], least=summary.threshold is not None)  # soonest, or highest
        rows.append((text(task), *(_cell(cell, first) for cell, first in zip(row, best, strict=True))))
    title = terms.per_task(summary)
    at = "" if summary.threshold else f" at {terms.at_budget(summary)}"
    return Table(
        "tasks",
        (Column("task"), *(Column(variant, (variant,)) for variant in summary.shown)),
        tuple(rows),
        Caption(f"{title} (seeds)"),
        Caption(f"{summary.suite}: {title[0].lower()}{title[1:]}{at}", _method(summary)),
        ("task", "variant", "seeds", "diverged", *_fields("mean"), *_fields("iqm"), "lower_bound", "upper_bound"),
    )


def _cell(cell: CellRow, best: bool) -> Cell:
    lost = f", {len(cell.diverged)} diverged" if cell.diverged else ""
    data = (len(cell.seeds), len(cell.diverged), *ends(cell.mean), *ends(cell.iqm), cell.lower, cell.upper)
    return Cell(numbers.estimate(cell.mean, numbers.raw), data, best, f" ({len(cell.seeds)}{lost})")


def _seeds(summary: Summary) -> Table:
    def normalised(cell: CellRow, score: float) -> float:
        if summary.threshold:  # the share of the budget that was left
            return 1 - score / summary.budget
        return (score - cell.lower) / (cell.upper - cell.lower)

    rows = tuple(
        (
            text(cell.task),
            text(cell.variant),
            Cell(str(seed), (seed,)),
            Cell(numbers.raw(score), (score, normalised(cell, score), seed in cell.diverged)),
        )
        for cell in summary.cells
        for seed, score in zip(cell.seeds, cell.scores, strict=True)
    )
    scored, field = "return", "return"
    if summary.threshold:
        scored, field = (
            f"{numbers.AXES[summary.axis]} to {summary.threshold}",
            f"{summary.axis}_to_{summary.threshold}",
        )
    columns = (
        *(Column(name, (name,)) for name in ("task", "variant", "seed")),
        Column(scored, (field, "normalised", "diverged")),
    )
    title = f"{summary.suite}: {scored} of every run that counts, at {terms.at_budget(summary)}"
    return Table("seeds", columns, rows, paper=Caption(title))


def _curves(summary: Summary) -> Table:
    rows = tuple(
        (Cell(data=(c.task, c.variant, int(x), y, c.curve.low and c.curve.low[k], c.curve.high and c.curve.high[k])),)
        for c in summary.cells
        for k, (x, y) in enumerate(zip(c.curve.x, c.curve.point, strict=True))
    )
    return Table("curves", (Column(fields=("task", "variant", summary.axis, "iqm", "low", "high")),), rows)


def _cost(summary: Summary) -> Table:
    rows = tuple(
        (
            text(row.variant),
            number(row.seconds, numbers.duration),
            number(row.env_steps_per_s, numbers.rate),
            number(row.grad_steps, "{:,.0f}".format),
            number(row.energy_kwh, "{:.3g}".format),
            Cell(data=("; ".join(row.devices),)),
        )
        for row in costs(summary)
    )
    columns = (
        Column("variant", ("variant",)),
        Column("time of a run", ("seconds",)),
        Column("env steps/s", ("env_steps_per_s",)),
        Column("gradient steps", ("grad_steps",)),
        Column("kWh", ("energy_kwh",)),
        Column(fields=("devices",)),
    )
    return Table("cost", columns, rows, paper=Caption(f"{summary.suite}: cost of a run, medians"))


def _cited(summary: Summary, citation: Citation) -> Table:
    """A reference task by task, with the variants' own means."""
    rows = tuple(
        (
            text(task),
            *(interval(summary.cell(variant, task).mean, numbers.raw) for variant in summary.variants),
            *_figures(point),
        )
        for task, point in citation.matched.items()
    )
    own = (f"{variant}: mean" for variant in summary.variants)
    headings = ("task", *own, "published mean", "published IQM", "env steps", "seeds")
    note = (
        f"Published by {citation.source} (licence: {citation.licence}, action repeat {citation.action_repeat}); "
        "not run here, in no verdict"
    )
    caption = Caption(f"{citation.variant}, as published", note)
    return Table(citation.variant, tuple(map(Column, headings)), rows, caption)


def _published(summary: Summary) -> Table:
    """All references."""
    rows = tuple(
        (
            text(citation.variant),
            Cell(task, (task, point.env_steps, point.kind, point.seeds)),
            *_figures(point),
            Cell(f"{citation.source}, {citation.licence}", (citation.source, citation.licence)),
        )
        for citation in summary.published
        for task, point in citation.matched.items()
    )
    columns = (
        Column("reference", ("reference",)),
        Column("task", ("task", "env_steps", "kind", "seeds")),
        Column("mean", ("mean",)),
        Column("IQM", ("iqm", "iqm_low", "iqm_high")),
        Column("env steps"),
        Column("seeds"),
        Column("source and licence", ("source", "licence")),
    )
    title = Caption(f"{summary.suite}: as published by others, not run here") if rows else None
    return Table("published", columns if rows else (), rows, paper=title)


def _figures(point: Cited) -> tuple[Cell, ...]:
    """Mean, IQM, env steps and seeds."""
    return (
        Cell("" if point.mean is None else numbers.raw(point.mean), (point.mean,)),
        Cell(cited_iqm(point), (point.iqm, point.iqm_low, point.iqm_high)),
        Cell(f"{point.env_steps:,}"),
        Cell("" if point.seeds is None else str(point.seeds)),
    )


def cited_iqm(point: Cited) -> str:
    if point.iqm is None:
        return ""
    if point.iqm_low is None or point.iqm_high is None:
        return numbers.raw(point.iqm)
    return f"{numbers.raw(point.iqm)} [{numbers.raw(point.iqm_low)}, {numbers.raw(point.iqm_high)}]"


def _counts(summary: Summary) -> Table:
    """How many runs count."""
    rows = tuple(
        (
            text(row.variant),
            text(numbers.span(row.fewest_seeds, row.most_seeds)),
            text(str(row.runs)),
            text(str(sum(lost.variant == row.variant for lost in summary.left_out))),
            text(str(row.diverged)),
            text(time_of(row)),
        )
        for row in summary.aggregates
    )
    headings = ("variant", "seeds per task", "runs counted", "left out", "diverged", "median time of a run")
    return Table("counts", tuple(map(Column, headings)), rows, Caption("Runs"))


def time_of(row: VariantRow) -> str:
    """The median time of a run; "" for imported runs, which do not record it."""
    return numbers.duration(row.median_wall_time_s) if row.median_wall_time_s else ""


def _runs(summary: Summary) -> Table:
    rows = tuple(
        (Cell(data=(r.variant, r.task, r.seed, r.status, r.counted, r.reason, r.identity.get("sha256"))),)
        for r in summary.runs
    )
    return Table(
        "runs", (Column(fields=("variant", "task", "seed", "status", "counted", "reason", "identity")),), rows
    )


def _left_out(summary: Summary) -> Table:
    rows = tuple(
        (text(f"{row.variant} {row.task} seed {row.seed}"), text(row.status), text(reason(row)))
        for row in summary.left_out
    )
    columns = (Column("run"), Column("status", prose=True), Column("reason", prose=True))
    return Table("left_out", columns, rows, Caption("Left out of the statistics") if rows else None)


def bold(estimates: Sequence[Estimate], least: bool = False) -> list[bool]:
    """Which of them are the best (highest, or least) or hold the best's point in their interval."""
    best = (min if least else max)(estimate.point for estimate in estimates)
    return [
        e.point == best or (e.interval is not None and e.interval.low <= best <= e.interval.high) for e in estimates
    ]


def _fields(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for end in ENDS)


def _method(summary: Summary) -> str:
    """How the intervals were made."""
    return f"[{numbers.percent(summary.confidence)} intervals: {terms.method(summary)}]"
