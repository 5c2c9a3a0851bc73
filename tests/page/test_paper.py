"""A report for a paper: files at its widths, and a document that compiles."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from dimebench.figures.files import specs
from dimebench.page.paper import write_paper
from dimebench.papers import PAPERS, POINTS
from tests.analysis.factory import RUN, WALK, Book, four_variants
from tests.analysis.test_summary import of


def test_each_figure_is_written_as_wide_as_the_text_and_as_a_column(tmp_path: Path) -> None:
    summary = of(four_variants(), resamples=50)
    paths = write_paper(summary, PAPERS["icml"], tmp_path, ["svg"], names={"dime": "DIME"})
    assert set(paths) == {path for path in tmp_path.rglob("*") if path.is_file()}
    names = [spec.name for spec in specs(summary)]
    figures = {path.name for path in (tmp_path / "figures").iterdir()}
    ends = ("", "-column")
    wanted = {f"{name}{end}.{form}" for name in names for end in ends for form in ("pdf", "svg")}
    assert figures == wanted | {f"legend{end}.pdf" for end in ends}
    for end, most in (("", 6.75), ("-column", 3.25)):
        sizes = {name: box(tmp_path / f"figures/{name}{end}.pdf")[0] / 72 for name in (*names, "legend")}
        assert max(sizes.values()) == pytest.approx(most, abs=0.02)
        assert {name for name, wide in sizes.items() if wide < most - 0.02} <= {"improvement_matrix"}
    for path in (tmp_path / "figures").glob("*.pdf"):
        assert b"/Type3" not in path.read_bytes()
    text = (tmp_path / "paper.tex").read_text()
    assert set(re.findall(r"includegraphics\{figures/(.+?)\}", text)) == {f"{n}{e}.pdf" for n in names for e in ends}
    assert set(re.findall(r"input\{tables/(.+?)\}", text)) == {path.name for path in (tmp_path / "tables").iterdir()}
    assert text.count(r"\caption{") == len(names) * len(ends)
    assert not (tmp_path / "figures/legend.svg").exists()


def box(path: Path) -> tuple[float, float]:
    """Width and height, PDF points."""
    found = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", path.read_bytes())
    assert found
    return float(found.group(1)), float(found.group(2))


@pytest.mark.parametrize("style", ["icml", *(pytest.param(s, marks=pytest.mark.slow) for s in ("neurips", "plain"))])
def test_the_document_compiles_and_nothing_is_wider_than_the_text(tmp_path: Path, style: str) -> None:
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("no pdflatex here")
    book = Book()
    for level, name in enumerate(("dime", r"50% & $x_1$ \bad{", "λ=0.1 #~^ «Đ»")):
        for task in (WALK, RUN):
            book.cell(name, task, [200 * level + 3 * k for k in range(6)])
    write_paper(of(book, resamples=50), PAPERS[style], tmp_path, names={"dime": "DIME_{ours}"})
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "paper.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    too_wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log)]
    assert [points for points in too_wide if points > 1] == []
    assert "Float too large" not in log


def test_names_that_pdflatex_does_not_know_are_told_of_at_the_top_of_the_document(tmp_path: Path) -> None:
    summary = of(Book().cell("Жук", RUN, [1.0, 2.0]), resamples=50)
    write_paper(summary, PAPERS["neurips"], tmp_path)
    head = (tmp_path / "paper.tex").read_text().partition(r"\begin{document}")[0]
    assert re.search(r"^% Жку: .* lualatex or xelatex", head, re.MULTILINE)
    assert r"\usepackage{times}" not in head
    assert "Compile with pdflatex" not in head


def test_a_column_fits_twice_into_its_text() -> None:
    for paper in PAPERS.values():
        assert paper.column_pt == paper.text_pt or 2 * paper.column_pt < paper.text_pt - POINTS / 8
