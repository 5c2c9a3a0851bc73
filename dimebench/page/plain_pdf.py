"""The report as PDF without a browser: verdict and tables as text, then each figure with title and caption, on A4."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from rich.console import Console

from dimebench import own_matplotlib
from dimebench.analysis.summary import Summary
from dimebench.errors import printable
from dimebench.figures import fonts
from dimebench.figures.files import NO_DATES, specs
from dimebench.figures.style import INK, MUTED, RC
from dimebench.tables.answer import render
from dimebench.wording.terms import at_budget

PAGE = (8.27, 11.69)  # A4, inches
MARGIN = 0.5
LINES = 96  # of a text page
COLUMNS = 128
TEXT_SIZE, TITLE_SIZE, CAPTION_SIZE = 6.6, 12.0, 8.0  # points
CAPTION_COLUMNS = 118
GAP = 0.2  # between title, figure and caption
MOST_SHRUNK = 0.65  # a figure that is higher than the page is drawn less high, down to this; then as a picture
DPI = 300  # of a picture


def plain_pdf(summary: Summary) -> bytes:
    """The PDF: the same for the same summary."""
    buffer = io.BytesIO()
    with own_matplotlib.drawing(RC | fonts.rc_of(summary)), PdfPages(buffer, metadata=NO_DATES["pdf"]) as pages:
        for lines in _text_pages(_lines(summary)):
            pages.savefig(_text_page(lines))
        for spec in specs(summary):
            figure, box = figure_page(spec.draw(summary).figure, spec.title, spec.caption(summary))
            with mpl.rc_context({"figure.constrained_layout.use": False}):  # laid out already
                pages.savefig(figure, bbox_inches=box)
    return buffer.getvalue()


def _lines(summary: Summary) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=COLUMNS, color_system=None, markup=False, emoji=False, _environ={})
    console.print(render(summary))
    return [f"{summary.suite}, matched at {at_budget(summary)}", "", *map(printable, file.getvalue().splitlines())]


def _text_pages(lines: Sequence[str]) -> list[list[str]]:
    """Pages of lines: what stands between two empty lines stays together where a page has room for it."""
    pages: list[list[str]] = [[]]
    for blank, block in groupby(map(str.rstrip, lines), lambda line: not line):
        part = list(block)
        if not blank and len(pages[-1]) + len(part) > LINES and pages[-1]:
            pages.append([])
        while len(part) > LINES:
            pages[-1] += part[:LINES]
            part = part[LINES:]
            pages.append([])
        if not blank or pages[-1]:
            pages[-1] += part
    return [page for page in pages if page]


def _text_page(lines: Sequence[str]) -> Figure:
    figure = Figure(figsize=PAGE)
    figure.set_layout_engine("none")
    family = fonts.families(lines, fonts.MONO)
    left, top = MARGIN / PAGE[0], 1 - MARGIN / PAGE[1]
    figure.text(left, top, "\n".join(lines), va="top", family=family, fontsize=TEXT_SIZE, color=INK)
    return figure


def figure_page(figure: Figure, title: str, caption: str) -> tuple[Figure, Bbox]:
    """The figure with its title above and its caption below, and the page around them, in inches of the figure.

    Places come from what the figure takes up, legends included, so nothing lies over anything else.
    """
    caption = "\n".join(textwrap.wrap(caption, CAPTION_COLUMNS))
    below = GAP + (1 + caption.count("\n")) * CAPTION_SIZE * 1.25 / 72
    width, height = PAGE[0] - 2 * MARGIN, PAGE[1] - 2 * MARGIN - GAP - TITLE_SIZE * 1.25 / 72 - below
    extent = _laid_out(figure)
    if extent.height > height and extent.height * MOST_SHRUNK <= height:
        wide, high = figure.get_size_inches()
        figure.set_size_inches(wide, high - (extent.height - height) - 0.02)
        extent = _laid_out(figure)
    if extent.width > width + 0.01 or extent.height > height + 0.01:
        figure, extent = _picture(figure, extent, min(width / extent.width, height / extent.height))
    figure.set_layout_engine("none")
    for legend in figure.legends:  # it keeps to the figure, where it would move to the page's corner
        legend.set_bbox_to_anchor((0, 0, 1, 1), transform=figure.transFigure)
    wide, high = figure.get_size_inches()
    left, top = extent.x0, extent.y1 + GAP + TITLE_SIZE * 1.25 / 72
    above: dict[str, Any] = {"va": "top", "fontsize": TITLE_SIZE, "weight": "bold", "color": INK}
    figure.text(left / wide, top / high, title, **above)
    under: dict[str, Any] = {"va": "top", "fontsize": CAPTION_SIZE, "color": MUTED, "linespacing": 1.25}
    figure.text(left / wide, (extent.y0 - GAP) / high, caption, **under)
    corner = (left - MARGIN, top + MARGIN - PAGE[1])
    return figure, Bbox.from_bounds(*corner, *PAGE)


def _laid_out(figure: Figure) -> Bbox:
    """What the figure takes up once it is laid out: everything drawn, in inches."""
    canvas = FigureCanvasAgg(figure)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.execute(figure)
    return figure.get_tightbbox(canvas.get_renderer())  # type: ignore[no-untyped-call]


def _picture(figure: Figure, extent: Bbox, scale: float) -> tuple[Figure, Bbox]:
    """A figure too large for the page as a picture of it that fits."""
    file = io.BytesIO()
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure.set_layout_engine("none")
        figure.savefig(file, format="png", dpi=DPI * max(scale, 0.25), bbox_inches=extent, metadata=NO_DATES["png"])
    file.seek(0)
    size = (extent.width * scale, extent.height * scale)
    picture = Figure(figsize=size)
    picture.set_layout_engine("none")
    axes = picture.add_axes((0, 0, 1, 1))
    axes.imshow(mpl.image.imread(file), aspect="auto", interpolation="none")
    axes.set_axis_off()
    return picture, Bbox.from_bounds(0, 0, *size)
