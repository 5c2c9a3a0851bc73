"""The record of a group-sequential test: a plan belongs to it, and other pairs' analyses stay."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from dimebench.analysis.errors import ReportError
from dimebench.analysis.interim import Looks, final_scores, other_plan, read_record, seen_ends, write_record
from dimebench.stats.looks.anytime import AnytimeMonitoring, Look
from dimebench.stats.looks.sequential import InterimAnalysis, Monitoring
from dimebench.store import StoreError
from dimebench.store.schema import EVALS_FILE, RUN_FILE
from tests.store.runs import written

TASKS, PLANNED = ["dm_control/walker-stand"], (3, 6)
SEEN = Monitoring((InterimAnalysis(3, 0.0, 0.1, None, False),), PLANNED, 0.05, "undecided")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_record(tmp_path / "until-decided.json", {("a", "b"): SEEN}, TASKS)
    return tmp_path / "until-decided.json"


def test_the_same_plan_goes_on_in_either_order(file: Path) -> None:
    for pair in (("a", "b"), ("b", "a")):
        assert other_plan(read_record(file), [pair], TASKS, Looks(3, 6), 0.05) == ""
    assert read_record(file.parent / "nowhere.json") == []


@pytest.mark.parametrize(
    ("tasks", "looks", "alpha", "words"),
    [
        (TASKS, Looks(3, 9), 0.05, "a and b were looked at with seeds 3, 6, not 3, 6, 9"),
        ([*TASKS, "x"], Looks(3, 6), 0.05, "a and b were looked at with tasks dm_control/walker-stand, not"),
        (TASKS, Looks(3, 6), 0.05 / 3, "a and b were looked at with alpha 0.05, not 0.0167"),
        (TASKS, Looks(3, None, anytime=True), 0.05, "a and b were looked at by a plan, without --anytime"),
    ],
)
def test_another_plan_is_named(file: Path, tasks: list[str], looks: Looks, alpha: float, words: str) -> None:
    assert other_plan(read_record(file), [("a", "b"), ("a", "c")], tasks, looks, alpha).startswith(words)


def test_another_pair_has_a_plan_of_its_own_and_leaves_the_first_alone(file: Path) -> None:
    assert other_plan(read_record(file), [("c", "d")], [], Looks(9, 9), 0.01) == ""
    write_record(file, {("c", "d"): SEEN}, TASKS)
    write_record(file, {("b", "a"): SEEN}, TASKS)
    assert [(entry["a"], entry["b"]) for entry in read_record(file)] == [("c", "d"), ("b", "a")]


@pytest.mark.parametrize("content", ["", "{}x", "[1]", '[{"a": "x"}]', "null", "3"])
def test_a_file_that_is_no_record_is_named_and_left(file: Path, content: str) -> None:
    file.write_text(content)
    for action in (lambda: read_record(file), lambda: write_record(file, {("a", "b"): SEEN}, TASKS)):
        with pytest.raises(ReportError, match=r"until-decided\.json: not a record of looks"):
            action()
    assert file.read_text() == content


def test_anytime_goes_on_after_the_blocks_that_were_looked_at(tmp_path: Path) -> None:
    looks, file = Looks(3, None, anytime=True), tmp_path / "until-decided.json"
    seen = AnytimeMonitoring(
        (Look(2, 1.5, 0.6, 0.1, None, False), Look(4, 3.0, 0.3, 0.1, None, False)), 0.05, "undecided"
    )
    write_record(file, {("a", "b"): seen}, TASKS, [2, 4])
    record = read_record(file)
    assert other_plan(record, [("b", "a")], TASKS, looks, 0.05) == "", "another size of block is no other test"
    assert other_plan(record, [("b", "a")], TASKS, Looks(2, 4), 0.05).endswith("without a plan (--anytime)")
    assert list(itertools.islice(looks.ends(seen_ends(record, [("a", "b")])), 4)) == [2, 4, 7, 10]
    assert list(Looks(3, 8, anytime=True).ends([2, 4])) == [2, 4, 7, 8]
    assert list(Looks(3, 4, anytime=True).ends([2, 4])) == [2, 4]
    assert seen_ends(record, [("a", "c")]) == []


def test_the_looks_of_a_plan_are_its_own_whatever_was_seen() -> None:
    assert list(Looks(3, 8).ends([2, 4])) == [3, 6, 8]


def test_a_look_goes_on_without_the_runs_that_cannot_be_read(tmp_path: Path) -> None:
    runs = {(name, seed): written(tmp_path, name, seed) for name in ("dime", "sac") for seed in range(3)}
    (run,) = {(one.suite, one.task) for one in runs.values()}
    (runs["dime", 0].folder / EVALS_FILE).write_bytes(b"")
    (runs["sac", 1].folder / RUN_FILE).write_bytes(b"{")
    broken: list[StoreError] = []
    scores = final_scores(tmp_path, run[0], ("dime", "sac"), [run[1]], 3, broken)
    seeds_of = {variant: sorted(seeds) for (variant, _), seeds in scores.items()}
    assert seeds_of == {"dime": [1, 2], "sac": [0, 2]}
    assert [str(error).partition(": ")[0] for error in broken] == [
        f"{runs['sac', 1].path / RUN_FILE}:1",
        str(runs["dime", 0].path / EVALS_FILE),
    ]
    for seed in (1, 2):
        (runs["dime", seed].folder / EVALS_FILE).write_bytes(b"")
    with pytest.raises(StoreError, match="seed-000"):
        final_scores(tmp_path, run[0], ("dime", "sac"), [run[1]], 3, [])
