"""The tables of verdicts: the same numbers on every medium, over all tasks and on each."""

from __future__ import annotations

import csv
import io
import re

import pytest

from dimebench import numbers
from dimebench.analysis import Summary
from dimebench.analysis.question import Question
from dimebench.page.html import page
from dimebench.stats import NumpyEngine
from dimebench.tables.answer import plain_lines
from dimebench.tables.content import tables
from dimebench.tables.files import table_files
from tests.analysis.factory import RUN, WALK, Book, two_variants
from tests.analysis.test_summary import of

NUMBERS = ["p", "adjusted p", "judged at", "judged interval"]


@pytest.fixture(scope="module")
def summary() -> Summary:
    book = Book()
    for shift, name in enumerate(("dime", "sac", "crossq")):
        for task, ease in ((RUN, 1.0), (WALK, 1.3)):
            book.cell(name, task, [ease * (600 - 70 * shift + 31 * (seed * 7 % 5)) for seed in range(6)])
    return of(book)


def cells(found: dict[str, str], name: str) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of a markdown table."""
    lines = [line[2:-2].split(" | ") for line in found[f"{name}.md"].splitlines() if line.startswith("|")]
    return lines[0], lines[2:]


@pytest.mark.parametrize("name", ["comparisons", "task_verdicts"])
def test_every_medium_has_what_a_verdict_rests_on(summary: Summary, name: str) -> None:
    files = table_files(summary)
    headings, rows = cells(files, name)
    assert [heading for heading in headings if heading in NUMBERS] == NUMBERS
    assert "IQM difference [95%]" in headings
    records = list(csv.DictReader(io.StringIO(files[f"{name}.csv"])))
    assert len(records) == len(rows) == (3 if name == "comparisons" else 6)
    for record, row in zip(records, rows, strict=True):
        shown = dict(zip(headings, row, strict=True))
        assert shown["A - B"] == f"{record['a']} - {record['b']}"
        assert shown["p"] == numbers.p_short(float(record["p_value"])).replace("<", "&lt;")
        assert shown["adjusted p"] == numbers.p_short(float(record["adjusted_p"])).replace("<", "&lt;")
        assert shown["judged at"] == numbers.percent(float(record["judged_at"]))
        low, high = float(record["judged_low"]), float(record["judged_high"])
        assert shown["judged interval"] == f"[{numbers.signed(low)}, {numbers.signed(high)}]"
        better = {"A better": record["a"], "B better": record["b"]}.get(record["verdict"])
        assert shown["verdict"] == (f"{better} better" if better else "undecided")
        assert (better is not None) == (low > 0 or high < 0) == (float(record["adjusted_p"]) <= 0.05)
        tex = files[f"{name}.tex"].replace("$+$", "+").replace("$-$", "-")
        assert shown["judged interval"] in tex
        assert numbers.signed(float(record["iqm_difference_point"])) in tex


def test_verdicts_per_task_are_on_a_terminal_where_they_are_asked_for(summary: Summary) -> None:
    plain = plain_lines(summary)
    assert not [line for line in plain if "Verdicts per task" in line]
    asked = plain_lines(summary, per_task=True)
    assert next(line for line in asked if line not in plain) == "Verdicts per task"
    start = asked.index("Verdicts per task")
    assert re.split("  +", asked[start + 1]) == ["A - B (task)", "IQM difference [95%]", *NUMBERS, "verdict"]
    rows = [re.split("  +", line) for line in asked[start + 2 : start + 8]]
    expected = [(c, row) for c in summary.comparisons for row in c.tasks]
    for (comparison, task), row in zip(expected, rows, strict=True):
        assert row[0] == f"{comparison.a} - {comparison.b} ({task.task})"
        assert task.adjusted_p is not None
        assert row[3] == numbers.p_short(task.adjusted_p)
    assert "among the tasks of one comparison is at most 5% (Holm)" in asked[start + 8]


def test_the_note_says_how_several_are_judged(summary: Summary) -> None:
    def note(found: Summary) -> str:
        (table,) = (table for table in tables(found) if table.name == "comparisons")
        assert table.paper is not None
        return table.paper.note

    assert note(of(two_variants())) == (
        "95% intervals of differences, and p: studentised permutation test within tasks."
    )
    assert "the chance of any wrong claim among 3 comparisons is at most 5%. The strongest evidence" in note(summary)
    book = Book().cell("a", RUN, [1, 2, 3]).cell("b", RUN, [4, 5, 6]).cell("c", RUN, [7, 8, 9])
    margin = of(book, question=Question(delta=0.1, engine=NumpyEngine(200)))
    assert "Each is judged at alpha/3 (Bonferroni)" in note(margin)


def test_one_seed_leaves_what_cannot_be_said_empty() -> None:
    files = table_files(of(Book().cell("dime", RUN, [700]).cell("sac", RUN, [300])))
    for name in ("comparisons", "task_verdicts"):
        headings, (row,) = cells(files, name)
        shown = dict(zip(headings, row, strict=True))
        assert shown["IQM difference [95%]"] == "+0.400"
        assert [shown[heading] for heading in NUMBERS] == [""] * 4
        assert shown["verdict"] == "undecided"


def test_the_page_has_the_verdict_on_each_task(summary: Summary) -> None:
    html = page(summary)
    section = html[html.index('id="task-verdicts"') : html.index('id="left-out"')]
    assert section.count("<details") == 3
    assert "<details open" not in section
    assert section.count('<th scope="row">') == 6
    for comparison in summary.comparisons:
        decided = sum(row.verdict != "undecided" for row in comparison.tasks)
        assert f"{decided} of 2 tasks decided" in section
        for one in (comparison, *comparison.tasks):
            assert one.adjusted_p is not None
            assert one.judged is not None
            assert f'<td data-sort="{one.adjusted_p}">' in html
            assert f"[{numbers.signed(one.judged.low)}, {numbers.signed(one.judged.high)}]" in html
    assert "<details open" in page(of(two_variants())), "a single comparison is unfolded"
