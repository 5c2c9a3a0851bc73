"""The tables of a comparison on terminals of several widths: nothing is cut, every row is named."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from dimebench.analysis import Summary, summarise
from dimebench.tables.answer import render
from dimebench.tables.content import tables
from dimebench.tables.model import TERMINAL
from tests.analysis.factory import Book

TASKS = ("dm_control/walker-walk", "dm_control/humanoid_CMU-run", "gymnasium/HalfCheetah-v5")
VARIANTS = ("crossq", "dime:diffusion_steps=8,critic_hidden=[64,64]", "sac")


@pytest.fixture(scope="module")
def found() -> Summary:
    book = Book()
    for level, variant in enumerate(VARIANTS):
        for task in TASKS:
            book.cell(variant, task, [3000 + 900 * level, 3456, 3200])
    book.add("sac", TASKS[0], 7, status="failed", reason="the environment raised an error in its first step")
    return summarise(book.runs, book.evals, (), resamples=200)


@pytest.mark.parametrize("width", [60, 70, 80, 120])
def test_every_row_is_named_and_nothing_is_cut(width: int, found: Summary) -> None:
    console = Console(width=width, record=True, file=None, quiet=True)
    text = "".join(segment.text for segment in console.render(render(found), console.options))
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    squeezed = re.sub(r"\s", "", text)
    shown = [(table.terminal, table.on(TERMINAL)) for table in tables(found) if table.terminal]
    starts = [text.index(f"\n{caption.title} ") for caption, _ in shown]
    for (caption, table), start, end in zip(shown, starts, [*starts[1:], len(text)], strict=True):
        drawn = text[start:end]
        words = set(re.split(r"\s+", drawn))
        for name, *cells in table.rows:
            numbers = [re.split(r" (?=\[)", cell.text) for cell in cells if cell.text[:1] in set("+-0123456789")]
            for piece in [piece for cell in numbers for piece in cell]:
                assert set(piece.split()) <= words, (piece, drawn)
            for joint in re.split(r"(?<=[ /:,=_-])", name.text):
                assert joint.strip() in drawn, (joint, drawn)
        assert re.sub(r"\s", "", caption.note) in squeezed


def test_a_table_for_a_few_variants_each_where_there_is_no_room(found: Summary) -> None:
    def parts(width: int) -> int:
        console = Console(width=width, quiet=True)
        text = "".join(segment.text for segment in console.render(render(found), console.options))
        per_task = text[text.index("Mean return per task") : text.index("\nRuns")]
        assert all(name in per_task for name in ("crossq", "sac", "[64,"))
        return sum(line.startswith("task") for line in per_task.splitlines())

    assert parts(120) == 1
    assert parts(60) > 1
