"""The summary as tables: for a terminal through rich, or as plain aligned lines.

Names come from files and may hold square brackets (`dime:critic_hidden=[64,64]`), so every cell is a
`Text`: rich reads no markup in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from dimebench import numbers
from dimebench.analysis.published import Citation, Cited
from dimebench.analysis.rows import CellRow, VariantRow
from dimebench.analysis.summary import Summary
from dimebench.tables.terminal import Fitted
from dimebench.wording.verdict import caution, headline, overview, where, winner

AGGREGATE_WORDS = {"iqm": "IQM", "median": "median", "mean": "mean", "optimality_gap": "optimality gap"}


@dataclass(frozen=True)
class Grid:
    """A table before it is drawn: all text; the first column is left-aligned, the others right-aligned."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def grids(summary: Summary) -> list[Grid]:
    """The tables of a comparison, most wanted first."""
    found = [_aggregates(summary)]
    if len(summary.comparisons) > 1:
        found.append(_comparisons(summary))
    found += [_tasks(summary), *(_published(summary, citation) for citation in summary.published), _runs(summary)]
    if summary.left_out:
        found.append(_left_out(summary))
    return found


def _aggregates(summary: Summary) -> Grid:
    rows = [
        (
            row.variant + (" (floor)" if row.is_floor else ""),
            *(numbers.estimate(row.estimates[name]) for name in AGGREGATE_WORDS),
        )
        for row in summary.aggregates
    ]
    header = ("variant", *AGGREGATE_WORDS.values())
    return Grid("Over all tasks, normalised scores", header, tuple(rows), method(summary))


def _runs(summary: Summary) -> Grid:
    rows = [
        (
            row.variant,
            numbers.span(row.fewest_seeds, row.most_seeds),
            str(row.runs),
            str(sum(lost.variant == row.variant for lost in summary.left_out)),
            str(row.diverged),
            time_of(row),
        )
        for row in summary.aggregates
    ]
    header = ("variant", "seeds per task", "runs counted", "left out", "diverged", "median time of a run")
    return Grid("Runs", header, tuple(rows))


def time_of(row: VariantRow) -> str:
    """The median time of a run; "" for runs of others, who do not tell it."""
    return numbers.duration(row.median_wall_time_s) if row.median_wall_time_s else ""


def _published(summary: Summary, citation: Citation) -> Grid:
    """A reference task by task, beside one's own means."""
    rows = [
        (
            task,
            *(numbers.estimate(summary.cell(variant, task).mean, raw_units=True) for variant in summary.variants),
            "" if point.mean is None else numbers.raw(point.mean),
            cited_iqm(point),
            f"{point.env_steps:,}",
            "" if point.seeds is None else str(point.seeds),
        )
        for task, point in citation.matched.items()
    ]
    header = (
        "task",
        *(f"{v}: mean" for v in summary.variants),
        "published mean",
        "published IQM",
        "env steps",
        "seeds",
    )
    note = (
        f"Published by {citation.source} (licence: {citation.licence}, action repeat {citation.action_repeat}); "
        f"not run here, in no verdict"
    )
    return Grid(f"{citation.variant}, as published", header, tuple(rows), note)


def cited_iqm(point: Cited) -> str:
    if point.iqm is None:
        return ""
    if point.iqm_low is None or point.iqm_high is None:
        return numbers.raw(point.iqm)
    return f"{numbers.raw(point.iqm)} [{numbers.raw(point.iqm_low)}, {numbers.raw(point.iqm_high)}]"


def _comparisons(summary: Summary) -> Grid:
    rows = [
        (
            f"{c.a} - {c.b}",
            numbers.difference(c.difference),
            numbers.percent(c.judged.confidence) if c.judged else "",
            numbers.estimate(c.improvement, digits=2),
            headline(c) if winner(c) else "undecided",
        )
        for c in summary.comparisons
    ]
    header = ("A - B", "IQM difference", "judged at", "P(A > B)", "verdict")
    note = (
        "Holm's correction: the stronger the evidence a comparison shows, the higher the confidence it must hold at."
    )
    return Grid("Comparisons", header, tuple(rows), note)


def _tasks(summary: Summary) -> Grid:
    rows = [(task, *(_cell(summary.cell(v, task)) for v in summary.shown)) for task in summary.tasks]
    return Grid(f"{per_task(summary)} (seeds)", ("task", *summary.shown), tuple(rows))


def per_task(summary: Summary) -> str:
    """What the cells of the per-task table are."""
    if summary.threshold is None:
        return "Mean return per task"
    return (
        f"Mean {numbers.AXES[summary.axis]} to a normalised score of {summary.threshold} per task, "
        f"{summary.budget:,} where it is not reached"
    )


def _cell(cell: CellRow) -> str:
    lost = f", {len(cell.diverged)} diverged" if cell.diverged else ""
    return f"{numbers.estimate(cell.mean, raw_units=True)} ({len(cell.seeds)}{lost})"


def _left_out(summary: Summary) -> Grid:
    rows = [(f"{row.variant} {row.task} seed {row.seed}", row.status, row.reason) for row in summary.left_out]
    return Grid("Left out of the statistics", ("run", "status", "reason"), tuple(rows))


def method(summary: Summary) -> str:
    """How the intervals were made."""
    return f"[{numbers.percent(summary.confidence)} intervals: {summary.method}]"


def remarks(summary: Summary) -> list[str]:
    """Tasks that were left out, and notes on the runs."""
    return [*(f"left out: {lost.task} ({lost.reason})" for lost in summary.left_out_tasks), *summary.notes]


def claims(summary: Summary) -> list[str]:
    """What is claimed: the sentence of one comparison; the claims in short where a table follows."""
    cited = summary.sentences[len(summary.comparisons) :] if summary.comparisons else ()
    if len(summary.comparisons) < 2:
        return list(summary.sentences)
    return [*overview(summary.comparisons), where(summary), *filter(None, [caution(summary.comparisons)]), *cited]


def render(summary: Summary) -> RenderableType:
    """Everything for a terminal, whatever its width: verdict, tables, remarks."""
    only = summary.comparisons[0] if len(summary.comparisons) == 1 else None
    decided = any(winner(comparison) for comparison in summary.comparisons)
    title = Text(headline(only) if only else "Verdict", style="bold green" if decided else "bold yellow")
    verdict = Panel(Text("\n".join(claims(summary))), title=title, title_align="left", box=box.ROUNDED)
    tables = [Fitted(grid) for grid in grids(summary)]
    return Group(verdict, *tables, *(Text(remark, style="dim") for remark in remarks(summary)))


def plain_lines(summary: Summary) -> list[str]:
    """The same as lines of text without colour or boxes, for a pipe or a log."""
    lines = claims(summary)
    for grid in grids(summary):
        lines += ["", grid.title, *_aligned([grid.header, *grid.rows])]
        lines += [grid.note] if grid.note else []
    found = remarks(summary)
    return [*lines, "", *found] if found else lines


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
