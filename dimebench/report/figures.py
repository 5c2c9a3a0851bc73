"""The figures of a report, drawn with matplotlib's object API: no pyplot, no global figure state.

Every figure is a function of the summary alone and comes out byte for byte the same (fixed SVG ids, no
dates in the files).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from dimebench.report import captions
from dimebench.report.numbers import short_steps
from dimebench.report.style import INK, MUTED, RC, Look, label, looks
from dimebench.report.summary import Summary
from dimebench.stats import Band, Estimate
from dimebench.store import atomic_write

FORMATS = ("svg", "png", "pdf")
NO_DATES: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
WIDTH = 7.2  # inches: the text width of a paper
AGGREGATES = (("iqm", "IQM"), ("median", "median"), ("mean", "mean"), ("optimality_gap", "optimality gap"))


@dataclass(frozen=True)
class FigureSpec:
    """A figure: file name, heading, how it is drawn and what is said below it."""

    name: str
    title: str
    draw: Callable[[Summary], Figure]
    caption: Callable[[Summary], str]
    applies: Callable[[Summary], bool] = lambda summary: True


def write_figures(summary: Summary, out_dir: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write every figure that applies in every format. Returns the paths.

    Raises ValueError for an unknown format, OSError where a file cannot be written.
    """
    unknown = [form for form in formats if form not in FORMATS]
    if unknown:
        raise ValueError(f"unknown figure format '{unknown[0]}' (known: {', '.join(FORMATS)})")
    paths = []
    for spec in specs(summary):
        for form in formats:
            path = out_dir / f"{spec.name}.{form}"
            atomic_write(path, render(spec.draw, summary, form))
            paths.append(path)
    return paths


def render(draw: Callable[[Summary], Figure], summary: Summary, form: str, **rc: Any) -> bytes:
    """The figure's file in a format of `FORMATS`; `rc` overrides matplotlib settings."""
    with mpl.rc_context(cast(Any, RC | rc)):
        buffer = io.BytesIO()
        draw(summary).savefig(buffer, format=form, metadata=NO_DATES[form])
    return buffer.getvalue()


def specs(summary: Summary) -> list[FigureSpec]:
    """The figures that this summary has something to show in."""
    return [spec for spec in FIGURES if spec.applies(summary)]


def draw_sample_efficiency(summary: Summary) -> Figure:
    """IQM over all tasks against env steps."""
    figure = Figure(figsize=(WIDTH, 3.2))
    axes = figure.subplots()
    for row, look in _rows(summary):
        _curve(axes, row.curve, look, label(row.variant))
    _step_axis(axes, summary.budget)
    axes.set_ylabel("IQM of normalised return")
    _legend(figure, summary)
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
    _legend(figure, summary)
    return figure


def draw_one_task(summary: Summary, task: str) -> Figure:
    """A task's panel as a figure of its own, for the page."""
    figure = Figure(figsize=(3.5, 2.5))
    draw_task(figure.subplots(), summary, task)
    return figure


def draw_task(axes: Axes, summary: Summary, task: str) -> None:
    """Learning curves on one task: thin lines are runs, the thick one their IQM."""
    for row, look in _rows(summary):
        cell = summary.cell(row.variant, task)
        for run in cell.run_curves:
            axes.plot(cell.curve.x, run, color=look.light, linewidth=0.6, alpha=0.35, linestyle=look.line)
        _curve(axes, cell.curve, look, label(row.variant))
    _step_axis(axes, summary.budget)
    axes.set_title(label(task, 34))
    axes.set_ylabel("return")
    axes.yaxis.set_major_locator(MaxNLocator(5))


def draw_aggregates(summary: Summary) -> Figure:
    """Point estimates and intervals of the four aggregates, one panel each."""
    figure = Figure(figsize=(WIDTH, 0.75 + 0.32 * len(summary.aggregates)))
    panels = figure.subplots(1, len(AGGREGATES), sharey=True)
    for axes, (name, title) in zip(panels, AGGREGATES, strict=True):
        for place, (row, look) in enumerate(_rows(summary)):
            _interval(axes, place, row.estimates[name], look)
        axes.set_title(title)
        axes.set_xlabel("lower is better" if name == "optimality_gap" else "normalised score", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    _names_down(panels[0], [label(row.variant, 26) for row in summary.aggregates])
    return figure


def draw_profile(summary: Summary) -> Figure:
    """Fraction of runs above each score."""
    figure = Figure(figsize=(WIDTH, 3.0))
    axes = figure.subplots()
    for row, look in _rows(summary):
        _curve(axes, row.profile, look, label(row.variant), markers=False)
    axes.set_xlabel("normalised score τ")
    axes.set_ylabel("fraction of runs above τ")
    axes.set_ylim(-0.02, 1.02)
    _legend(figure, summary)
    return figure


def draw_improvement(summary: Summary) -> Figure:
    """Each comparison: IQM difference and probability of improvement."""
    found = summary.comparisons
    figure = Figure(figsize=(WIDTH, 0.8 + 0.34 * len(found)))
    left, right = figure.subplots(1, 2, sharey=True)
    by_name = looks(summary.shown, summary.floor)
    for place, comparison in enumerate(found):
        better = comparison.a if comparison.difference.point >= 0 else comparison.b
        _interval(left, place, comparison.difference, by_name[better])
        _interval(right, place, comparison.improvement, by_name[better])
    for axes, nothing, title in ((left, 0.0, "IQM(A) - IQM(B)"), (right, 0.5, "P(A > B)")):
        axes.axvline(nothing, color=MUTED, linewidth=1.0, linestyle="--")
        axes.set_title(title)
    left.set_xlabel("normalised score", fontsize=8)
    right.set_xlabel("probability", fontsize=8)
    right.set_xlim(-0.02, 1.02)
    _names_down(left, [f"{label(c.a, 22)} - {label(c.b, 22)}" for c in found])
    return figure


def _rows(summary: Summary) -> list[tuple[Any, Look]]:
    by_name = looks(summary.shown, summary.floor)
    return [(row, by_name[row.variant]) for row in summary.aggregates]


def _curve(axes: Axes, band: Band, look: Look, name: str, markers: bool = True) -> None:
    if band.low is not None and band.high is not None:
        axes.fill_between(band.x, band.low, band.high, color=look.light, alpha=0.16, linewidth=0)
    every = max(1, len(band.x) // 6)
    marker = look.marker if markers else "None"
    axes.plot(band.x, band.point, color=look.light, linestyle=look.line, marker=marker, markevery=every, label=name)


def _interval(axes: Axes, place: int, estimate: Estimate, look: Look) -> None:
    """A horizontal bar with a tick at the point; the marker alone where there is no interval."""
    x, y = [estimate.point], [place]
    if estimate.interval is None:
        axes.plot(x, y, color=look.light, marker=look.marker, markersize=6)
        return
    ends = (estimate.interval.low, estimate.interval.high)
    axes.plot(ends, (place, place), color=look.light, linewidth=9, alpha=0.35, solid_capstyle="butt")
    axes.plot(x, y, color=look.light, marker="|", markersize=11, markeredgewidth=2.2)


def _names_down(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", labelsize=8.5, labelcolor=INK)
    axes.grid(axis="y", visible=False)


def _step_axis(axes: Axes, budget: int) -> None:
    axes.set_xlabel("env steps")
    axes.set_xlim(0, budget * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_steps(value)))


def _legend(figure: Figure, summary: Summary) -> None:
    handles = [
        Line2D([], [], color=look.light, ls=look.line, marker=look.marker, label=label(row.variant))
        for row, look in _rows(summary)
    ]
    longest = max(len(label(row.variant)) for row, _ in _rows(summary))
    figure.legend(handles=handles, loc="outside upper left", ncols=4 if longest <= 12 else 2)


FIGURES = (
    FigureSpec("learning_curves", "Learning curves", draw_learning_curves, captions.learning_curves),
    FigureSpec(
        "sample_efficiency", "Sample efficiency over all tasks", draw_sample_efficiency, captions.sample_efficiency
    ),
    FigureSpec("aggregates", "Aggregate scores", draw_aggregates, captions.aggregates),
    FigureSpec("performance_profile", "Performance profile", draw_profile, captions.profile),
    FigureSpec(
        "probability_of_improvement",
        "Differences and probability of improvement",
        draw_improvement,
        captions.improvement,
        lambda summary: bool(summary.comparisons),
    ),
)
