"""What `compare` prints: the verdict, the tables, and what to know about the runs."""

from __future__ import annotations

from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.text import Text

from dimebench.analysis.summary import Summary
from dimebench.tables.content import tables
from dimebench.tables.model import Table
from dimebench.tables.plain import plain
from dimebench.tables.terminal import Fitted
from dimebench.tables.verdicts import TASK_VERDICTS, task_verdicts
from dimebench.wording.notes import remarks
from dimebench.wording.verdict import claims, headline


def render(summary: Summary, per_task: bool = False) -> RenderableType:
    """Everything for a terminal of any width. per_task: with the verdict on each task."""
    only = summary.comparisons[0] if len(summary.comparisons) == 1 else None
    decided = any(comparison.winner for comparison in summary.comparisons)
    title = Text(headline(only) if only else "Verdict", style="bold green" if decided else "bold yellow")
    verdict = Panel(Text("\n".join(claims(summary))), title=title, title_align="left", box=box.ROUNDED)
    found = [Fitted(table) for table in _shown(summary, per_task)]
    return Group(verdict, *found, *(Text(remark, style="dim") for remark in remarks(summary)))


def plain_lines(summary: Summary, per_task: bool = False) -> list[str]:
    """The same as lines of text without colour or boxes, for a pipe or a log."""
    lines = claims(summary)
    for table in _shown(summary, per_task):
        lines += ["", *plain(table)]
    found = remarks(summary)
    return [*lines, "", *found] if found else lines


def _shown(summary: Summary, per_task: bool) -> list[Table[Any]]:
    found = [
        task_verdicts(summary, terminal=True) if per_task and table.name == TASK_VERDICTS else table
        for table in tables(summary)
    ]
    return [table for table in found if table.terminal]
