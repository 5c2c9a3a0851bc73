"""The figures of a report, drawn with matplotlib's object API: no pyplot, no global figure state.

Every figure is a function of the summary alone and comes out byte for byte the same (fixed SVG ids, no
dates in the files), whatever matplotlib was told elsewhere. A name in characters that matplotlib's own font lacks is
drawn with an installed one.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import matplotlib as mpl
from matplotlib.figure import Figure

import dimebench
from dimebench import own_matplotlib
from dimebench.analysis.renamed import renamed
from dimebench.analysis.summary import Summary
from dimebench.figures import captions
from dimebench.figures.curves import draw_learning_curves, draw_profile, draw_sample_efficiency
from dimebench.figures.legend import draw_legend
from dimebench.figures.look import PAGE, REPORT, Look
from dimebench.figures.marks import Drawing
from dimebench.figures.matrix import MOST_IN_MATRIX, draw_matrix
from dimebench.figures.pool import FigurePool
from dimebench.figures.rows import draw_aggregates, draw_cost, draw_improvement, draw_ranking
from dimebench.store import atomic_write
from dimebench.wording import terms

FORMATS = ("svg", "png", "pdf")
NO_DATES: dict[str, dict[str, Any]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}
_NONE: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
PER_TASK = "learning_curves"  # the figure with a panel per task
RANKING = "ranking"  # the figure that a page shows as its own table


class Draws(Protocol):
    """A function that draws a figure of the summary, with a look or with that of a report."""

    def __call__(self, summary: Summary, look: Look = REPORT) -> Drawing: ...


@dataclass(frozen=True)
class FigureSpec:
    """A figure: file name, heading, how it is drawn and what is said below it."""

    name: str
    title: str
    draw: Draws
    caption: Callable[[Summary], str]
    applies: Callable[[Summary], bool] = lambda summary: True


@dataclass(frozen=True)
class Wanted:
    """The files of one figure: `formats` of `FORMATS`, with this look, the variants called so (old, new)."""

    name: str
    formats: tuple[str, ...]
    look: Look = REPORT
    names: tuple[tuple[str, str], ...] = ()
    runs: bool = True  # single runs are drawn, where there are not too many


def write_figures(
    summary: Summary,
    out_dir: Path,
    formats: Sequence[str] = FORMATS,
    pool: FigurePool | None = None,
    looks: Mapping[str, Look] = MappingProxyType({"": REPORT}),
    names: Mapping[str, str] = MappingProxyType({}),
    runs: bool = True,
) -> list[Path]:
    """Write every figure that applies in every format. Returns the paths.

    looks: by what a file's name has after the figure's. names: what variants are called instead. runs: single runs
    are drawn.
    Raises ValueError for an unknown format, OSError where a file cannot be written.
    """
    unknown = [form for form in formats if form not in FORMATS]
    if unknown:
        raise ValueError(f"unknown figure format '{unknown[0]}' (known: {', '.join(FORMATS)})")
    paths = []
    wanted = _files_of(summary, formats, looks, names, runs)
    drawn = dict(zip(wanted, (pool or FigurePool.here(summary)).each(_draw_files, wanted), strict=True))
    for spec in specs(summary):
        for ending, look in looks.items():
            for form, content in drawn[Wanted(spec.name, tuple(formats), look, tuple(names.items()), runs)].items():
                path = out_dir / f"{spec.name}{ending}.{form}"
                atomic_write(path, content)
                paths.append(path)
    return paths


def begin_figures(
    summary: Summary,
    formats: Sequence[str],
    pool: FigurePool,
    looks: Mapping[str, Look] = MappingProxyType({"": REPORT}),
    names: Mapping[str, str] = MappingProxyType({}),
    runs: bool = True,
) -> None:
    """Start drawing what `write_figures` will ask for."""
    pool.begin(_draw_files, _files_of(summary, formats, looks, names, runs))


def _files_of(
    summary: Summary, formats: Sequence[str], looks: Mapping[str, Look], names: Mapping[str, str], runs: bool
) -> list[Wanted]:
    """What is to be drawn; first the figure that takes as long as all others together."""
    found = sorted((spec.name for spec in specs(summary)), key=lambda name: name != PER_TASK)
    called = tuple(names.items())
    return [Wanted(name, tuple(formats), look, called, runs) for name in found for look in looks.values()]


def _draw_files(summary: Summary, wanted: Wanted) -> dict[str, bytes]:
    """The files of a figure, by format."""
    spec = spec_of(wanted.name)
    shown = renamed(summary if wanted.runs else without_runs(summary), dict(wanted.names))
    return render(spec.draw, shown, wanted.formats, wanted.look, spec.title)


def without_runs(summary: Summary) -> Summary:
    """The summary whose figures have no line for each run, and whose captions speak of none."""
    return replace(summary, cells=tuple(replace(cell, full_run_curves=()) for cell in summary.cells))


def draw_of(name: str) -> Draws:
    """How the figure of that name is drawn."""
    return spec_of(name).draw


def spec_of(name: str) -> FigureSpec:
    return next(spec for spec in FIGURES if spec.name == name)


def render(
    draw: Draws,
    summary: Summary,
    formats: Sequence[str] = FORMATS,
    look: Look = REPORT,
    title: str = "",
    **rc: Any,
) -> dict[str, bytes]:
    """The figure's files in formats of `FORMATS`; `rc` overrides matplotlib settings.

    Drawn and laid out once: a figure looks the same in every format, whichever others were asked for.
    """
    with own_matplotlib.drawing(look.rc(summary) | rc):
        return saved(draw(summary, look).figure, formats, metadata_of(summary, title) if title else {})


def render_legend(summary: Summary, look: Look) -> bytes:
    """The legend alone as PDF, for figures that stand together."""
    with own_matplotlib.drawing(look.rc(summary)):
        return saved(draw_legend(summary, look), ["pdf"], metadata_of(summary, "Legend"))["pdf"]


def render_for_page(draw: Draws, summary: Summary, **rc: Any) -> tuple[str, list[dict[str, Any]]]:
    """The figure as SVG without its legend, which the page has once, and its panels' numbers."""
    with own_matplotlib.drawing(PAGE.rc(summary) | rc):
        drawing = draw(summary, PAGE)
        return saved(drawing.figure, ["svg"])["svg"].decode(), drawing.panels()


def saved(figure: Figure, formats: Sequence[str], about: Mapping[str, Mapping[str, Any]] = _NONE) -> dict[str, bytes]:
    """The figure's files. Laid out first: with a layout engine each `savefig` draws twice and lays out anew.

    about: metadata by format.
    """
    engine, files = figure.get_layout_engine(), {}
    if engine is not None:
        engine.execute(figure)
    with mpl.rc_context({"figure.constrained_layout.use": False}):  # or None would be the usual engine again
        figure.set_layout_engine(None)
        for form in formats:
            buffer = io.BytesIO()
            figure.savefig(buffer, format=form, metadata=NO_DATES[form] | dict(about.get(form, {})))
            files[form] = buffer.getvalue()
    return files


def metadata_of(summary: Summary, title: str) -> dict[str, dict[str, Any]]:
    """What a file says of itself: title, suite, budget, and the version that has drawn it; no dates. By format."""
    subject = f"suite {summary.suite}, matched at {terms.at_budget(summary)}, by dimebench {dimebench.__version__}"
    words = ["dimebench", summary.suite, *summary.variants]
    return {
        "pdf": {"Title": title, "Subject": subject, "Keywords": ", ".join(words)},
        "svg": {"Title": title, "Description": subject, "Keywords": words},
        "png": {"Title": title, "Description": subject},
    }


def specs(summary: Summary) -> list[FigureSpec]:
    """The figures that this summary has something to show in."""
    return [spec for spec in FIGURES if spec.applies(summary)]


FIGURES = (
    FigureSpec("aggregates", "Aggregate scores", draw_aggregates, captions.aggregates),
    FigureSpec(RANKING, "Ranking", draw_ranking, captions.ranking, lambda summary: bool(summary.ranking)),
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
