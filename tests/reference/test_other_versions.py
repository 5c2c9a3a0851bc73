"""Figures on another version of a task: shown as such, and matched with nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from dimebench.analysis.errors import NotComparableError
from dimebench.analysis.pilot import pilot_of_results
from dimebench.analysis.published import cite, peers
from dimebench.analysis.summary import Summary
from dimebench.figures.captions import learning_curves
from dimebench.figures.files import draw_of, render_for_page
from dimebench.page.html import page
from dimebench.reference import Reference, find
from dimebench.tables.answer import plain_lines
from dimebench.tables.files import table_files
from dimebench.wording.verdict import sentences
from tests.analysis.factory import Book, make_run
from tests.analysis.test_summary import of

ANT, CHEETAH, RUN = "gymnasium/Ant-v5", "gymnasium/HalfCheetah-v5", "dm_control/dog-run"
V4 = "v4; not the same task"
STEPS = (0, 500_000, 1_000_000)


def other_versions(*tasks: str, **changes) -> Summary:
    """Three seeds of crossq on tasks whose v4 was published at this budget."""
    book = Book()
    for task in tasks or (ANT, CHEETAH):
        for seed in range(3):
            book.add("crossq", task, seed, (0, 300, 600 + seed), env_steps=STEPS)
    return of(book, **changes)


@pytest.fixture
def cited() -> Summary:
    return cite(other_versions(), [find("paper:CrossQ")])


def test_it_is_in_no_number(cited: Summary) -> None:
    (citation,) = cited.published
    assert (citation.matched, citation.score, citation.own, citation.curves[ANT]) == ({}, None, {}, ())
    shown = citation.other_versions
    assert {task: (point.task, point.remark) for task, point in shown.items()} == {
        ANT: ("gymnasium/Ant-v4", V4),
        CHEETAH: ("gymnasium/HalfCheetah-v4", V4),
    }
    assert shown[CHEETAH].mean == 12893


def test_a_sentence_says_so_and_not_where_it_lies(cited: Summary) -> None:
    (sentence,) = sentences(cited)
    assert f"on gymnasium/Ant-v4 and gymnasium/HalfCheetah-v4 ({V4})" in sentence
    assert sentence.endswith("in no aggregate and no difference.")
    assert "lies" not in sentence


def test_every_place_that_shows_the_figure_has_the_words(cited: Summary) -> None:
    lines = [line for line in plain_lines(cited) if "12,893" in line]
    assert lines
    assert all(f"12,893 ({V4})" in line for line in lines)
    files = table_files(cited)
    for name in ("published.csv", "published.tex", "published.md"):
        rows = [row for row in files[name].splitlines() if "12893" in row or "12,893" in row]
        assert rows, name
        assert all("HalfCheetah-v4" in row and V4 in row for row in rows), name
    html = [line for line in page(cited).splitlines() if "12,893" in line]
    assert html
    assert all(f"<small>{V4}</small>" in line and 'data-sort=""' in line for line in html)


def test_nothing_of_it_is_drawn(cited: Summary) -> None:
    bare = other_versions()
    draw = draw_of("learning_curves")
    assert render_for_page(draw, cited)[1] == render_for_page(draw, bare)[1]
    assert "paper:CrossQ" not in render_for_page(draw, cited)[0]
    assert "paper:CrossQ" not in learning_curves(cited)


def test_beside_matched_tasks_the_aggregate_is_of_those_alone() -> None:
    both = find("paper:FlashSAC")
    alone = cite(other_versions(RUN), [both]).published[0]
    (citation,) = cite(other_versions(RUN, ANT), [both]).published
    assert (citation.score, list(citation.matched), list(citation.other_versions)) == (alone.score, [RUN], [ANT])
    assert citation.own["crossq"].point == alone.own["crossq"].point
    verdict, remark = sentences(cite(other_versions(RUN, ANT), [both]))
    assert "over 1 task at" in verdict
    assert f"gymnasium/Ant-v4 ({V4})" in remark


def test_a_reference_of_the_task_itself_is_matched_as_ever() -> None:
    book = Book()
    for seed in range(3):
        book.add("crossq", "gymnasium/Ant-v4", seed, (0, 300, 600), env_steps=STEPS)
    (citation,) = cite(of(book), [find("paper:CrossQ")]).published
    assert (list(citation.matched), citation.other_versions) == (["gymnasium/Ant-v4"], {})


def test_older_versions_count_as_other_ones_too_and_the_nearest_comes_first() -> None:
    (citation,) = cite(other_versions(ANT), [find("paper:DIME")]).published
    assert citation.other_versions[ANT].remark == "v3; not the same task"
    facts = dict.fromkeys(("algorithm", "source", "path", "licence", "seeds", "action_repeat", "updates", "note"), "")
    tasks = ("gymnasium/Ant-v3", "gymnasium/Ant-v4", "gymnasium/Ant-v5", "gymnasium/Antmaze-v4", RUN)
    several = Reference(name="paper:x", points=dict.fromkeys(tasks, ()), **facts)
    assert several.other_versions(ANT) == ["gymnasium/Ant-v4", "gymnasium/Ant-v3"]
    assert several.other_versions(RUN) == []


def test_a_report_shows_those_of_the_same_algorithm_with_the_words() -> None:
    book = Book()
    for seed in range(3):
        book.add("dime", ANT, seed, (0, 300, 600), env_steps=STEPS)
    summary = of(book)
    found = cite(summary, peers(summary), asked=False)
    assert [citation.variant for citation in found.published] == ["paper:DIME"]
    assert "v3; not the same task" in page(found)
    assert sentences(found) == sentences(summary)


def test_at_another_budget_it_is_refused_with_the_words() -> None:
    with pytest.raises(NotComparableError) as caught:
        cite(other_versions(budget=500_000), [find("paper:TD-MPC2@FlashSAC")])
    assert str(caught.value) == (
        "not comparable: paper:TD-MPC2@FlashSAC has figures at 1,000,000 env steps (v4; not the same task), "
        "these runs are matched at 500,000"
    )


def test_power_finds_no_difference_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [make_run("crossq", CHEETAH, 0)]
    cited = cite(other_versions(), [find("paper:CrossQ")])
    monkeypatch.setattr("dimebench.analysis.pilot.read_chosen", lambda *_, **__: runs)
    monkeypatch.setattr("dimebench.analysis.pilot.read_summary", lambda *_, **__: cited)
    with pytest.raises(NotComparableError) as caught:
        pilot_of_results(tmp_path, ["crossq", "paper:CrossQ"], None, None)
    assert str(caught.value) == (
        "not comparable: paper:CrossQ has figures on gymnasium/Ant-v4 and gymnasium/HalfCheetah-v4 alone "
        "(v4; not the same task)"
    )
