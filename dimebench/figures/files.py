"""The figures of a report, drawn with matplotlib's object API: no pyplot, no global figure state.

Every figure is a function of the summary alone and comes out byte for byte the same (fixed SVG ids, no
dates in the files), whatever matplotlib was told elsewhere. A name in characters that matplotlib's own font lacks is
drawn with an installed one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from dimebench import own_matplotlib
from dimebench.analysis.summary import Summary
from dimebench.figures import captions, fonts
from dimebench.figures.curves import draw_learning_curves, draw_profile, draw_sample_efficiency
from dimebench.figures.marks import Drawing
from dimebench.figures.pool import FigurePool
from dimebench.figures.rows import draw_aggregates, draw_cost, draw_improvement, draw_matrix
from dimebench.figures.style import RC
from dimebench.store import atomic_write

FORMATS = ("svg", "png", "pdf")
NO_DATES: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}
MOST_IN_MATRIX = 24  # variants
PER_TASK = "learning_curves"  # the figure with a panel per task


@dataclass(frozen=True)
class FigureSpec:
    """A figure: file name, heading, how it is drawn and what is said below it."""

    name: str
    title: str
    draw: Callable[[Summary], Drawing]
    caption: Callable[[Summary], str]
    applies: Callable[[Summary], bool] = lambda summary: True


def write_figures(
    summary: Summary, out_dir: Path, formats: Sequence[str] = FORMATS, pool: FigurePool | None = None
) -> list[Path]:
    """Write every figure that applies in every format. Returns the paths.

    Raises ValueError for an unknown format, OSError where a file cannot be written.
    """
    unknown = [form for form in formats if form not in FORMATS]
    if unknown:
        raise ValueError(f"unknown figure format '{unknown[0]}' (known: {', '.join(FORMATS)})")
    paths = []
    wanted = _files_of(summary, formats)
    drawn = dict(zip(wanted, (pool or FigurePool.here(summary)).each(_draw_files, wanted), strict=True))
    for spec in specs(summary):
        for form, content in drawn[spec.name, tuple(formats)].items():
            path = out_dir / f"{spec.name}.{form}"
            atomic_write(path, content)
            paths.append(path)
    return paths


def begin_figures(summary: Summary, formats: Sequence[str], pool: FigurePool) -> None:
    """Start drawing what `write_figures` will ask for."""
    pool.begin(_draw_files, _files_of(summary, formats))


def _files_of(summary: Summary, formats: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """What is to be drawn; first the figure that takes as long as all others together."""
    names = sorted((spec.name for spec in specs(summary)), key=lambda name: name != PER_TASK)
    return [(name, tuple(formats)) for name in names]


def _draw_files(summary: Summary, wanted: tuple[str, tuple[str, ...]]) -> dict[str, bytes]:
    """The files of the figure of that name, by format."""
    name, formats = wanted
    return render(draw_of(name), summary, formats)


def draw_of(name: str) -> Callable[[Summary], Drawing]:
    """How the figure of that name is drawn."""
    return next(spec.draw for spec in FIGURES if spec.name == name)


def render(
    draw: Callable[[Summary], Drawing], summary: Summary, formats: Sequence[str] = FORMATS, **rc: Any
) -> dict[str, bytes]:
    """The figure's files in formats of `FORMATS`; `rc` overrides matplotlib settings.

    Drawn and laid out once: a figure looks the same in every format, whichever others were asked for.
    """
    with own_matplotlib.drawing(RC | fonts.rc_of(summary) | rc):
        return _saved(draw(summary).figure, formats)


def render_for_page(
    draw: Callable[[Summary], Drawing], summary: Summary, **rc: Any
) -> tuple[str, list[dict[str, Any]]]:
    """The figure as SVG without its legend, which the page has once, and its panels' numbers."""
    with own_matplotlib.drawing(RC | fonts.rc_of(summary) | rc):
        drawing = draw(summary)
        drawing.figure.legends.clear()
        return _saved(drawing.figure, ["svg"])["svg"].decode(), drawing.panels()


def _saved(figure: Figure, formats: Sequence[str]) -> dict[str, bytes]:
    """The figure's files. Laid out first: with a layout engine each `savefig` draws twice and lays out anew."""
    engine, files = figure.get_layout_engine(), {}
    if engine is not None:
        engine.execute(figure)
    with mpl.rc_context({"figure.constrained_layout.use": False}):  # or None would be the usual engine again
        figure.set_layout_engine(None)
        for form in formats:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=form, metadata=NO_DATES[form])
            files[form] = buffer.getvalue()
    return files


def specs(summary: Summary) -> list[FigureSpec]:
    """The figures that this summary has something to show in."""
    return [spec for spec in FIGURES if spec.applies(summary)]


FIGURES = (
    FigureSpec("aggregates", "Aggregate scores", draw_aggregates, captions.aggregates),
    FigureSpec(PER_TASK, "Learning curves", draw_learning_curves, captions.learning_curves),
    FigureSpec("performance_profile", "Performance profile", draw_profile, captions.profile),
    FigureSpec(
        "improvement_matrix",
        "Probability of improvement",
        draw_matrix,
        captions.matrix,
        lambda summary: 1 < len(summary.variants) <= MOST_IN_MATRIX,
    ),
    FigureSpec(
        "probability_of_improvement",
        "Differences and probability of improvement",
        draw_improvement,
        captions.improvement,
        lambda summary: bool(summary.comparisons),
    ),
    FigureSpec(
        "sample_efficiency", "Sample efficiency over all tasks", draw_sample_efficiency, captions.sample_efficiency
    ),
    FigureSpec(
        "cost",
        "Cost",
        draw_cost,
        captions.cost,
        lambda summary: any(r.median_wall_time_s for r in summary.aggregates),
    ),
)
