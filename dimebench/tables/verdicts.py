"""The tables of verdicts: of comparisons over all tasks, and of their tasks one by one."""

from __future__ import annotations

from collections.abc import Callable

from dimebench import numbers
from dimebench.analysis.summary import Summary
from dimebench.stats import Comparison, TaskRow
from dimebench.tables.cells import ends, interval, text
from dimebench.tables.model import PAPER, TERMINAL, Caption, Cell, Column, Row, Table
from dimebench.wording import terms
from dimebench.wording.verdict import in_short

Judged = Comparison | TaskRow
OnTask = tuple[Comparison, TaskRow]
TASK_VERDICTS = "task_verdicts"


def comparisons(summary: Summary) -> Table[Comparison]:
    """A row per comparison; on a terminal only where there are several, as one has its sentence."""
    difference, *judged, verdict = _columns(summary, lambda c: (c, c))
    note = f"{terms.tested(summary)} {terms.judged_together(summary)}".strip()
    return Table[Comparison](
        "comparisons",
        summary.comparisons,
        [
            Column("A - B", _pair, ("a", "b")),
            difference,
            *judged,
            Column("P(A > B)", lambda c: interval(c.improvement, numbers.probability), _ends("improvement")),
            verdict,
        ],
        Caption("Comparisons", note) if len(summary.comparisons) > 1 else None,
        Caption(f"{summary.suite}: comparisons", note) if summary.comparisons else None,
    )


def task_verdicts(summary: Summary, terminal: bool = False) -> Table[OnTask]:
    """A row per comparison and task; on a terminal only where it is asked for."""
    note = f"{terms.tested(summary)} {terms.judged_per_task(summary)}"
    title = "Verdicts per task"
    shared: list[Column[OnTask]] = _columns(summary, lambda row: (row[0], row[1]))
    return Table[OnTask](
        TASK_VERDICTS,
        [(comparison, row) for comparison in summary.comparisons for row in comparison.tasks],
        [
            Column("A - B (task)", lambda row: Cell(f"{_pair(row[0]).text} ({row[1].task})"), only=TERMINAL),
            Column("A - B", lambda row: _pair(row[0]), ("a", "b"), only=PAPER),
            Column("task", lambda row: text(row[1].task), ("task",), only=PAPER),
            *shared,
        ],
        Caption(title, note) if terminal and summary.comparisons else None,
        Caption(f"{summary.suite}: {title[0].lower()}{title[1:]}", note) if summary.comparisons else None,
    )


def _columns(summary: Summary, of: Callable[[Row], tuple[Comparison, Judged]]) -> list[Column[Row]]:
    """What a comparison and a task of it share; `of` gives both."""

    def column(heading: str, cell: Callable[[Judged], Cell], *fields: str) -> Column[Row]:
        return Column(heading, lambda row: cell(of(row)[1]), fields)

    def verdict(row: Row) -> Cell:
        comparison, judged = of(row)
        return Cell(in_short(judged.verdict, comparison), (judged.verdict,))

    return [
        column(f"IQM difference [{numbers.percent(summary.confidence)}]", _difference, *_ends("iqm_difference")),
        column("p", lambda of: _p(of.p_value), "p_value"),
        column("adjusted p", lambda of: _p(of.adjusted_p), "adjusted_p"),
        column("judged at", lambda of: Cell(terms.judged_at(of), (of.judged_at,)), "judged_at"),
        column("judged interval", _judged, "judged_low", "judged_high"),
        Column("verdict", verdict, ("verdict",), prose=True),
    ]


def _pair(of: Comparison) -> Cell:
    return Cell(f"{of.a} - {of.b}", (of.a, of.b))


def _difference(of: Judged) -> Cell:
    return Cell(terms.difference(of), ends(of.difference))


def _judged(of: Judged) -> Cell:
    return Cell(terms.judged_interval(of), (of.judged.low, of.judged.high) if of.judged else (None, None))


def _p(value: float | None) -> Cell:
    return Cell("" if value is None else numbers.p_short(value), (value,))


def _ends(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{end}" for end in ("point", "low", "high"))
