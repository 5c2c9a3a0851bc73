"""What a caption in a paper says: how many seeds and tasks, at which budget, which intervals, what bold means."""

from __future__ import annotations

from dimebench import numbers
from dimebench.analysis.summary import Citation, Summary
from dimebench.wording import terms

BOLD = "Bold: the best, and each whose interval holds the best's point; bold is no verdict."


def of(summary: Summary, what: str) -> str:
    """The title: suite, what is shown, tasks, seeds, budget and who limits it."""
    tasks, everywhere = len(summary.tasks), len(summary.tasks) + len(summary.left_out_tasks)
    over = f"{tasks} of {everywhere} tasks" if everywhere > tasks else terms.tasks(summary)
    seeds = terms.seeds(summary.fewest_seeds, summary.most_seeds)
    scored = f"{terms.scored(summary.score)} {terms.at_budget(summary)}{terms.limited(summary)}"
    return f"{summary.suite}: {what} ({over}, {seeds} each, {scored})"


def intervals(summary: Summary) -> str:
    """The intervals of single variants."""
    if terms.without_intervals(summary):
        return "One seed per task: no intervals."
    return f"In brackets: {numbers.percent(summary.confidence)} intervals ({terms.method(summary)})."


def diverged(summary: Summary) -> str:
    runs = sum(row.diverged for row in summary.aggregates)
    return f"{numbers.count(runs, 'diverged run')} counted with the lower bound." if runs else ""


def differences(summary: Summary) -> str:
    """What makes the p-values and intervals of comparisons over all tasks, and how they were judged."""
    family = max(comparison.family for comparison in summary.comparisons)
    p = f"p: two-sided, {terms.TEST}{f', adjusted for {family} comparisons' if family > 1 else ''}."
    at = numbers.percent(summary.confidence)
    if not family:
        return f"Too few runs: no intervals at {at}, no p."
    alone = "" if family > 1 else f" The verdict is judged at {at}."
    return f"Brackets below a difference: its {at} interval, of the same test. {p}{alone}"


def chances(summary: Summary) -> str:
    """What P(A > B) is, and its intervals."""
    text = "P(A > B): the chance that a run of A scores above a run of B, averaged over tasks"
    if all(comparison.improvement.interval is None for comparison in summary.comparisons):
        return f"{text}."
    at = numbers.percent(summary.confidence)
    if summary.method == "expanded":
        return f"{text}; {at} score intervals."
    return f"{text}; {at} intervals ({terms.method(summary)})."


def tests_of_tasks(summary: Summary) -> str:
    """What makes the p-values and intervals of one comparison's tasks."""
    if all(row.adjusted_p is None for comparison in summary.comparisons for row in comparison.tasks):
        return ""
    return (
        f"Brackets below a difference: its {numbers.percent(summary.confidence)} interval. "
        f"p: two-sided, {terms.TEST}, adjusted for the tasks (Holm)."
    )


def shortened(summary: Summary, shown: int, file: str) -> str:
    made = len(summary.comparisons)
    return f"The first {shown} of {made} comparisons; {file}.csv has all." if made > shown else ""


def source(citation: Citation) -> str:
    """Where a reference's figures come from."""
    steps = sorted(point.env_steps for _, point in citation.points)
    at = " to ".join(f"{step:,}" for step in dict.fromkeys((steps[0], steps[-1])))
    return (
        f"{citation.variant}: {citation.source}, licence {citation.licence}, seeds: {citation.seeds}, "
        f"at {at} env steps."
    )
