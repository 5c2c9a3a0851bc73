"""Published figures: as collected, with their sources, beside one's own runs at matched env steps."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dimebench.analysis.errors import NotComparableError
from dimebench.analysis.published import cite, peers, split
from dimebench.analysis.summary import Summary
from dimebench.page.html import page
from dimebench.reference import Point, UnknownReferenceError, find, references
from dimebench.tables.answer import plain_lines
from dimebench.tables.files import csv_text
from dimebench.tables.published import published
from dimebench.wording.verdict import sentences
from tests.analysis.factory import Book
from tests.analysis.test_summary import of
from tests.reference import make_published

HERE = Path(__file__).parent
SHARED = HERE.parents[1].parent / "shared" / "reference"
collected = pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/reference with the collected files")
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


@collected
def test_the_shipped_files_are_made_from_the_collected_ones(tmp_path: Path) -> None:
    make_published.main(SHARED, tmp_path)
    for made in tmp_path.iterdir():
        assert made.read_text() == (make_published.ROOT / made.name).read_text()
    assert sorted(made.name for made in tmp_path.iterdir()) == ["published.csv", "sources.csv"]


@collected
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
        assert (point.frames, point.kind) == (row.actual_env_steps, "figure" if row.kind == "iqm" else row.kind)
        if row.kind != "iqm":
            assert point.mean == pytest.approx(row.mean, abs=1e-3)
        if row.kind == "per-seed":
            assert (point.iqm, point.seeds) == (pytest.approx(row.iqm, abs=1e-3), row.n)
        seen += 1
    assert seen > 800


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def at_one_million(name: str, task: str) -> Point:
    found = references()[f"paper:{name}"].at(task, 1_000_000)
    assert found is not None, (name, task)
    return found


@collected
def test_the_second_collection_is_shipped_figure_by_figure() -> None:
    text = (SHARED / "published_more.md").read_text()
    hard = ["dog-run", "dog-trot", "dog-walk", "dog-stand", "humanoid-run", "humanoid-walk", "humanoid-stand"]
    names = {
        "DR.Q (ICML 2026; AR 2)": "DR.Q",
        "FlashSAC": "FlashSAC",
        "FoG": "FoG",
        "SimbaV2, UTD 4": "SimbaV2 (UTD4)",
        "SimBa, UTD 8": "SimBa (UTD8)",
        "SimbaV2 without reward normalisation": "SimbaV2 (no reward normalisation)",
        "SimbaV2 with a squared-error critic": "SimbaV2 (squared-error critic)",
        "SimbaV2, UTD 1": "SimbaV2 (UTD1)",
    }
    rows = [cells(line) for line in text.splitlines() if cells(line)[0] in names]
    for name, seeds, dog, humanoid, *_ in rows:
        for task, figure in zip(hard, re.findall(r"\d+", f"{dog} {humanoid}"), strict=True):
            point = at_one_million(names[name], f"dm_control/{task}")
            assert point.mean == pytest.approx(int(figure), abs=0.501), (name, task)
            assert point.seeds == (int(seeds) if seeds.isdigit() else None)
    columns = ["DIME", "SimbaV2", "XQC", "BRO (Fast)@SimbaV2", "WIMLE", "SAC@simba"]
    others = [cells(line) for line in text.splitlines() if re.match(r"\| [a-z-]+(_hard)? \| \d+ \|", line)]
    for task, *figures in others:
        for name, figure in zip(columns[:-1], map(int, figures[:-1]), strict=True):
            point = at_one_million(name, f"dm_control/{task}")
            assert (point.kind, point.iqm if name == "DIME" else point.mean) == (
                "iqm" if name == "DIME" else "mean",
                figure,
            )
    assert (len(rows), len(others)) == (8, 8)
    for name, of_name in re.findall(r"(FlashSAC|XQC|SimbaV2|CrossQ) (\d+ / \d+ / \d+)", " ".join(text.split())):
        for task, figure in zip(("HalfCheetah", "Hopper", "Walker2d"), of_name.split(" / "), strict=True):
            assert at_one_million(name, f"gymnasium/{task}-v4").mean == int(figure)


def test_sac_on_the_tasks_where_its_file_ends_at_half_the_steps_is_no_figure_at_a_million() -> None:
    sac = find("paper:SAC@simba")
    assert sac.at("dm_control/walker-run", 1_000_000) is None
    half = sac.at("dm_control/walker-run", 500_000)
    assert half is not None
    assert (half.frames, half.mean) == (500_000, 629)


def test_names_that_were_given_once_stay_and_lead_to_the_same_source() -> None:
    """People type them into scripts: another source of an algorithm must not rename the first."""
    for line in (HERE / "first_names.csv").read_text().splitlines():
        name, _, source = line.rpartition(",")
        assert references()[name].source == source


def test_all_of_a_references_figures_can_be_averaged_together() -> None:
    """A score over tasks is of means or of IQMs, never of both."""
    for reference in references().values():
        points = [point for of_task in reference.points.values() for point in of_task]
        means = all(point.mean is not None for point in points)
        assert means or all(point.iqm is not None for point in points), reference.name


def test_where_a_task_has_an_iqm_alone_the_score_is_of_iqms() -> None:
    book, steps = Book(), (0, 500_000, 1_000_000)
    for task in (RUN, "dm_control/walker-run"):
        for seed, final in enumerate((600, 620, 640)):
            book.add("dime", task, seed, (0, final / 2, final), env_steps=steps)
    citation = cite(of(book), [find("paper:DIME")]).published[0]
    assert citation.statistic == "IQM"
    assert citation.score == pytest.approx((0.652547 + 0.851) / 2)


def test_the_kind_of_a_figure_is_told() -> None:
    found = cite(near_one_million(), [find(f"paper:{name}") for name in ("DIME", "DR.Q", "CrossQ (DIME paper)")])
    lines, html = "\n".join(plain_lines(found)), page(found)
    for words in ("mean and IQM over seeds", "IQM, read off a figure", "results/drq.csv"):
        assert words in lines
    assert "IQM (read off a figure) of the normalised score" in lines
    assert ", read off a figure" in html
    assert "results/drq.csv" in html
    rows = csv_text(published(found)).splitlines()
    assert [row.split(",")[3] for row in rows[1:]] == [*["per-seed"] * 2, *["mean"] * 2, *["figure"] * 2]


def test_every_reference_names_source_licence_and_action_repeat() -> None:
    for reference in references().values():
        assert reference.source
        assert reference.path
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
