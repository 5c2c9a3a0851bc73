"""The words for what a summary counts and computes."""

from __future__ import annotations

from collections.abc import Callable

from dimebench import numbers
from dimebench.analysis.summary import Summary
from dimebench.stats import Comparison, Estimate, TaskRow

STATISTICS = {"iqm": "IQM", "median": "median", "mean": "mean", "optimality_gap": "optimality gap"}
SCORED = {
    "final": "scored at",
    "auc": "scored by the area under the learning curve up to",
    "threshold": "scored by how early a normalised score of {} is reached, within",
}
METHODS = {
    "expanded": "stratified bootstrap over seeds, expanded percentiles, {:,} resamples",
    "percentile": "stratified bootstrap over seeds, percentiles, {:,} resamples",
    "bca": "stratified bootstrap over seeds, BCa, {:,} resamples",
    "student": "Student's t on the stratified jackknife",
    "rliable": "rliable, stratified bootstrap over seeds, percentiles, {:,} resamples",
}

KINDS = {  # of published figures: what is known of them
    "per-seed": "mean and IQM over seeds",
    "mean": "mean",
    "iqm": "IQM",
    "figure": "IQM, read off a figure",
}

TEST = "studentised permutation test within tasks"


def scored(score: str) -> str:
    """How runs are scored, before the budget is named."""
    kind, _, threshold = score.partition(":")
    return SCORED[kind].format(threshold)


def score(summary: Summary) -> str:
    """What the scores are, as on an axis."""
    return "normalised score" if summary.threshold is None else "share of budget left"


def scores(summary: Summary) -> str:
    """What the scores are, as in a title."""
    return "normalised scores" if summary.threshold is None else "shares of the budget left"


def method(summary: Summary) -> str:
    """How the intervals of single variants were made; those of a difference are its test's."""
    return METHODS[summary.method].format(summary.resamples)


def without_intervals(summary: Summary) -> bool:
    """Whether no variant has an interval, as with one seed per task."""
    return all(row.estimates["iqm"].interval is None for row in summary.aggregates)


def tested(summary: Summary) -> str:
    """What makes a difference's interval and p-value."""
    if all(comparison.p_value is None for comparison in summary.comparisons):
        return "Too few seeds for a test: no intervals of differences, and no p."
    return f"{numbers.percent(summary.confidence)} intervals of differences, and p: {TEST}."


def judged_together(summary: Summary) -> str:
    """How several comparisons share their error rate; "" for one."""
    family = max((comparison.family for comparison in summary.comparisons), default=0)
    if family < 2:
        return ""
    chance = f"the chance of any wrong claim among {family} comparisons is at most {_error(summary)}"
    if any(comparison.delta is not None for comparison in summary.comparisons):
        return f"Each is judged at alpha/{family} (Bonferroni): {chance}."
    return (
        f"Judged together: {chance}. The strongest evidence must hold at the highest confidence; with each claim "
        "the next one may hold at a lower (step-down over the joint distribution of the pairs)."
    )


def judged_per_task(summary: Summary) -> str:
    """How the tasks of a comparison share their error rate."""
    return (
        f"The chance of any wrong claim among the tasks of one comparison is at most {_error(summary)} (Holm); the "
        "tasks of several comparisons are not corrected for each other."
    )


def _error(summary: Summary) -> str:
    return numbers.percent(1 - summary.confidence)


def difference(of: Comparison | TaskRow) -> str:
    """The IQM difference and its interval: +0.120 [-0.031, +0.271]; "unbounded" where so few runs bound nothing."""
    found = estimate(of.difference, numbers.signed)
    return f"{found} [unbounded]" if of.difference.interval is None and of.p_value is not None else found


def judged_at(of: Comparison | TaskRow) -> str:
    """The confidence that a verdict must hold at; "" where nothing could be judged."""
    return "" if of.judged_at is None else numbers.percent(of.judged_at)


def judged_interval(of: Comparison | TaskRow) -> str:
    """The interval that the verdict has read: [-0.061, +0.301]; "" where nothing could be judged."""
    if of.judged is None:
        return "" if of.judged_at is None else "unbounded"
    return f"[{numbers.signed(of.judged.low)}, {numbers.signed(of.judged.high)}]"


def at_budget(summary: Summary) -> str:
    """The matched budget: 500,000 env steps."""
    return numbers.place(summary.budget, summary.axis)


def limited(summary: Summary) -> str:
    """Who keeps the budget from being larger, after a comma; "" for nobody."""
    return f", budget limited by {numbers.listed(summary.limit.variants)}" if summary.limit else ""


def per_task(summary: Summary) -> str:
    """What the cells of the per-task table are."""
    if summary.threshold is None:
        return "Mean return per task"
    return (
        f"Mean {numbers.AXES[summary.axis]} to a normalised score of {summary.threshold} per task, "
        f"{summary.budget:,} where it is not reached"
    )


def seeds(fewest: int, most: int) -> str:
    """10 seeds, or 9 to 10 seeds."""
    return numbers.count(most, "seed") if fewest == most else f"{fewest} to {most} seeds"


def tasks(summary: Summary) -> str:
    return numbers.count(len(summary.tasks), "task")


def ranking(summary: Summary) -> str:
    """What the letters and the rank intervals of a ranking mean."""
    at, together = numbers.percent(summary.confidence), "the rank intervals hold for all variants at once"
    if summary.best_against_each:
        alone = "only the variant with the highest IQM is compared with the others"
        return f"No letters: {alone}; at {at}, {together}."
    return f"Variants that share a letter are not told apart at {at}; {together}."


def estimate(value: Estimate, write: Callable[[float], str] = numbers.unit) -> str:
    """A point with its interval, each number as `write` has it: 0.412 [0.380, 0.455]."""
    if value.interval is None:
        return write(value.point)
    return f"{write(value.point)} [{write(value.interval.low)}, {write(value.interval.high)}]"
