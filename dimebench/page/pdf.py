"""The report as one PDF: its page, printed by a browser; drawn without one where none is there or it fails."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from dimebench.analysis.summary import Summary
from dimebench.page import browser, plain_pdf
from dimebench.page.head import Made
from dimebench.store import atomic_write


def write_pdf(
    summary: Summary,
    path: Path,
    page_file: str | Path | None = None,
    say: Callable[[str], None] = lambda why: None,
    made: Made | None = None,
) -> Path:
    """Write the report as a PDF.

    page_file: its page, where that is written already; say: is told why the page was not printed, where it was not.
    Raises OSError where the PDF cannot be written; nothing half-written stays behind.
    """
    try:
        found = browser.find()
        content = _printed(found, summary, path.parent, page_file, made) if found else None
    except browser.BrowserError as error:
        say(f"{path.name} is drawn without a browser, not printed from the page: {error}")
        content = None
    atomic_write(path, content or plain_pdf.plain_pdf(summary))
    return path


def _printed(program: str, summary: Summary, folder: Path, page_file: str | Path | None, made: Made | None) -> bytes:
    """Beside the PDF, not among the system's temporary files: a browser from a snap sees none of those."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".pdf-", ignore_cleanup_errors=True) as scratch:
        if page_file is None:
            page_file = Path(scratch) / "report.html"
            page_file.write_text(_page(summary, made), encoding="utf-8")
        return browser.print_page(program, Path(page_file), Path(scratch) / "report.pdf")


def _page(summary: Summary, made: Made | None) -> str:
    from dimebench.figures.pool import FigurePool
    from dimebench.page.html import page

    with FigurePool.of(summary) as pool:
        return page(summary, pool=pool, made=made)
