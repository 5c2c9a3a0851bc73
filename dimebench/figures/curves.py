"""Figures with a curve per variant: learning curves, sample efficiency, performance profile."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from dimebench.analysis.summary import Citation, Summary, VariantRow
from dimebench.figures.marks import Drawing
from dimebench.figures.style import PAPER, VariantStyle, label, styles_of
from dimebench.numbers import AXES, short_steps
from dimebench.stats import Band

WIDTH = 7.2  # inches: the text width of a paper
MOST_RUN_LINES = 80  # of one panel; with more, the band alone is drawn
MOST_IN_LEGEND = 24


def draw_sample_efficiency(summary: Summary) -> Drawing:
    """IQM over all tasks against env steps."""
    drawing = Drawing(summary, WIDTH, 3.2)
    axes = drawing.figure.subplots()
    for row, style in shown(summary):
        _band(drawing, axes, row.variant, row.curve, style)
    _axis(axes, summary.budget, summary.axis)
    axes.set_ylabel("IQM of normalised return")
    _legend(drawing.figure, summary)
    return drawing


def draw_learning_curves(summary: Summary) -> Drawing:
    """One panel per task."""
    columns = min(3, len(summary.tasks))
    rows = -(-len(summary.tasks) // columns)
    drawing = Drawing(summary, WIDTH, 0.5 + 2.1 * rows)
    panels = drawing.figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(summary.tasks) :]:
        axes.set_axis_off()
    for index, (axes, task) in enumerate(zip(panels, summary.tasks, strict=False)):
        _task(drawing, axes, summary, task)
        if index % columns:
            axes.set_ylabel("")
        if index + columns < len(summary.tasks):
            axes.set_xlabel("")
    _legend(drawing.figure, summary, published=True)
    return drawing


def draw_one_task(summary: Summary, task: str) -> Drawing:
    """A task's panel as a figure of its own, for the page: fixed margins, since a layout is drawn twice."""
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        drawing = Drawing(summary, 3.5, 2.5)
    drawing.figure.subplots_adjust(left=0.165, right=0.965, bottom=0.19, top=0.9)
    _task(drawing, drawing.figure.subplots(), summary, task)
    return drawing


def _task(drawing: Drawing, axes: Axes, summary: Summary, task: str) -> None:
    """Learning curves on one task: thin lines are runs, the thick one their IQM; open markers are published."""
    single = draws_runs(summary, task)
    for row, style in shown(summary):
        cell = summary.cell(row.variant, task)
        for run in cell.run_curves if single else ():
            lines = axes.plot(cell.curve.x, run, color=style.light, linewidth=0.6, alpha=0.35, linestyle=style.line)
            drawing.mark(row.variant, *lines)
        _band(drawing, axes, row.variant, cell.curve, style)
    for citation in summary.published:
        _published(drawing, axes, summary, citation, task)
    cited = [point.env_steps for c in summary.published for point in c.curves.get(task, ())]
    _axis(axes, max([summary.budget, *cited]), summary.axis)
    axes.set_title(label(task, 34))
    axes.set_ylabel("return")
    axes.yaxis.set_major_locator(MaxNLocator(5))


def draws_runs(summary: Summary, task: str) -> bool:
    """Whether single runs are drawn; with too many of them nothing could be seen."""
    return sum(len(cell.seeds) for cell in summary.cells if cell.task == task) <= MOST_RUN_LINES


def draw_profile(summary: Summary) -> Drawing:
    """Fraction of runs above each score."""
    drawing = Drawing(summary, WIDTH, 3.0)
    axes = drawing.figure.subplots()
    for row, style in shown(summary):
        _band(drawing, axes, row.variant, row.profile, style, markers=False)
    axes.set_xlabel("normalised score τ")
    axes.set_ylabel("fraction of runs above τ")
    axes.set_ylim(-0.02, 1.02)
    _legend(drawing.figure, summary)
    return drawing


def _band(drawing: Drawing, axes: Axes, variant: str, band: Band, style: VariantStyle, markers: bool = True) -> None:
    """A curve with its band."""
    if band.low is not None and band.high is not None:
        drawing.mark(variant, _area(axes, band.x, band.low, band.high, style.light))
    every = max(1, len(band.x) // 6)
    marker = style.marker if markers else "None"
    lines = axes.plot(band.x, band.point, color=style.light, linestyle=style.line, marker=marker, markevery=every)
    drawing.mark(variant, *lines)
    drawing.add_curve(axes, variant, band.x, band.point, band.low, band.high)


def _area(axes: Axes, x: Sequence[float], low: Sequence[float], high: Sequence[float], colour: str) -> Polygon:
    """What `fill_between` draws, as one outline: half the work, where a report has hundreds of them."""
    outline = np.concatenate([np.column_stack([x, low]), np.column_stack([x, high])[::-1]])
    area = Polygon(outline, closed=True, color=colour, alpha=0.16, linewidth=0)
    area.set_transform(axes.transData)
    axes.add_artist(area)  # `add_patch` looks for the extremes of Bezier curves, of which there are none
    axes.update_datalim(outline)
    return area


def _published(drawing: Drawing, axes: Axes, summary: Summary, citation: Citation, task: str) -> None:
    """The published IQM where there is one, else the mean: open markers on a dotted line, with its interval."""
    points = citation.curves.get(task, ())
    if not points:
        return
    style = styles_of(summary)[citation.variant]
    x = [point.env_steps for point in points]
    y = [point.value if point.iqm is None else point.iqm for point in points]
    lines = axes.plot(x, y, color=style.light, ls=style.line, lw=1.2, marker=style.marker, mfc=PAPER, ms=4.5)
    drawing.mark(citation.variant, *lines)
    low = [value if point.iqm_low is None else point.iqm_low for point, value in zip(points, y, strict=True)]
    high = [value if point.iqm_high is None else point.iqm_high for point, value in zip(points, y, strict=True)]
    drawing.mark(citation.variant, axes.vlines(x, low, high, color=style.light, linewidth=0.8, alpha=0.7))
    drawing.add_curve(axes, citation.variant, x, y, low, high)


def shown(summary: Summary) -> list[tuple[VariantRow, VariantStyle]]:
    """The rows of the variants with their styles."""
    by_name = styles_of(summary)
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


def _legend(figure: Figure, summary: Summary, published: bool = False) -> None:
    """Names above the figure, where there is room for them."""
    handles = [
        Line2D([], [], color=style.light, ls=style.line, marker=style.marker, label=label(row.variant))
        for row, style in shown(summary)
    ]
    for citation in summary.drawn_published if published else ():
        style = styles_of(summary)[citation.variant]
        name = f"{label(citation.variant)} (published)"
        handles.append(Line2D([], [], color=style.light, ls=style.line, marker=style.marker, mfc=PAPER, label=name))
    handles = handles[:MOST_IN_LEGEND]
    longest = max(len(str(handle.get_label())) for handle in handles)
    figure.legend(handles=handles, loc="outside upper left", ncols=4 if longest <= 12 else 2)
