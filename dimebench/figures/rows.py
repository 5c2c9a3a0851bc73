"""Figures with a row per variant or comparison: aggregates, differences, the matrix of probabilities, cost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dimebench import numbers
from dimebench.analysis.cost import CostRow, costs
from dimebench.analysis.summary import Summary
from dimebench.figures.curves import WIDTH, shown
from dimebench.figures.marks import mark, numbers_of, tell_place
from dimebench.figures.style import INK, MUTED, SERIES, VariantStyle, label, styles
from dimebench.stats import Comparison, Estimate, Interval

AGGREGATES = (("iqm", "IQM"), ("median", "median"), ("mean", "mean"), ("optimality_gap", "optimality gap"))
MOST_ROWS = 40  # comparisons in one figure; the matrix shows them all


def draw_aggregates(summary: Summary) -> Figure:
    """Point estimates and intervals of the four aggregates, one panel each."""
    figure = Figure(figsize=(WIDTH, 0.75 + 0.32 * len(summary.aggregates)))
    panels = figure.subplots(1, len(AGGREGATES), sharey=True)
    by_number = numbers_of(summary)
    for axes, (name, title) in zip(panels, AGGREGATES, strict=True):
        for place, (row, style) in enumerate(shown(summary)):
            text = f"{row.variant}: {title} {numbers.estimate(row.estimates[name])}"
            _interval(axes, place, row.estimates[name], style, by_number[row.variant], text)
        axes.set_title(title)
        axes.set_xlabel("lower is better" if name == "optimality_gap" else "normalised score", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    _names_down(panels[0], [(label(row.variant, 26), by_number[row.variant]) for row in summary.aggregates])
    return figure


def draw_improvement(summary: Summary) -> Figure:
    """Each comparison: IQM difference and probability of improvement."""
    found = summary.comparisons[:MOST_ROWS]
    figure = Figure(figsize=(WIDTH, 0.8 + 0.34 * len(found)))
    left, right = figure.subplots(1, 2, sharey=True)
    by_name, by_number = styles(summary.shown, summary.floor), numbers_of(summary)
    for place, comparison in enumerate(found):
        better = comparison.a if comparison.difference.point >= 0 else comparison.b
        style, number, pair = by_name[better], by_number[better], f"{comparison.a} - {comparison.b}"
        _interval(
            left, place, comparison.difference, style, number, f"{pair}: {numbers.difference(comparison.difference)}"
        )
        chance = numbers.estimate(comparison.improvement, digits=2)
        _interval(
            right, place, comparison.improvement, style, number, f"P({comparison.a} > {comparison.b}): {chance}"
        )
    for axes, nothing, title in ((left, 0.0, "IQM(A) - IQM(B)"), (right, 0.5, "P(A > B)")):
        axes.axvline(nothing, color=MUTED, linewidth=1.0, linestyle="--")
        axes.set_title(title)
    left.set_xlabel("normalised score", fontsize=8)
    right.set_xlabel("probability", fontsize=8)
    right.set_xlim(-0.02, 1.02)
    _names_down(left, [(f"{label(c.a, 22)} - {label(c.b, 22)}", None) for c in found])
    return figure


def draw_matrix(summary: Summary) -> Figure:
    """P(row > column) of every pair; blue where the row is ahead, vermilion where the column is."""
    names = list(summary.variants)
    size = len(names)
    figure = Figure(figsize=(min(WIDTH, 2.2 + 0.85 * size), 1.3 + 0.42 * size))
    axes = figure.subplots()
    by_number = numbers_of(summary)
    judged = chances(summary.comparisons)
    for row, column in itertools.permutations(names, 2):
        point = summary.improvements[names.index(row)][names.index(column)]
        chance = judged.get((row, column), Estimate(point, None))
        x, y, value = names.index(column), names.index(row), chance.point
        colour = SERIES[0].light if value >= 0.5 else SERIES[1].light
        cell = Rectangle(
            (x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, alpha=0.08 + 0.8 * abs(value - 0.5), lw=0
        )
        axes.add_patch(cell)
        text = axes.text(x, y, numbers.unit(value, 2), ha="center", va="center", fontsize=8 if size <= 12 else 5.5)
        mark(axes, by_number[row], cell)
        mark(axes, by_number[row], text)
        told = f"P({row} > {column}): {numbers.estimate(chance, digits=2)}"
        tell_place(axes, by_number[row], x, y, told, (x - 0.5, x + 0.5))
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_xticks(range(size), [label(name, 16) for name in names], rotation=30, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    _names_down(axes, [(label(name, 26), by_number[name]) for name in names])
    axes.set_ylim(size - 0.5, -0.5)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    return figure


def chances(comparisons: Sequence[Comparison]) -> dict[tuple[str, str], Estimate]:
    """P(row > column) for both orders of every comparison."""
    found = {}
    for comparison in comparisons:
        straight = comparison.improvement
        turned = straight.interval and Interval(
            1 - straight.interval.high, 1 - straight.interval.low, straight.interval.confidence
        )
        found[comparison.a, comparison.b] = straight
        found[comparison.b, comparison.a] = Estimate(1 - straight.point, turned)
    return found


def draw_cost(summary: Summary) -> Figure:
    """Median time, gradient steps and, where it was measured, energy of a run."""
    rows = costs(summary)
    measures: list[tuple[str, str, Callable[[CostRow], float | None], Callable[[float], str]]] = [
        (
            "time of a run",
            "hours",
            lambda row: row.seconds and row.seconds / 3600,
            lambda v: numbers.duration(v * 3600),
        ),
        ("gradient steps", "critic updates", lambda row: row.grad_steps, numbers.short_steps),
        ("energy of a run", "kWh", lambda row: row.energy_kwh, lambda v: f"{v:.3g} kWh"),
    ]
    measures = [measure for measure in measures if any(measure[2](row) for row in rows)]
    figure = Figure(figsize=(WIDTH, 0.75 + 0.3 * len(rows)))
    panels = figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    by_name, by_number = styles(summary.shown, summary.floor), numbers_of(summary)
    for axes, (title, unit, value, write) in zip(panels, measures, strict=True):
        for place, row in enumerate(rows):
            amount, number = value(row) or 0.0, by_number[row.variant]
            bars = axes.barh(place, amount, height=0.56, color=by_name[row.variant].light, alpha=0.75)
            mark(axes, number, *bars)
            told = write(amount) if amount else "not told"
            tell_place(axes, number, amount, place, f"{row.variant}: {title} {told}")
        axes.set_title(title)
        axes.set_xlabel(unit, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: numbers.short_steps(v)))
    _names_down(panels[0], [(label(row.variant, 26), by_number[row.variant]) for row in rows])
    return figure


def _interval(axes: Axes, place: int, estimate: Estimate, style: VariantStyle, number: int, text: str) -> None:
    """A horizontal bar with a tick at the point; the marker alone where there is no interval."""
    x, y = [estimate.point], [place]
    tell_place(axes, number, estimate.point, place, text)
    if estimate.interval is None:
        mark(axes, number, *axes.plot(x, y, color=style.light, marker=style.marker, markersize=6))
        return
    ends = (estimate.interval.low, estimate.interval.high)
    bar = axes.plot(ends, (place, place), color=style.light, linewidth=9, alpha=0.35, solid_capstyle="butt")
    tick = axes.plot(x, y, color=style.light, marker="|", markersize=11, markeredgewidth=2.2)
    mark(axes, number, *bar, *tick)


def _names_down(axes: Any, names: Sequence[tuple[str, int | None]]) -> None:
    axes.set_yticks(range(len(names)), [name for name, _ in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=INK)
    axes.grid(axis="y", visible=False)
    for text, (_, number) in zip(axes.get_yticklabels(), names, strict=True):
        if number is not None:
            mark(axes, number, text)
