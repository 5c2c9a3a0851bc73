"""The record of a group-sequential test: a plan belongs to it, and other pairs' analyses stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from dimebench.analysis.errors import ReportError
from dimebench.analysis.interim import other_plan, read_record, write_record
from dimebench.stats.looks.sequential import InterimAnalysis, Monitoring

TASKS, PLANNED = ["dm_control/walker-stand"], (3, 6)
SEEN = Monitoring((InterimAnalysis(3, 0.0, 0.1, None, None, None, False),), PLANNED, 0.05, "undecided")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_record(tmp_path / "until-decided.json", {("a", "b"): SEEN}, TASKS)
    return tmp_path / "until-decided.json"


def test_the_same_plan_goes_on_in_either_order(file: Path) -> None:
    for pair in (("a", "b"), ("b", "a")):
        assert other_plan(read_record(file), [pair], TASKS, PLANNED, 0.05) == ""
    assert read_record(file.parent / "nowhere.json") == []


@pytest.mark.parametrize(
    ("tasks", "planned", "alpha", "words"),
    [
        (TASKS, (3, 6, 9), 0.05, "a and b were looked at with seeds 3, 6, not 3, 6, 9"),
        ([*TASKS, "x"], PLANNED, 0.05, "a and b were looked at with tasks dm_control/walker-stand, not"),
        (TASKS, PLANNED, 0.05 / 3, "a and b were looked at with alpha 0.05, not 0.0167"),
    ],
)
def test_another_plan_is_named(
    file: Path, tasks: list[str], planned: tuple[int, ...], alpha: float, words: str
) -> None:
    assert other_plan(read_record(file), [("a", "b"), ("a", "c")], tasks, planned, alpha).startswith(words)


def test_another_pair_has_a_plan_of_its_own_and_leaves_the_first_alone(file: Path) -> None:
    assert other_plan(read_record(file), [("c", "d")], [], (9,), 0.01) == ""
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
