"""The tables of a paper fit its text, in each format: pdflatex judges. Captions say what the numbers rest on."""

from __future__ import annotations

import re
import shutil
import string
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dimebench.analysis import Summary
from dimebench.analysis.published import cite
from dimebench.analysis.question import Question
from dimebench.papers import PAPERS
from dimebench.reference import references
from dimebench.stats import NumpyEngine
from dimebench.tables import paper as papers
from dimebench.tables.latex.grid import digits_of, levels, p_values
from dimebench.tables.latex.source import aligned
from dimebench.tables.paper import paper_tables
from tests.analysis.factory import RUN, WALK, Book, four_variants, two_variants
from tests.analysis.test_summary import of

HOSTILE = r"dime:hidden=[64,64],x=a_b&50%#1^2~{\end{table}}<$>"
LONG = (
    HOSTILE,
    "[s] " + string.punctuation,
    "W" * 70,
    "é ß λΩά ẽ ≥ x²…",
    "sac:critic_hidden=[1024,1024,1024],gamma=0.995",
)
TASKS = tuple(f"dm_control/humanoid_CMU-{verb}" for verb in ("walk", "run", "stand", "trot", "crawl", "jump", "fly"))
HEADS = {
    "neurips": r"\documentclass[10pt]{article}\usepackage{times}"
    r"\usepackage[textwidth=5.5in,textheight=9in]{geometry}",
    "icml": r"\documentclass[10pt,twocolumn]{article}\usepackage{times}"
    r"\usepackage[textwidth=6.75in,textheight=9in,columnsep=0.25in]{geometry}",
    "plain": r"\documentclass[10pt]{article}",
}


def book(names: tuple[str, ...], tasks: tuple[str, ...], seeds: int = 4) -> Book:
    rng, made = np.random.default_rng(1), Book()
    for level, name in enumerate(names):
        for scale, task in zip((1.0, 30.0, 0.02, 1.0, 1.0, 1.0, 1.0), tasks, strict=False):
            made.cell(name, task, scale * (90 + 700 * level / len(names) + rng.normal(0, 60, size=seeds)))
    return made


def named(count: int) -> tuple[str, ...]:
    return tuple(f"paper:Algo-{chr(97 + k % 26)}{k}" for k in range(count))


@pytest.fixture(scope="module")
def summaries() -> list[Summary]:
    fast = Question(engine=NumpyEngine(50))
    margin = Question(delta=0.1, engine=NumpyEngine(50))
    cited = of(Book().cell("dime", RUN, [600, 700], env_steps=(0, 300_000, 600_000, 1_000_000)))
    return [
        of(two_variants()),
        of(book(named(4), TASKS), question=margin),
        of(book(named(7), TASKS, seeds=3), question=fast),
        of(book(named(26), TASKS, seeds=3), question=fast),
        of(book(LONG, (*TASKS[:2], "gymnasium/" + "H" * 60)), question=fast),
        of(Book().cell("dime", RUN, [700]).cell("sac", RUN, [300])),
        cite(cited, [*references().values()][:9], asked=False),
    ]


@pytest.fixture(scope="module")
def written(summaries: list[Summary]) -> dict[str, list[dict[str, str]]]:
    """The tables of each summary, by style."""
    return {style: [paper_tables(summary, paper) for summary in summaries] for style, paper in PAPERS.items()}


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no pdflatex (Debian: texlive-latex-recommended)")
@pytest.mark.parametrize("style", PAPERS)
def test_every_table_fits_the_text_of_its_paper(
    style: str, written: dict[str, list[dict[str, str]]], tmp_path: Path
) -> None:
    missing = [name for name in ("booktabs.sty", "ptmr7t.tfm") if not _known(name)]
    if missing:
        pytest.skip(f"TeX lacks {', '.join(missing)} (Debian: texlive-latex-recommended, texlive-fonts-recommended)")
    body = []
    for k, found in enumerate(written[style]):
        for name, text in found.items():
            label = name.removesuffix(".tex").replace("_", "-")
            assert text.count(rf"\label{{tab:{label}}}") == 1
            (tmp_path / f"{k}-{name}").write_text(
                text.replace(r"\label{tab:", rf"\label{{tab:{k}-"), encoding="utf-8"
            )
            body.append(rf"\input{{{k}-{name}}}\ref{{tab:{k}-{label}}}")
        body.append(r"\clearpage")
    lines = [HEADS[style], r"\usepackage{booktabs}\hfuzz=1pt\begin{document}", *body, r"\end{document}"]
    (tmp_path / "all.tex").write_text("\n".join(lines))
    for _ in range(2):  # labels are known in the second run
        command = ["pdflatex", "-draftmode", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
        assert done.returncode == 0, done.stdout[-2000:]
    log = (tmp_path / "all.log").read_text(errors="replace")
    wrong = re.findall(
        r"^(?:Overfull|.*too large|.*[Uu]ndefined|.*multiply|Missing character|.*unprocessed).*", log, re.M
    )
    assert not wrong, "\n".join(wrong)


def _known(file: str) -> bool:
    return subprocess.run(["kpsewhich", file], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("style", PAPERS)
def test_every_variant_and_task_has_its_numbers_in_every_style(
    style: str, summaries: list[Summary], written: dict[str, list[dict[str, str]]]
) -> None:
    for summary, found in zip(summaries[:4], written[style], strict=False):
        for row in summary.aggregates:
            assert found["aggregates.tex"].count(f"{row.estimates['iqm'].point:.3f}") > 0
        for cell in summary.cells:
            digits = digits_of([summary.cell(v, cell.task).mean.point for v in summary.shown])
            assert f"{cell.mean.point:,.{digits}f}" in found["tasks.tex"]
        for comparison in summary.comparisons:
            assert f"{abs(comparison.difference.point):.3f}" in found["comparisons.tex"]
            for task in comparison.tasks:
                assert f"{abs(task.difference.point):.3f}" in found["task_verdicts.tex"]
        for text in found.values():
            text = text.replace(r"\addtocounter{table}{-1}", "")
            assert not re.search(r"(?:^|[\s\[{])-\d", text), "a hyphen as a minus sign"
            assert "resizebox" not in text
            assert "scalebox" not in text


def test_a_table_takes_a_column_where_it_fits_and_else_the_whole_width(
    written: dict[str, list[dict[str, str]]],
) -> None:
    two, _, seven, many, *_ = [found["tasks.tex"] for found in written["icml"]]
    assert r"\begin{table}" in two
    assert r"\begin{table*}" in seven
    assert all("table*" not in text for style in ("neurips", "plain") for text in written[style][2].values())
    assert re.search(r"^task &", two, re.M)
    assert re.search(r"^variant &", many, re.M), "26 variants are rows"


def test_what_is_too_high_goes_on_in_another_float_with_its_head(written: dict[str, list[dict[str, str]]]) -> None:
    text = written["plain"][3]["aggregates.tex"]
    assert text.count(r"\begin{table}") == 2
    assert text.count("(continued)") == text.count(r"\addtocounter{table}{-1}") == 1
    assert len(re.findall(r"^variant &", text, re.M)) == 2


def test_of_many_comparisons_the_first_are_shown_and_the_caption_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    summary = of(four_variants())
    assert "comparisons.csv has all" not in paper_tables(summary, PAPERS["plain"])["comparisons.tex"]
    monkeypatch.setattr(papers, "MOST_PAIRS", 4)
    found = {k: v.replace(r"\allowbreak{}", "") for k, v in paper_tables(summary, PAPERS["plain"]).items()}
    assert "The first 4 of 6 comparisons; comparisons.csv has all." in found["comparisons.tex"]
    assert r"The first 4 of 6 comparisons; task\_verdicts.csv has all." in found["task_verdicts.tex"]
    assert found["comparisons.tex"].count("% \u2212") == 0
    assert len(re.findall(r"^\\ensuremath\{-\} \w", found["comparisons.tex"], re.M)) == 1 + 4


def test_captions_say_n_intervals_budget_bold_p_and_the_judged_level() -> None:
    limited = Book().cell("dime", RUN, [700, 720, 740]).cell("dime", WALK, [900, 910, 950])
    for task in (RUN, WALK):
        for seed in range(3):
            limited.add("sac", task, seed, (0, 90, 110 + 9 * seed))
    found = paper_tables(of(limited), PAPERS["plain"])
    sample = "(2 tasks, 3 seeds each, scored at 200 env steps, budget limited by sac)"
    method = r"In brackets: 95\% intervals (stratified bootstrap over seeds, expanded percentiles, 500 resamples)."
    for name in ("aggregates", "tasks"):
        assert sample in found[f"{name}.tex"]
        assert method in found[f"{name}.tex"]
        assert (
            "Bold: the best, and each whose interval holds the best's point; bold is no verdict."
            in found[f"{name}.tex"]
        )
    pair = found["comparisons.tex"]
    assert sample in pair
    assert "p: two-sided, studentised permutation test within tasks." in pair
    assert r"The verdict is judged at 95\%." in pair
    assert "(Holm)" in found["task_verdicts.tex"]
    several = paper_tables(of(four_variants()), PAPERS["plain"])["comparisons.tex"]
    assert "adjusted for 6 comparisons" in several
    assert "step-down" in several
    assert "judged at" in several
    one = paper_tables(of(Book().cell("dime", RUN, [700]).cell("sac", RUN, [300])), PAPERS["plain"])
    assert "One seed per task: no intervals." in one["aggregates.tex"]
    assert "Too few runs" in one["comparisons.tex"]


@pytest.mark.parametrize(
    ("write", "values", "texts"),
    [
        (lambda values: p_values(values, 0.05), [0.2, 0.0504, 0.00001, None], ["0.2000", "0.0504", "<0.0001", ""]),
        (lambda values: p_values(values, 0.05), [0.2, 0.05, 0.0001], ["0.200", "0.050", "<0.001"]),
        (levels, [0.95, 0.99], ["95%", "99%"]),
        (levels, [0.95, 0.9833, None], ["95.0%", "98.3%", ""]),
        (levels, [0.95, 0.99996], ["95.000%", "99.996%"]),
    ],
)
def test_a_column_has_one_number_of_decimals(
    write: Callable[[list[float | None]], list[str]], values: list[float | None], texts: list[str]
) -> None:
    assert write(values) == texts


def test_numbers_are_made_as_wide_as_each_other_on_both_sides_of_the_point() -> None:
    plain = [False] * 3
    assert aligned(["1,250", "7.5", "\u221212"], plain, ["", "", "*"]) == [
        r"\phantom{$-$}1,250\phantom{.0}",
        r"\phantom{0,00$-$}7.5",
        r"\phantom{0,0}$-$12\rlap{$^{*}$}\phantom{.0}",
    ]
    assert aligned(["0.5", "unbounded", ""], [True, False, False], ["", "", ""]) == [r"\textbf{0.5}", "unbounded", ""]
