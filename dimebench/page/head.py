"""The head of a page: what was compared, with which code, who made it and from what."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

import dimebench
from dimebench.analysis.notes import BudgetTrimmed
from dimebench.analysis.summary import RunRow, Summary
from dimebench.numbers import AXES, count, few, place
from dimebench.store.provenance import version_of
from dimebench.wording import terms
from dimebench.wording.standing import standing
from dimebench.wording.verdict import headline

LONGEST_TITLE = 60  # characters, of which a browser's tab shows the first


@dataclass(frozen=True)
class Made:
    """Who made a page, when (UTC), from which results folder or URL."""

    at: datetime
    by: str
    results: str

    def words(self) -> str:
        by = f" by {self.by}" if self.by else ""
        return f"{self.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{by}, from {self.results}"


def title(summary: Summary) -> str:
    """The text of a browser's tab: the suite, and as much of the answer as has room."""
    found = standing(summary.comparisons) if len(summary.comparisons) > 1 else []
    answer = found[0] if found else headline(summary.comparisons[0]) if summary.comparisons else summary.variants[0]
    text = f"{summary.suite}: {re.split(r'(?<= leads): |(?<= lead)[;,] ', answer)[0]}"
    return text if len(text) <= LONGEST_TITLE else f"{text[: LONGEST_TITLE - 1].rstrip()}…"


def facts(summary: Summary) -> list[tuple[str, str, str]]:
    """Name, value, and what is said of the value in small print."""
    everywhere = len(summary.tasks) + len(summary.left_out_tasks)
    of = f" of {everywhere}" if summary.left_out_tasks else ""
    score = "final return" if summary.score == "final" else "area under the curve"
    if summary.threshold:
        score = f"{AXES[summary.axis]} to {summary.threshold}"
    return [
        ("compared", count(len(summary.variants), "variant"), f"floor: {summary.floor}" if summary.floor else ""),
        ("tasks", f"{len(summary.tasks)}{of}", ""),
        ("per task", terms.seeds(summary.fewest_seeds, summary.most_seeds), ""),
        ("matched budget", terms.at_budget(summary), _limit(summary)),
        ("score", score, ""),
        ("runs", f"{len(summary.runs):,}", _trained(summary.runs)),
        ("code", f"dimebench {dimebench.__version__}", _code_of(summary.runs)),
    ]


def _limit(summary: Summary) -> str:
    """What kept the budget from being larger."""
    if summary.limit:
        return f"limited by {few(summary.limit.variants)}; others reach {place(summary.limit.others, summary.axis)}"
    asked = [note.asked for note in summary.notes if isinstance(note, BudgetTrimmed)]
    return f"{asked[0]:,} asked for" if asked else ""


def _trained(runs: tuple[RunRow, ...]) -> str:
    """From when to when they were trained; how many were imported."""
    imported = sum(run.imported_from is not None for run in runs)
    days = sorted(str(run.provenance["started"])[:10] for run in runs if run.provenance.get("started"))
    parts = [f"trained {days[0]}" if days[0] == days[-1] else f"trained {days[0]} to {days[-1]}"] if days else []
    parts += [f"{imported} imported" if imported < len(runs) else "all imported"] if imported else []
    return ", ".join(parts)


def _code_of(runs: tuple[RunRow, ...]) -> str:
    """The versions that trained the runs, where they are not this one."""
    found = {str(version_of(run.identity, run.provenance)) for run in runs if run.imported_from is None}
    others = sorted(found - {dimebench.__version__, "None"})
    return f"runs: {few(others)}" if others else ""
