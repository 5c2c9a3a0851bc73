"""Figures with a curve per variant: learning curves, sample efficiency, performance profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from dimebench.analysis.summary import Citation, Summary, VariantRow
from dimebench.figures.legend import add_legend
from dimebench.figures.look import REPORT, Look
from dimebench.figures.marks import Drawing
from dimebench.figures.style import MUTED, PAPER, VariantStyle, label, styles_of
from dimebench.numbers import AXES, short_steps, time_unit
from dimebench.stats import Band
from dimebench.wording.terms import score

MOST_RUN_LINES = 80  # of one panel; with more, the band alone is drawn
MARKERS = 6  # along a curve, about
BEYOND = 2  # times the budget: no axis is longer, or the part that is compared would be small


def draw_sample_efficiency(summary: Summary, look: Look = REPORT) -> Drawing:
    """IQM over all tasks against env steps."""
    drawing = Drawing(summary, look.width, _height(look))
    axes = drawing.figure.subplots()
    for place, (row, style) in enumerate(shown(summary)):
        _band(drawing, axes, row.variant, row.full_curve, style, place, summary.budget)
    _axis(axes, summary, [row.full_curve.x[-1] for row in summary.aggregates])
    axes.set_ylabel("IQM of normalised return")
    add_legend(drawing.figure, summary, look)
    return drawing


def draw_learning_curves(summary: Summary, look: Look = REPORT) -> Drawing:
    """One panel per task."""
    columns = min(3, len(summary.tasks), max(1, int(look.width / 1.6)))
    rows = -(-len(summary.tasks) // columns)
    drawing = Drawing(summary, look.width, 0.5 + min(2.1, 0.5 + 0.68 * look.width / columns) * rows)
    panels = drawing.figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels[len(summary.tasks) :]:
        axes.set_axis_off()
    titles = _titles(summary.tasks, look.letters(look.width / columns - 0.5))
    for index, (axes, task) in enumerate(zip(panels, summary.tasks, strict=False)):
        _task(drawing, axes, summary, task, look.width / columns)
        axes.set_title(titles[index])
        if index % columns:
            axes.set_ylabel("")
        if index + columns < len(summary.tasks):
            axes.set_xlabel("")
    add_legend(drawing.figure, summary, look, published=True)
    return drawing


def draw_one_task(summary: Summary, look: Look = REPORT, *, task: str) -> Drawing:
    """A task's panel as a figure of its own, for the page: fixed margins, since a layout is drawn twice."""
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        drawing = Drawing(summary, 3.5, 2.5)
    drawing.figure.subplots_adjust(left=0.165, right=0.965, bottom=0.19, top=0.9)
    axes = drawing.figure.subplots()
    _task(drawing, axes, summary, task, 3.5)
    axes.set_title(label(task, 34))
    return drawing


def _task(drawing: Drawing, axes: Axes, summary: Summary, task: str, width: float) -> None:
    """Learning curves on one task: thin lines are runs, the thick one their IQM; open markers are published."""
    single = draws_runs(summary, task)
    ends, cited = [], [point.env_steps for c in summary.published for point in c.curves.get(task, ())]
    for place, (row, style) in enumerate(shown(summary)):
        cell = summary.cell(row.variant, task)
        ends.append(cell.full_curve.x[-1])
        for run in cell.full_run_curves if single else ():
            lines = axes.plot(cell.full_curve.x, run, color=style.light, linewidth=0.6, alpha=0.35)
            drawing.mark(row.variant, *lines)
        _band(drawing, axes, row.variant, cell.full_curve, style, place, summary.budget)
    for citation in summary.published:
        _published(drawing, axes, citation, task, styles_of(summary)[citation.variant])
    _axis(axes, summary, ends, cited, ticks=5 if width >= 2 else 3)
    axes.set_ylabel("return")
    axes.yaxis.set_major_locator(MaxNLocator(5))


def draws_runs(summary: Summary, task: str) -> bool:
    """Whether single runs are drawn; with too many of them nothing could be seen."""
    return 0 < sum(len(cell.full_run_curves) for cell in summary.cells if cell.task == task) <= MOST_RUN_LINES


def full_curves(summary: Summary) -> list[Band]:
    """Every curve that is drawn against env steps."""
    return [row.full_curve for row in summary.aggregates] + [cell.full_curve for cell in summary.cells]


def draw_profile(summary: Summary, look: Look = REPORT) -> Drawing:
    """Fraction of runs above each score."""
    drawing = Drawing(summary, look.width, _height(look))
    axes = drawing.figure.subplots()
    for place, (row, style) in enumerate(shown(summary)):
        _band(drawing, axes, row.variant, row.profile, style, place)
    axes.set_xlabel(f"{score(summary)} τ")
    axes.set_ylabel("fraction of runs above τ")
    axes.set_ylim(-0.02, 1.02)
    add_legend(drawing.figure, summary, look)
    return drawing


def _height(look: Look) -> float:
    """Inches, of a figure with one wide panel."""
    return min(3.2, 0.4 + 0.52 * look.width)


def _titles(tasks: Sequence[str], room: int) -> list[str]:
    """The tasks' names, all without their library where that alone makes room for one of them."""
    short = [task.split("/", 1)[-1] for task in tasks]
    whole = all(len(task) <= room for task in tasks) or len(set(short)) < len(tasks)
    return [label(task, room) for task in (tasks if whole else short)]


def _band(
    drawing: Drawing,
    axes: Axes,
    variant: str,
    band: Band,
    style: VariantStyle,
    place: int,
    budget: float | None = None,
) -> None:
    """A curve with its band, lighter and thinner beyond the budget; markers of neighbours stand apart by `place`."""
    if band.low is not None and band.high is not None:
        drawing.mark(variant, _area(axes, band.x, band.low, band.high, style.light))
    kept = len(band.x) if budget is None else int(np.searchsorted(band.x, budget, side="right"))
    every = max(1, kept // MARKERS)
    looks: dict[str, Any] = {"color": style.light, "linestyle": style.line, "marker": style.marker}
    lines = axes.plot(band.x[:kept], band.point[:kept], markevery=(place * 3 % 7 * every // 7, every), **looks)
    if kept < len(band.x):
        from_there, many = slice(max(0, kept - 1), None), max(1, (len(band.x) - kept) // MARKERS)
        looks |= {"linewidth": 0.9, "alpha": 0.6, "markersize": 3.5, "markevery": (many, many)}
        lines += axes.plot(band.x[from_there], band.point[from_there], **looks)
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


def _published(drawing: Drawing, axes: Axes, citation: Citation, task: str, style: VariantStyle) -> None:
    """The published IQM where there is one, else the mean: open markers on a dotted line, with its interval."""
    points = citation.curves.get(task, ())
    if not points:
        return
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


def _axis(axes: Axes, summary: Summary, ends: Sequence[float], cited: Sequence[float] = (), ticks: int = 5) -> None:
    """The axis from 0 to where the last curve ends, up to BEYOND budgets; a line marks the budget where curves go on.

    Seconds are written as minutes or hours where they are many.
    """
    end = min(max(float(summary.budget), *ends, *cited), float(BEYOND * summary.budget))
    if any(e > summary.budget for e in ends):
        axes.axvline(summary.budget, color=MUTED, linewidth=0.9, linestyle=(0, (1.5, 2.0)), zorder=1)
    name, size = AXES[summary.axis], 1.0
    if summary.axis == "wall_time":
        unit, size = time_unit(end)
        name = f"{unit} of training"
    axes.set_xlabel(name)
    axes.set_xlim(0, end * 1.02)
    places = size * np.asarray(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10]).tick_values(0, end / size))
    axes.xaxis.set_major_locator(FixedLocator(places[places <= end * 1.02].tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_steps(value / size)))
