"""The PDF of a report: printed by a browser that does as it is told, drawn without one where none does."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from dimebench import own_matplotlib
from dimebench.figures.files import FIGURES
from dimebench.figures.style import RC
from dimebench.page import browser, plain_pdf
from dimebench.page.pdf import write_pdf
from tests.analysis.factory import two_variants
from tests.analysis.test_summary import of

PRINTS = """for word; do case $word in --print-to-pdf=*) pdf=${word#*=};; esac; done
echo "$@" > words
printf '%%PDF-1.4 /CreationDate (D:20250102030405+00) %%%%EOF' > "$pdf"
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A browser that is a shell script: what it does is up to the test."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "bin" / "my-browser"
    path.parent.mkdir()
    monkeypatch.setenv("DIMEBENCH_BROWSER", str(path))
    monkeypatch.setattr(plain_pdf, "plain_pdf", lambda summary: b"%PDF drawn")
    (tmp_path / "report.html").write_text("<p>the page")
    return path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)


def test_a_browser_prints_the_page_with_a_profile_of_its_own_and_without_a_date(program: Path) -> None:
    script(program, PRINTS)
    said: list[str] = []
    written = write_pdf(of(two_variants()), Path("out/report.pdf"), "report.html", said.append)
    assert written.read_bytes() == b"%PDF-1.4 /CreationDate (D:19700101000000+00) %%EOF"
    words = Path("words").read_text()
    assert Path("report.html").absolute().as_uri() in words
    assert ("--no-sandbox" in words) == (os.geteuid() == 0)
    profile = re.search(r"--user-data-dir=(\S+)", words)
    assert profile
    assert not Path(profile.group(1)).exists()
    assert said == []
    assert [path.name for path in Path("out").iterdir()] == ["report.pdf"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("echo starting; echo no display >&2; exit 3", "my-browser wrote no PDF (exit code 3): no display"),
        ("kill -SEGV $$", "my-browser wrote no PDF (exit code -11)"),
        (PRINTS.replace("%%%%EOF", ""), "my-browser wrote no PDF (exit code 0)"),
        (None, "my-browser: there is no such program"),
    ],
    ids=["fails", "crashes", "half a file", "absent"],
)
def test_without_its_help_the_pdf_is_drawn_and_one_line_says_why(program: Path, text: str | None, why: str) -> None:
    if text is not None:
        script(program, text)
    said: list[str] = []
    written = write_pdf(of(two_variants()), Path("out/report.pdf"), "report.html", said.append)
    assert written.read_bytes() == b"%PDF drawn"
    assert [line.endswith(why) for line in said] == [True], said
    assert [path.name for path in Path("out").iterdir()] == ["report.pdf"]


def test_a_browser_that_hangs_is_stopped_with_all_that_it_started(program: Path, tmp_path: Path) -> None:
    os.mkfifo("alive")
    alive = os.open("alive", os.O_RDONLY | os.O_NONBLOCK)
    script(program, "(echo started; exec sleep 1000) > alive &\nwait")
    with pytest.raises(browser.BrowserError, match=r"my-browser took longer than 0\.5 s"):
        browser.print_page(str(program), Path("report.html"), tmp_path / "report.pdf", limit_s=0.5)
    os.set_blocking(alive, True)
    assert os.read(alive, 100) in (b"started\n", b""), "it may have been stopped first"
    assert os.read(alive, 100) == b"", "whoever could write is gone"


@pytest.mark.parametrize(("name", "found"), [("none", None), ("sh", "/sh")])
def test_the_variable_names_the_browser_or_none(
    name: str, found: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIMEBENCH_BROWSER", name)
    answer = browser.find()
    assert answer is None if found is None else str(answer).endswith(found)


@pytest.mark.parametrize("size", [(3.3, 2.0), (7.2, 5.0), (7.2, 13.0), (7.2, 40.0), (14.0, 6.0)], ids=str)
def test_title_figure_and_caption_lie_apart_and_on_the_page(size: tuple[float, float]) -> None:
    with own_matplotlib.drawing(RC):
        figure = Figure(figsize=size)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], label="a variant")
        axes.set_ylabel("return")
        figure.legend(loc="outside upper left")
        drawn, page = plain_pdf.figure_page(figure, "A title", "A caption of many words. " * 20)
        renderer = FigureCanvasAgg(drawn).get_renderer()
        title, caption = (text.get_window_extent(renderer) for text in drawn.texts[-2:])
        others = [a.get_tightbbox(renderer) for a in (*drawn.axes, *drawn.legends)]
    assert page.size == pytest.approx(plain_pdf.PAGE)
    margin = plain_pdf.MARGIN - 0.05
    for box in (title, caption, *others):
        inches = box.transformed(drawn.dpi_scale_trans.inverted())
        assert page.x0 + margin <= inches.x0 < inches.x1 <= page.x1 - margin
        assert page.y0 + margin <= inches.y0 < inches.y1 <= page.y1 - margin
    for box in others:
        assert caption.y1 < box.y0 < box.y1 < title.y0


def test_the_drawn_pages_have_one_size_and_keep_tables_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_pdf, "specs", lambda summary: [FIGURES[0]])
    sizes = re.findall(rb"/MediaBox \[([^\]]*)\]", plain_pdf.plain_pdf(of(two_variants())))
    assert len(sizes) >= 2
    assert len(set(sizes)) == 1
    short, table, long = ["a"] * 60, ["b"] * 60, ["c"] * (plain_pdf.LINES + 9)
    pages = plain_pdf._text_pages([*short, "", *table, "", *long])
    assert [len(set(page) - {""}) for page in pages] == [1, 1, 1, 1]
    assert max(map(len, pages)) <= plain_pdf.LINES
    assert sum(page.count("c") for page in pages) == len(long)
