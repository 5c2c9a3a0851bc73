"""Figures with a curve per variant: learning curves, sample efficiency, performance profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from dimebench.analysis.published import PEERS, Citation
from dimebench.analysis.summary import Summary
from dimebench.figures.marks import mark, numbers_of, tell_curve
from dimebench.figures.style import VariantStyle, cited_style, label, styles
from dimebench.numbers import AXES, short_steps
from dimebench.stats import Band

WIDTH = 7.2  # inches: the text width of a paper
MOST_RUN_LINES = 80  # of one panel; with more, the band alone is drawn
MOST_IN_LEGEND = 24


def draw_sample_efficiency(summary: Summary) -> Figure:
    """IQM over all tasks against env steps."""
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.subplots()
    numbers = numbers_of(summary)
    for row, style in shown(summary):
        draw_band(axes, row.curve, style, numbers[row.variant])
    _axis(axes, summary.budget, summary.axis)
    axes.set_ylabel("IQM of normalised return")
    draw_legend(figure, summary)
    return figure


def draw_learning_curves(summary: Summary) -> Figure:
    """One panel per task."""
    columns = min(3, len(summary.tasks))
    rows = -(-len(summary.tasks) // columns)
    figure = Figure(figsize=(WIDTH, 0.5 + 2.1 * rows))
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, task in zip(panels, summary.tasks, strict=False):
        draw_task(axes, summary, task)
    for axes in panels[len(summary.tasks) :]:
        axes.set_axis_off()
    for index, axes in enumerate(panels[: len(summary.tasks)]):
        if index % columns:
            axes.set_ylabel("")
        if index + columns < len(summary.tasks):
            axes.set_xlabel("")
    draw_legend(figure, summary, published=True)
    return figure


def draw_one_task(summary: Summary, task: str) -> Figure:
    """A task's panel as a figure of its own, for the page: fixed margins, since a layout is drawn twice."""
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure = Figure(figsize=(3.5, 2.5))
    figure.subplots_adjust(left=0.165, right=0.965, bottom=0.19, top=0.9)
    draw_task(figure.subplots(), summary, task)
    return figure


def draw_task(axes: Axes, summary: Summary, task: str) -> None:
    """Learning curves on one task: thin lines are runs, the thick one their IQM; open markers are published."""
    numbers = numbers_of(summary)
    for row, style in shown(summary):
        cell = summary.cell(row.variant, task)
        if draws_runs(summary, task):
            for run in cell.run_curves:
                lines = axes.plot(
                    cell.curve.x, run, color=style.light, linewidth=0.6, alpha=0.35, linestyle=style.line
                )
                mark(axes, numbers[row.variant], *lines)
        draw_band(axes, cell.curve, style, numbers[row.variant])
    for citation in summary.published:
        _published(axes, citation, task, numbers[citation.variant])
    cited = [point.env_steps for c in summary.published for point in c.curves.get(task, ())]
    _axis(axes, max([summary.budget, *cited]), summary.axis)
    axes.set_title(label(task, 34))
    axes.set_ylabel("return")
    axes.yaxis.set_major_locator(MaxNLocator(5))


def draws_runs(summary: Summary, task: str) -> bool:
    """Whether single runs are drawn; with too many of them nothing could be seen."""
    return sum(len(cell.seeds) for cell in summary.cells if cell.task == task) <= MOST_RUN_LINES


def draw_profile(summary: Summary) -> Figure:
    """Fraction of runs above each score."""
    figure = Figure(figsize=(WIDTH, 3.0))
    axes = figure.subplots()
    numbers = numbers_of(summary)
    for row, style in shown(summary):
        draw_band(axes, row.profile, style, numbers[row.variant], markers=False)
    axes.set_xlabel("normalised score τ")
    axes.set_ylabel("fraction of runs above τ")
    axes.set_ylim(-0.02, 1.02)
    draw_legend(figure, summary)
    return figure


def draw_band(axes: Axes, band: Band, style: VariantStyle, number: int, markers: bool = True) -> None:
    """A curve with its band."""
    if band.low is not None and band.high is not None:
        mark(axes, number, _area(axes, band.x, band.low, band.high, style.light))
    every = max(1, len(band.x) // 6)
    marker = style.marker if markers else "None"
    lines = axes.plot(band.x, band.point, color=style.light, linestyle=style.line, marker=marker, markevery=every)
    mark(axes, number, *lines)
    tell_curve(axes, number, band.x, band.point, band.low, band.high)


def _area(axes: Axes, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str) -> Polygon:
    """What `fill_between` draws, as one outline: half the work, where a report has hundreds of them."""
    outline = np.concatenate([np.column_stack([x, low]), np.column_stack([x, high])[::-1]])
    area = Polygon(outline, closed=True, color=colour, alpha=0.16, linewidth=0)
    area.set_transform(axes.transData)
    axes.add_artist(area)  # `add_patch` looks for the extremes of Bezier curves, of which there are none
    axes.update_datalim(outline)
    return area


def _published(axes: Axes, citation: Citation, task: str, number: int) -> None:
    """The published IQM where there is one, else the mean: open markers on a dotted line, with its interval."""
    points = citation.curves.get(task, ())
    if not points:
        return
    style = cited_style(citation.variant, PEERS)
    x = [point.env_steps for point in points]
    y = [point.mean if point.iqm is None else point.iqm for point in points]
    lines = axes.plot(x, y, color=style.light, ls=":", lw=1.2, marker=style.marker, mfc="none", ms=4.5)  # type: ignore[arg-type]
    mark(axes, number, *lines)
    low = [value if point.iqm_low is None else point.iqm_low for point, value in zip(points, y, strict=True)]
    high = [value if point.iqm_high is None else point.iqm_high for point, value in zip(points, y, strict=True)]
    mark(axes, number, axes.vlines(x, low, high, color=style.light, linewidth=0.8, alpha=0.7))  # type: ignore[arg-type]
    tell_curve(axes, number, x, y, low, high)  # type: ignore[arg-type]


def shown(summary: Summary) -> list[tuple[Any, VariantStyle]]:
    """The rows of the variants with their styles."""
    by_name = styles(summary.shown, summary.floor)
    return [(row, by_name[row.variant]) for row in summary.aggregates]


def _axis(axes: Axes, end: int, axis: str) -> None:
    """The axis from 0 to the end; seconds are written as minutes or hours where they are many."""
    name, size = AXES[axis], 1.0
    if axis == "wall_time" and end >= 120:
        name, size = ("hours of training", 3600.0) if end >= 7200 else ("minutes of training", 60.0)
    axes.set_xlabel(name)
    axes.set_xlim(0, end * 1.02)
    ticks = size * np.asarray(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(0, end / size))
    axes.xaxis.set_major_locator(FixedLocator(ticks[ticks <= end * 1.02].tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_steps(value / size)))


def draw_legend(figure: Figure, summary: Summary, published: bool = False) -> None:
    """Names above the figure, where there is room for them."""
    handles = [
        Line2D([], [], color=style.light, ls=style.line, marker=style.marker, label=label(row.variant))
        for row, style in shown(summary)
    ]
    for citation in summary.published if published else ():
        style = cited_style(citation.variant, PEERS)
        name = f"{label(citation.variant)} (published)"
        handles.append(Line2D([], [], color=style.light, ls=":", marker=style.marker, mfc="none", label=name))
    handles = handles[:MOST_IN_LEGEND]
    longest = max(len(str(handle.get_label())) for handle in handles)
    figure.legend(handles=handles, loc="outside upper left", ncols=4 if longest <= 12 else 2)
