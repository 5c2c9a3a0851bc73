"""Figures with a row per variant or comparison: aggregates, differences, the matrix of probabilities, cost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dimebench import numbers
from dimebench.analysis.summary import Summary, VariantRow
from dimebench.figures.curves import WIDTH, shown
from dimebench.figures.marks import Drawing
from dimebench.figures.style import INK, MUTED, SERIES, VariantStyle, label, styles_of
from dimebench.stats import Estimate
from dimebench.wording.terms import STATISTICS, estimate
from dimebench.wording.verdict import turned

MOST_ROWS = 40  # comparisons in one figure; the matrix shows them all


def draw_aggregates(summary: Summary) -> Drawing:
    """Point estimates and intervals of the four aggregates, one panel each."""
    drawing = Drawing(summary, WIDTH, 0.75 + 0.32 * len(summary.aggregates))
    panels = drawing.figure.subplots(1, len(STATISTICS), sharey=True)
    for axes, (name, title) in zip(panels, STATISTICS.items(), strict=True):
        for place, (row, style) in enumerate(shown(summary)):
            text = f"{row.variant}: {title} {estimate(row.estimates[name])}"
            _interval(drawing, axes, place, row.estimates[name], style, row.variant, text)
        axes.set_title(title)
        axes.set_xlabel("lower is better" if name == "optimality_gap" else "normalised score", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    _variants_down(drawing, panels[0], [row.variant for row in summary.aggregates])
    return drawing


def draw_improvement(summary: Summary) -> Drawing:
    """Each comparison: IQM difference and probability of improvement."""
    found = summary.comparisons[:MOST_ROWS]
    drawing = Drawing(summary, WIDTH, 0.8 + 0.34 * len(found))
    left, right = drawing.figure.subplots(1, 2, sharey=True)
    by_name = styles_of(summary)
    for place, c in enumerate(found):
        better = c.a if c.difference.point >= 0 else c.b
        difference = f"{c.a} - {c.b}: {estimate(c.difference, numbers.signed)}"
        chance = f"P({c.a} > {c.b}): {estimate(c.improvement, numbers.probability)}"
        _interval(drawing, left, place, c.difference, by_name[better], better, difference)
        _interval(drawing, right, place, c.improvement, by_name[better], better, chance)
    for axes, nothing, title in ((left, 0.0, "IQM(A) - IQM(B)"), (right, 0.5, "P(A > B)")):
        axes.axvline(nothing, color=MUTED, linewidth=1.0, linestyle="--")
        axes.set_title(title)
    left.set_xlabel("normalised score", fontsize=8)
    right.set_xlabel("probability", fontsize=8)
    right.set_xlim(-0.02, 1.02)
    _names_down(left, [f"{label(c.a, 22)} - {label(c.b, 22)}" for c in found])
    return drawing


def draw_matrix(summary: Summary) -> Drawing:
    """P(row > column) of every pair; blue where the row is ahead, vermilion where the column is."""
    names = list(summary.variants)
    size = len(names)
    drawing = Drawing(summary, min(WIDTH, 2.2 + 0.85 * size), 1.3 + 0.42 * size)
    axes = drawing.figure.subplots()
    judged = {(c.a, c.b): c.improvement for one in summary.comparisons for c in (one, turned(one))}
    for row, column in itertools.permutations(names, 2):
        x, y = names.index(column), names.index(row)
        chance = judged.get((row, column), Estimate(summary.improvements[y][x], None))
        colour = SERIES[0].light if chance.point >= 0.5 else SERIES[1].light
        strength = 0.08 + 0.8 * abs(chance.point - 0.5)
        cell = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=colour, alpha=strength, lw=0)
        axes.add_patch(cell)
        written = numbers.probability(chance.point)
        text = axes.text(x, y, written, ha="center", va="center", fontsize=8 if size <= 12 else 5.5)
        drawing.mark(row, cell, text)
        hint = f"P({row} > {column}): {estimate(chance, numbers.probability)}"
        drawing.add_text(axes, row, x, y, hint, (x - 0.5, x + 0.5))
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_xticks(range(size), [label(name, 16) for name in names], rotation=30, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.tick_params(axis="x", length=0, labelcolor=INK)
    _variants_down(drawing, axes, names)
    axes.set_ylim(size - 0.5, -0.5)
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    return drawing


def draw_cost(summary: Summary) -> Drawing:
    """Median time, gradient steps and, where it was measured, energy of a run."""
    rows = summary.aggregates
    measures: list[tuple[str, str, Callable[[VariantRow], float | None], Callable[[float], str]]] = [
        ("time of a run", "hours", lambda row: row.median_wall_time_s / 3600, lambda v: numbers.duration(v * 3600)),
        ("gradient steps", "critic updates", lambda row: row.grad_steps, numbers.short_steps),
        ("energy of a run", "kWh", lambda row: row.energy_kwh, lambda v: f"{v:.3g} kWh"),
    ]
    measures = [measure for measure in measures if any(measure[2](row) for row in rows)]
    drawing = Drawing(summary, WIDTH, 0.75 + 0.3 * len(rows))
    panels = drawing.figure.subplots(1, len(measures), sharey=True, squeeze=False)[0]
    by_name = styles_of(summary)
    for axes, (title, unit, value, write) in zip(panels, measures, strict=True):
        for place, row in enumerate(rows):
            amount = value(row) or 0.0
            bars = axes.barh(place, amount, height=0.56, color=by_name[row.variant].light, alpha=0.75)
            drawing.mark(row.variant, *bars)
            text = f"{row.variant}: {title} {write(amount) if amount else 'not recorded'}"
            drawing.add_text(axes, row.variant, amount, place, text)
        axes.set_title(title)
        axes.set_xlabel(unit, fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: numbers.short_steps(v)))
    _variants_down(drawing, panels[0], [row.variant for row in rows])
    return drawing


def _interval(
    drawing: Drawing, axes: Axes, place: int, value: Estimate, style: VariantStyle, variant: str, text: str
) -> None:
    """A horizontal bar with a tick at the point; the marker alone where there is no interval."""
    x, y = [value.point], [place]
    drawing.add_text(axes, variant, value.point, place, text)
    if value.interval is None:
        drawing.mark(variant, *axes.plot(x, y, color=style.light, marker=style.marker, markersize=6))
        return
    ends = (value.interval.low, value.interval.high)
    bar = axes.plot(ends, (place, place), color=style.light, linewidth=9, alpha=0.35, solid_capstyle="butt")
    tick = axes.plot(x, y, color=style.light, marker="|", markersize=11, markeredgewidth=2.2)
    drawing.mark(variant, *bar, *tick)


def _variants_down(drawing: Drawing, axes: Axes, variants: Sequence[str]) -> None:
    _names_down(axes, [label(variant, 26) for variant in variants])
    for text, variant in zip(axes.get_yticklabels(), variants, strict=True):
        drawing.mark(variant, text)


def _names_down(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=INK)
    axes.grid(axis="y", visible=False)
