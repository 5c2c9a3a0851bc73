"""The legend of a figure: outside its panels, with every name, in as many columns as its width has room for."""

from __future__ import annotations

from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from dimebench.analysis.summary import Summary
from dimebench.figures.look import Look
from dimebench.figures.style import PAPER, VariantStyle, label, styles_of

MOST_ABOVE = 2  # rows; a longer legend stands below, where it is not in the way
SHAPE: dict[str, Any] = {"handlelength": 3.4, "columnspacing": 1.4, "borderpad": 0.2}
PAD = 0.06  # inches, between legend and panels
MARGIN = 0.05  # share of the width that no row of a legend fills: text is not as wide in every format


def add_legend(figure: Figure, summary: Summary, look: Look, published: bool = False) -> None:
    """Names above the figure, or below it where they are many; the figure grows by what they take."""
    if not look.legend:
        return
    handles = handles_of(summary, look, published)
    columns = _columns(figure, handles, look)
    where: Any = "outside upper left" if len(handles) <= MOST_ABOVE * columns else "outside lower left"
    legend = figure.legend(handles=handles, loc=where, ncols=columns, **SHAPE)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + _size(figure, legend)[1] + PAD)


def draw_legend(summary: Summary, look: Look) -> Figure:
    """The legend alone, for figures that stand together."""
    figure = Figure(figsize=(look.width, 1.0))
    figure.set_layout_engine("none")
    handles = handles_of(summary, look, published=True)
    found = figure.legend(handles=handles, loc="upper left", ncols=_columns(figure, handles, look), **SHAPE)
    figure.set_size_inches(look.width, _size(figure, found)[1] + PAD)
    return figure


def handles_of(summary: Summary, look: Look, published: bool) -> list[Line2D]:
    """A piece of each variant's line with its name, and of each published reference's that is drawn."""
    by_name = styles_of(summary)
    room = look.letters(look.width - 0.7)
    handles = [_handle(by_name[name], label(name, room)) for name in summary.shown]
    for citation in summary.drawn_published if published else ():
        name = f"{label(citation.variant, room - 12)} (published)"
        handles.append(_handle(by_name[citation.variant], name, PAPER))
    return handles


def _handle(style: VariantStyle, name: str, fill: str | None = None) -> Line2D:
    return Line2D(
        [], [], color=style.light, ls=style.line, marker=style.marker, mfc=fill or style.light, label=name, lw=1.5
    )


def _columns(figure: Figure, handles: list[Line2D], look: Look) -> int:
    """The most columns that the figure's width has room for; fewer, where that takes no more rows."""
    for columns in range(min(len(handles), 8), 1, -1):
        legend = Legend(figure, handles, [str(handle.get_label()) for handle in handles], ncols=columns, **SHAPE)
        if _size(figure, legend)[0] <= look.width * (1 - MARGIN):
            return -(-len(handles) // -(-len(handles) // columns))
    return 1


def _size(figure: Figure, legend: Legend) -> tuple[float, float]:
    """Width and height, inches."""
    extent = legend.get_window_extent(FigureCanvasAgg(figure).get_renderer())  # type: ignore[no-untyped-call]
    return extent.width / figure.dpi, extent.height / figure.dpi
