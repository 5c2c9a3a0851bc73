"""A report for a paper: its figures at the paper's widths, its tables, and a document that includes all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from dimebench.analysis.renamed import renamed
from dimebench.analysis.summary import Summary
from dimebench.figures.files import FigureSpec, begin_figures, render_legend, specs, without_runs, write_figures
from dimebench.figures.look import paper_looks
from dimebench.figures.pool import FigurePool
from dimebench.papers import POINTS, Paper
from dimebench.store import atomic_write
from dimebench.tables.files import table_files
from dimebench.tables.latex.text import T1, beyond_pdflatex, latex_needs, latex_text

BIG_POINTS = 72.0  # of PDF, in an inch
LETTER, LINE, AROUND = 5.0, 12.0, 24.0  # points, of a caption: a character's mean width, a line, the space around it
PREAMBLE = r"""\documentclass[10pt%(columns)s]{article}
%(engine)s
%% Figures are included in their own size: do not scale them.
\usepackage[textwidth=%(text).2fpt,textheight=%(high).2fpt,columnsep=%(apart).2fpt]{geometry}
%(type)s\usepackage{graphicx}
\usepackage{booktabs}
\emergencystretch=3em
\begin{document}
"""


def begin_paper(
    summary: Summary, paper: Paper, formats: Sequence[str], runs: bool, names: Mapping[str, str], pool: FigurePool
) -> None:
    """Start drawing what `write_paper` will ask for."""
    begin_figures(summary, _formats(formats), pool, paper_looks(paper), names, runs)


def write_paper(
    summary: Summary,
    paper: Paper,
    folder: Path,
    formats: Sequence[str] = (),
    runs: bool = False,
    names: Mapping[str, str] | None = None,
    pool: FigurePool | None = None,
) -> list[Path]:
    """Write figures/, tables/ and paper.tex into the folder; figures as PDF, and in these formats. Returns the paths.

    runs: single runs are drawn. names: what variants are called instead.
    Raises OSError where a file cannot be written.
    """
    names, looks = names or {}, paper_looks(paper)
    figures = write_figures(summary, folder / "figures", _formats(formats), pool, looks, names, runs)
    called = renamed(summary if runs else without_runs(summary), names)
    texts = {f"figures/legend{ending}.pdf": render_legend(called, look) for ending, look in looks.items()}
    tables = table_files(called, ["latex"], paper)
    texts |= {f"tables/{name}": text.encode() for name, text in tables.items()}
    texts["paper.tex"] = paper_tex(called, paper, folder / "figures", tables).encode()
    for name, content in texts.items():
        atomic_write(folder / name, content)
    return [*figures, *(folder / name for name in texts)]


def _formats(formats: Sequence[str]) -> list[str]:
    return ["pdf", *(form for form in formats if form != "pdf")]


def paper_tex(summary: Summary, paper: Paper, figures: Path, tables: Mapping[str, str]) -> str:
    """A document with every table and every figure, each as wide as a column and as wide as the text."""
    found = specs(summary)
    engine, type_ = _type([*(spec.caption(summary) for spec in found), *tables.values()], paper)
    lines = [
        PREAMBLE
        % {
            "columns": ",twocolumn" if paper.two_columns else "",
            "engine": engine,
            "text": paper.text_pt,
            "apart": paper.text_pt - 2 * paper.column_pt if paper.two_columns else 10.0,
            "high": paper.height_pt,
            "type": "".join(line + "\n" for line in type_),
        }
    ]
    for spec in found:
        for ending in paper_looks(paper):
            lines += _figure(spec, summary, paper, figures / f"{spec.name}{ending}.pdf")
    for name in tables:
        lines += [rf"\input{{tables/{name}}}", r"\clearpage"]
    return "\n".join([*lines, r"\end{document}", ""])


def _type(texts: Sequence[str], paper: Paper) -> tuple[str, list[str]]:
    """The comment that says which engine sets these texts, and the lines that choose the type for it."""
    encoded, other = beyond_pdflatex(texts)
    if other:  # those engines find no accented letters in the type of times
        return "\n".join(latex_needs(texts)), []
    times = [r"\usepackage{times}"] if "Times" in paper.families else []
    return "% Compile with pdflatex in this folder.", [T1] * bool(encoded) + times


def _figure(spec: FigureSpec, summary: Summary, paper: Paper, file: Path) -> list[str]:
    """The float of a figure. One that is too high for a page stands in a comment: it is for a page of its own."""
    wide, high = _size(file)
    whole = paper.two_columns and wide * POINTS > paper.column_pt + 1
    kind = "figure*" if whole else "figure"
    caption = spec.caption(summary)
    across = paper.text_pt if whole else paper.column_pt
    below = AROUND + LINE * (1 + len(caption) * LETTER // across)
    lines = [
        rf"\begin{{{kind}}}[!t]",
        r"\centering",
        rf"\includegraphics{{figures/{file.name}}}",
        rf"\caption{{{latex_text(caption)}}}",
        rf"\label{{fig:{file.stem.replace('_', '-')}}}",
        rf"\end{{{kind}}}",
        r"\clearpage",
    ]
    if high * POINTS + below > paper.height_pt:
        return [
            f"% {file.name} is {high:.1f} inches high: too high for a page with its caption.",
            *map("% ".__add__, lines),
        ]
    return lines


def _size(file: Path) -> tuple[float, float]:
    """Width and height of a PDF of one page, inches."""
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+) ?\]", file.read_bytes())
    assert box, file
    return float(box.group(1)) / BIG_POINTS, float(box.group(2)) / BIG_POINTS
