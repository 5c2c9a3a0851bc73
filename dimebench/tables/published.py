"""The tables of figures that others published, beside those of the runs."""

from __future__ import annotations

from dimebench import numbers
from dimebench.analysis.summary import Citation, Cited, Summary
from dimebench.tables.cells import interval, number, text
from dimebench.tables.model import Caption, Cell, Column, Table


def cited(summary: Summary, citation: Citation) -> Table[str]:
    """A reference task by task, with the variants' own means."""

    def own(variant: str) -> Column[str]:
        return Column(f"{variant}: mean", lambda task: interval(summary.cell(variant, task).mean, numbers.raw))

    note = (
        f"Published by {citation.source} (licence: {citation.licence}, action repeat {citation.action_repeat}); "
        "not run here, in no verdict"
    )
    return Table[str](
        citation.variant,
        list(citation.matched),
        [
            Column("task", text),
            *map(own, summary.variants),
            Column("published mean", lambda task: _mean(citation.matched[task])),
            Column("published IQM", lambda task: _iqm(citation.matched[task])),
            Column("env steps", lambda task: number(citation.matched[task].env_steps, "{:,}".format)),
            Column("seeds", lambda task: number(citation.matched[task].seeds, str)),
        ],
        Caption(f"{citation.variant}, as published", note),
    )


def published(summary: Summary) -> Table[tuple[Citation, str, Cited]]:
    return Table[tuple[Citation, str, Cited]](
        "published",
        [(c, task, point) for c in summary.published for task, point in c.matched.items()],
        [
            Column("reference", lambda row: text(row[0].variant), ("reference",)),
            Column(
                "task",
                lambda row: Cell(row[1], (row[1], row[2].env_steps, row[2].kind, row[2].seeds)),
                ("task", "env_steps", "kind", "seeds"),
            ),
            Column("mean", lambda row: _mean(row[2]), ("mean",)),
            Column("IQM", lambda row: _iqm(row[2]), ("iqm", "iqm_low", "iqm_high")),
            Column("env steps", lambda row: number(row[2].env_steps, "{:,}".format)),
            Column("seeds", lambda row: number(row[2].seeds, str)),
            Column(
                "source and licence",
                lambda row: Cell(f"{row[0].source}, {row[0].licence}", (row[0].source, row[0].licence)),
                ("source", "licence"),
            ),
        ],
        paper=Caption(f"{summary.suite}: as published by others, not run here"),
    )


def _mean(point: Cited) -> Cell:
    return Cell("" if point.mean is None else numbers.raw(point.mean), (point.mean,))


def _iqm(point: Cited) -> Cell:
    return Cell(cited_iqm(point), (point.iqm, point.iqm_low, point.iqm_high))


def cited_iqm(point: Cited) -> str:
    if point.iqm is None:
        return ""
    if point.iqm_low is None or point.iqm_high is None:
        return numbers.raw(point.iqm)
    return f"{numbers.raw(point.iqm)} [{numbers.raw(point.iqm_low)}, {numbers.raw(point.iqm_high)}]"
