"""The words for what a summary counts and computes."""

from __future__ import annotations

from collections.abc import Callable

from dimebench import numbers
from dimebench.analysis.summary import Summary
from dimebench.stats import Estimate

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


def scored(score: str) -> str:
    """How runs are scored, before the budget is named."""
    kind, _, threshold = score.partition(":")
    return SCORED[kind].format(threshold)


def method(summary: Summary) -> str:
    """How the intervals were made."""
    return METHODS[summary.method].format(summary.resamples)


def at_budget(summary: Summary) -> str:
    """The matched budget: 500,000 env steps."""
    return numbers.place(summary.budget, summary.axis)


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
