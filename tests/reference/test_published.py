"""Published figures: as collected, with their sources, beside one's own runs at matched env steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dimebench.analysis.errors import NotComparableError
from dimebench.analysis.published import cite, peers, split
from dimebench.analysis.summary import Summary
from dimebench.reference import UnknownReferenceError, find, references
from dimebench.tables.answer import plain_lines
from dimebench.wording.verdict import sentences
from tests.analysis.factory import Book
from tests.analysis.test_summary import of

SHARED = Path(__file__).parents[2].parent / "shared" / "reference"
RUN, WALK = "dm_control/dog-run", "dm_control/dog-walk"
FAMILIES = {"dmc": "dm_control", "gym": "gymnasium", "myosuite": "myosuite"}


def near_one_million(**changes) -> Summary:
    """Three seeds of dime on two tasks, evaluated up to 1M env steps."""
    steps = (0, 500_000, 1_000_000)
    book = Book()
    for task, finals in ((RUN, (600, 620, 640)), (WALK, (900, 910, 920))):
        for seed, final in enumerate(finals):
            book.add("dime", task, seed, (0, final / 2, final), env_steps=steps, **changes)
    return of(book)


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/reference with the collected files")
def test_what_is_shipped_is_what_was_collected_but_for_what_may_not_be_shipped() -> None:
    anchors = pd.read_csv(SHARED / "published_anchors.csv")
    assert "paper:MR.Q" not in references()
    shipped = {
        (r.source, r.algorithm, task, p.nominal): p
        for r in references().values()
        for task, ps in r.points.items()
        for p in ps
    }
    seen = 0
    for row in anchors[anchors["algorithm"] != "MR.Q"].itertuples():
        point = shipped[
            row.source_repo, row.algorithm, f"{FAMILIES[row.env_suite]}/{row.task}", row.nominal_env_steps
        ]
        assert (point.frames, point.kind) == (row.actual_env_steps, row.kind)
        if row.kind != "iqm":
            assert point.mean == pytest.approx(row.mean, abs=1e-3)
        if row.kind == "per-seed":
            assert (point.iqm, point.seeds) == (pytest.approx(row.iqm, abs=1e-3), row.n)
        seen += 1
    assert seen > 800


def test_every_reference_names_source_licence_and_action_repeat() -> None:
    for reference in references().values():
        assert reference.source
        assert reference.licence
        assert reference.action_repeat
        assert reference.points
        assert not reference.licence.startswith("CC BY-NC")


def test_a_name_is_found_whatever_its_case_and_an_unknown_one_is_refused() -> None:
    assert find("paper:dime").algorithm == "DIME"
    with pytest.raises(UnknownReferenceError) as caught:
        find("paper:DIMM")
    assert "paper:DIME" in caught.value.known


def test_a_published_figure_stands_beside_the_runs_at_matched_env_steps() -> None:
    found = cite(near_one_million(), [find("paper:DIME")])
    citation = found.published[0]
    assert citation.matched[RUN].env_steps == 1_008_000
    assert citation.matched[RUN].mean == pytest.approx(637.357)
    assert citation.score == pytest.approx(np.mean([0.637357, 0.925195]), abs=1e-5)
    (sentence,) = sentences(found)
    assert "paper:DIME is published, not run here (ALRhub/DIME, licence MIT, seeds: 10, action repeat 1)" in sentence
    assert sentence.endswith("no verdict is made.")
    assert "the published figure lies above that interval" in sentence
    assert found.comparisons == ()
    assert any(line.startswith("paper:DIME, as published") for line in plain_lines(found))


def test_frames_are_matched_where_the_suite_repeats_actions() -> None:
    protocol = {"env_steps": 300, "action_repeat": 2, "eval_interval": 100, "eval_episodes": 2}
    book = Book()
    for seed in range(2):
        of_run = {"protocol": protocol}
        book.add("dime", RUN, seed, (0, 300, 600), env_steps=(0, 250_000, 500_000), of=of_run)
    assert cite(of(book), [find("paper:DIME")]).published[0].matched[RUN].env_steps == 504_000


@pytest.mark.parametrize(
    ("name", "budget", "line"),
    [
        ("paper:DIME", 300_000, "paper:DIME has figures at 50,000, 100,000, 150,000, 250,000, 500,000"),
        ("paper:Diff-QL (DIME paper)", None, "has no figures on dm_control/dog-run"),
    ],
)
def test_a_reference_without_a_figure_at_the_budget_is_refused_when_named(name: str, budget: int, line: str) -> None:
    book = Book()
    for seed in range(2):
        book.add("dime", RUN, seed, (0, 300, 600), env_steps=(0, 300_000, 1_000_000))
    with pytest.raises(NotComparableError, match="not comparable: ") as caught:
        cite(of(book, budget=budget), [find(name)])
    assert line in str(caught.value)


def test_nobody_asked_for_a_reference_that_does_not_fit_and_nothing_is_said() -> None:
    small = of(Book().cell("dime", RUN, [1, 2]))
    assert [reference.name for reference in peers(small)] == ["paper:DIME"]
    assert cite(small, peers(small), asked=False) == small


def test_runs_that_were_imported_go_before_aggregates() -> None:
    assert split(["dime", "paper:DIME"], {"dime", "paper:DIME"}) == (["dime", "paper:DIME"], [])
    names, cited = split(["dime", "paper:DIME"], {"dime"})
    assert (names, [reference.name for reference in cited]) == (["dime"], ["paper:DIME"])
