"""The tables of figures that others published, beside those of the runs."""

from __future__ import annotations

from dataclasses import replace

from dimebench import numbers
from dimebench.analysis.summary import Citation, Cited, Summary
from dimebench.tables.cells import interval, number, text
from dimebench.tables.model import Caption, Cell, Column, Table
from dimebench.wording import terms


def cited(summary: Summary, citation: Citation) -> Table[tuple[str, Cited]]:
    """A reference task by task, with the variants' own means; figures on another version of a task say so."""

    def own(variant: str) -> Column[tuple[str, Cited]]:
        return Column(f"{variant}: mean", lambda row: interval(summary.cell(variant, row[0]).mean, numbers.raw))

    def said(cell: Cell, point: Cited) -> Cell:
        return replace(cell, text=f"{cell.text} ({point.remark})") if point.remark and cell.text else cell

    note = (
        f"Published by {citation.source}, {citation.path} (licence: {citation.licence}, action repeat "
        f"{citation.action_repeat}); not run here, in no verdict"
    )
    return Table[tuple[str, Cited]](
        citation.variant,
        citation.points,
        [
            Column("task", lambda row: text(row[0])),
            *map(own, summary.variants),
            Column("published mean", lambda row: said(_mean(row[1]), row[1])),
            Column("published IQM", lambda row: said(_iqm(row[1]), row[1])),
            Column("kind", lambda row: text(terms.KINDS[row[1].kind]), prose=True),
            Column("env steps", lambda row: number(row[1].env_steps, "{:,}".format)),
            Column("seeds", lambda row: number(row[1].seeds, str)),
        ],
        Caption(f"{citation.variant}, as published", note),
    )


def published(summary: Summary) -> Table[tuple[Citation, Cited]]:
    """Every figure shown, under the task that it was published on."""
    rows = [(citation, point) for citation in summary.published for _, point in citation.points]
    remark = "remark" if any(point.remark for _, point in rows) else ""
    return Table[tuple[Citation, Cited]](
        "published",
        rows,
        [
            Column("reference", lambda row: text(row[0].variant), ("reference",)),
            Column(
                "task",
                lambda row: Cell(row[1].task, (row[1].task, row[1].env_steps, row[1].kind, row[1].seeds)),
                ("task", "env_steps", "kind", "seeds"),
            ),
            Column(remark, lambda row: text(row[1].remark), ("remark",), prose=True),
            Column("mean", lambda row: _mean(row[1]), ("mean",)),
            Column("IQM", lambda row: _iqm(row[1]), ("iqm", "iqm_low", "iqm_high")),
            Column("kind", lambda row: text(terms.KINDS[row[1].kind])),
            Column("env steps", lambda row: number(row[1].env_steps, "{:,}".format)),
            Column("seeds", lambda row: number(row[1].seeds, str)),
            Column(
                "source and licence",
                lambda row: Cell(f"{row[0].source}, {row[0].licence}", (row[0].source, row[0].licence, row[0].path)),
                ("source", "licence", "path"),
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
