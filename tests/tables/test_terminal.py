"""The tables of a comparison on terminals of several widths: nothing is cut, every row is named."""

from __future__ import annotations

import re

import pytest
from rich.console import Console

from dimebench.analysis import Summary, summarise
from dimebench.tables.content import grids, render
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
    starts = [text.index(f"\n{grid.title} ") for grid in grids(found)]
    for grid, start, end in zip(grids(found), starts, [*starts[1:], len(text)], strict=True):
        table = text[start:end]
        words = set(re.split(r"\s+", table))
        for row in grid.rows:
            numbers = [re.split(r" (?=\[)", cell) for cell in row[1:] if cell[:1] in set("+-0123456789")]
            for piece in [piece for cell in numbers for piece in cell]:
                assert set(piece.split()) <= words, (piece, table)
            for joint in re.split(r"(?<=[ /:,=_-])", row[0]):
                assert joint.strip() in table, (joint, table)
        assert re.sub(r"\s", "", grid.note) in squeezed


def test_a_table_for_a_few_variants_each_where_there_is_no_room(found: Summary) -> None:
    def tables(width: int) -> int:
        console = Console(width=width, quiet=True)
        text = "".join(segment.text for segment in console.render(render(found), console.options))
        per_task = text[text.index("Mean return per task") : text.index("\nRuns")]
        assert all(name in per_task for name in ("crossq", "sac", "[64,"))
        return sum(line.startswith("task") for line in per_task.splitlines())

    assert tables(120) == 1
    assert tables(60) > 1
