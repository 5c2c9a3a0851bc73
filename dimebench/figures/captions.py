"""What stands below each figure: what is drawn, over how many seeds, with which interval."""

from __future__ import annotations

from dimebench.analysis.summary import Summary
from dimebench.figures.curves import BEYOND, draws_runs, full_curves
from dimebench.figures.rows import MOST_ROWS
from dimebench.numbers import AXES, listed, percent, place
from dimebench.wording import terms


def learning_curves(summary: Summary) -> str:
    each = "each point the mean return over the episodes of an evaluation"
    if all(draws_runs(summary, task) for task in summary.tasks):
        drawn = f"Thin lines are single runs ({_seeds(summary)}), {each}; the thick line is the IQM over seeds."
    else:
        why = "; there are too many runs to draw each" if any(cell.full_run_curves for cell in summary.cells) else ""
        drawn = f"Lines are IQMs over {_seeds(summary)}, {each}{why}."
    said = f"{drawn} {_band(summary)}{_reach(summary, 'on the task')}{_published(summary)}"
    return f"Return against {_along(summary)}, per task. {said}"


def sample_efficiency(summary: Summary) -> str:
    said = f"{_band(summary)}{_reach(summary, 'over all tasks')}"
    return f"IQM of the normalised return over {_tasks(summary)} against {_along(summary)}. {said}"


def ranking(summary: Summary) -> str:
    """With what the letters and the rank intervals mean."""
    return (
        f"Left: IQM over {_tasks(summary)} at {terms.at_budget(summary)}, the best first. {_bars(summary)} Right: "
        f"the ranks that a variant may have by the verdicts. {terms.ranking(summary)}"
    )


def aggregates(summary: Summary) -> str:
    return (
        f"{_scores(summary)} over {_tasks(summary)}. "
        f"{_bars(summary)} The optimality gap is how far runs fall short of a score of 1 on average."
    )


def _along(summary: Summary) -> str:
    return "time of training" if summary.axis == "wall_time" else AXES[summary.axis]


def _scores(summary: Summary) -> str:
    at = terms.at_budget(summary)
    if summary.threshold is None:
        return f"Normalised scores at {at}"
    return f"Shares of {at} that are left when a normalised score of {summary.threshold} is reached,"


def profile(summary: Summary) -> str:
    return (
        f"Fraction of runs that score above τ, over {_tasks(summary)} at "
        f"{terms.at_budget(summary)}; a curve further right is better. {_band(summary)}"
    )


def improvement(summary: Summary) -> str:
    return (
        f"Left: difference of the IQMs; right of the dashed line A is ahead. Right: the chance that a run of A "
        f"scores above a run of B, averaged over {_tasks(summary)}; the dashed line is even "
        f"odds. {_bars_of_pairs(summary)} The colour is that of the variant ahead.{_most_rows(summary)}"
    )


def matrix(summary: Summary) -> str:
    return (
        f"The chance that a run of the row scores above a run of the column, averaged over {terms.tasks(summary)} "
        f"({_seeds(summary)} each) at {terms.at_budget(summary)}: blue where the row is ahead, vermilion "
        f"where the column is.{' Point estimates.' if summary.best_against_each else ''}"
    )


def _most_rows(summary: Summary) -> str:
    """Says where the figure leaves comparisons out."""
    made = len(summary.comparisons)
    return f" The first {MOST_ROWS} of {made} comparisons; the table has all." if made > MOST_ROWS else ""


def cost(summary: Summary) -> str:
    return (
        f"Medians over runs. Time: training and evaluation up to {terms.at_budget(summary)}, on "
        "whatever machine each run had; seeds that train together share it. Gradient steps: critic updates of the "
        "whole run. Energy is shown where the device reports it. A missing bar: not recorded."
    )


def _seeds(summary: Summary) -> str:
    return terms.seeds(summary.fewest_seeds, summary.most_seeds)


def _tasks(summary: Summary) -> str:
    return f"{terms.tasks(summary)} ({_seeds(summary)} each)"


def _reach(summary: Summary, where: str) -> str:
    """From where to where a curve goes, where that is not the same for all."""
    if all(curve.x == summary.aggregates[0].curve.x for curve in full_curves(summary)):
        return ""
    said = f" A curve has a point where all runs of its variant {where} have an evaluation, the same runs at each."
    end = max(curve.x[-1] for curve in full_curves(summary))
    if end > summary.budget:
        said += (
            f" The dotted vertical line is the matched budget of {terms.at_budget(summary)}: scores and verdicts are "
            "taken there; what lies beyond, thinner, is in none, and not all variants have it."
        )
    if end > BEYOND * summary.budget:
        longest = place(round(end), summary.axis)
        said += f" Shown up to {BEYOND} times the budget; the longest curve goes on to {longest}."
    return said


def _published(summary: Summary) -> str:
    """What the open markers are."""
    if not summary.drawn_published:
        return ""
    cited = listed([f"{c.variant} ({c.source}; {c.licence})" for c in summary.drawn_published])
    return (
        f" Open markers on dotted lines are published aggregates, not run here: {cited}; the IQM, with its 95% "
        "interval over seeds where the source has curves per seed, else the figure that it gives."
    )


def _band(summary: Summary) -> str:
    if all(row.curve.low is None for row in summary.aggregates):
        return "One seed per task: no bands."
    return (
        f"Bands: pointwise {percent(summary.confidence)} intervals from a stratified bootstrap that resamples whole "
        f"runs; none where a task has one seed."
    )


def _bars(summary: Summary) -> str:
    if terms.without_intervals(summary):
        return "One seed per task: no intervals."
    return (
        f"Bars: {percent(summary.confidence)} intervals, stratified bootstrap over seeds, "
        f"{summary.resamples:,} resamples."
    )


def _bars_of_pairs(summary: Summary) -> str:
    if all(comparison.improvement.interval is None for comparison in summary.comparisons):
        return "One seed per task: no intervals."
    right = "score intervals" if summary.method == "expanded" else terms.method(summary)
    return f"Bars: {percent(summary.confidence)} intervals; left: {terms.TEST}; right: {right}."
