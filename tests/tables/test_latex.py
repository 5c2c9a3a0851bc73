"""Names in LaTeX: each compiles under pdflatex, or the file says how."""

from __future__ import annotations

import re
import string

import pytest

from dimebench.papers import PAPERS
from dimebench.tables.latex.text import latex_needs, latex_text
from dimebench.tables.paper import paper_tables
from tests.analysis.factory import RUN, Book
from tests.analysis.test_summary import of

COMMAND = re.compile(r"\\[a-zA-Z]+|\\[^a-zA-Z]")


@pytest.mark.parametrize("char", [*string.punctuation])
def test_no_sign_of_ascii_is_a_command_or_opens_a_group(char: str) -> None:
    written = latex_text(f"a{char}b")
    assert written.startswith("a")
    assert written.endswith("b")
    bare = COMMAND.sub("", written)
    assert not set(bare) & set("&%$#_~^\\")
    assert bare.count("{") == bare.count("}")
    assert "{}" in bare or not set(bare) & set("{}")
    assert latex_needs([f"a{char}b"]) == []


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("x_1 & 50%", r"x\_1 \& 50\%"),
        (r"a\b{c}", r"a\textbackslash{}b\{c\}"),
        ("~^", r"\textasciitilde{}\textasciicircum{}"),
        ("$\\frac{1}", r"\$\textbackslash{}frac\{1\}"),
        ("a--b", r"a-{}-b"),
        ("é ß Å ñ Łø", "é ß Å ñ Łø"),
        ("e\u0301", "é"),
        ("λ=0.1", r"\ensuremath{\lambda}=0.1"),
        ("Δς", r"\ensuremath{\Delta}\ensuremath{\varsigma}"),
        ("ά", r"\ensuremath{\acute{\alpha}}"),
        ("ẽ", r"\~{e}"),
        ("\u2212 ≥", r"\ensuremath{-} \ensuremath{\geq}"),
        ("a\u00a0b\u200bc", r"a~b\textbackslash{}u200bc"),
        ("a\nb", "a b"),
    ],
)
def test_what_pdflatex_knows_without_a_package(text: str, written: str) -> None:
    assert latex_text(text) == written
    assert latex_needs([text]) == []


@pytest.mark.parametrize("text", ["中文算法", "Жук", "あ", "한", "🙂", "x\u0302"])
def test_for_other_scripts_it_says_which_engine(text: str) -> None:
    first, second = latex_needs([text, "sac"])
    assert first.startswith("% ")
    assert "lualatex or xelatex" in first
    assert set(first) >= {text[-1]}
    assert r"\setmainfont" in second
    assert latex_text(text) == text


def test_quotation_marks_and_hooks_need_another_encoding_of_fonts() -> None:
    assert latex_needs(["«ą»"]) == [r"% «»ą: \usepackage[T1]{fontenc}"]


def test_a_file_says_at_its_top_what_its_names_need_and_else_only_which_package() -> None:
    found = paper_tables(of(Book().cell("sac", RUN, [1, 2]).cell("dime:中", RUN, [3, 4])), PAPERS["plain"])
    assert all(text.startswith("% 中: " if "中" in text else "% needs ") for text in found.values())
    plain = paper_tables(of(Book().cell("sac", RUN, [1, 2]).cell("dime:λ_ß", RUN, [3, 4])), PAPERS["plain"])
    assert all(text.startswith(r"% needs \usepackage{booktabs};") for text in plain.values())


@pytest.mark.parametrize("name", ["[fast]", "*"])
def test_a_row_that_begins_with_a_bracket_is_no_argument_of_the_line_break(name: str) -> None:
    found = paper_tables(of(Book().cell("sac", RUN, [1, 2]).cell(name, RUN, [3, 4])), PAPERS["plain"])
    assert f"\n{{}}{name} &" in found["aggregates.tex"]
    assert not [text for text in found.values() if re.search(r"\\\\\n[\[*]", text)]
