"""The report as one PDF: the verdict and tables as text, then every figure with its caption; fonts embedded."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from dimebench import own_matplotlib
from dimebench.analysis.summary import Summary
from dimebench.figures import fonts
from dimebench.figures.files import NO_DATES, specs
from dimebench.figures.style import INK, MUTED, RC
from dimebench.store import atomic_write
from dimebench.tables.answer import plain_lines
from dimebench.wording.terms import at_budget

PAGE = (8.27, 11.69)  # A4, inches
LINES = 92  # of a text page
COLUMNS = 116


def write_pdf(summary: Summary, path: Path) -> Path:
    """Write the report as a PDF. Raises OSError where it cannot be written."""
    buffer = io.BytesIO()
    with own_matplotlib.drawing(RC | fonts.rc_of(summary)), PdfPages(buffer, metadata=NO_DATES["pdf"]) as pages:
        lines = _lines(summary)
        for start in range(0, len(lines), LINES):
            pages.savefig(_text_page(lines[start : start + LINES]))
        for spec in specs(summary):
            pages.savefig(_with_caption(spec.draw(summary).figure, spec.title, spec.caption(summary)))
    atomic_write(path, buffer.getvalue())
    return path


def _lines(summary: Summary) -> list[str]:
    found = [f"{summary.suite}, matched at {at_budget(summary)}", ""]
    for line in plain_lines(summary):
        found += textwrap.wrap(line, COLUMNS, subsequent_indent="    ", drop_whitespace=False) or [""]
    return found


def _text_page(lines: Sequence[str]) -> Figure:
    figure = Figure(figsize=PAGE)
    figure.set_layout_engine("none")
    family = fonts.families(lines, fonts.MONO)
    figure.text(0.06, 0.96, "\n".join(lines), va="top", family=family, fontsize=6.6, color=INK)
    return figure


def _with_caption(figure: Figure, title: str, caption: str) -> Figure:
    """The figure with a title above and its caption below, on a page as large as they need."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    figure.supxlabel("\n".join(textwrap.wrap(caption, 130)), x=0.01, ha="left", fontsize=6.5, color=MUTED)
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + 0.9)
    return figure
