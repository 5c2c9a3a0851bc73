"""Algorithms of other packages: a sound one is listed and trains, a broken one harms nobody but itself."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.calls import TASK, Call, cell, half_written, process, refused
from tests.packages import install

MODULE = """
from dimebench.agents.random import Random


class Mine(Random):
    summary = "uniform actions [bold] of another package"


class Crash(Random):
    summary = "fails at its first action"

    def act(self, obs, noise):
        raise RuntimeError("boom\\nand more of it")


class NoAgent:
    pass
"""
ENTRY_POINTS = {
    "mine": "a_package:Mine",
    "crash": "a_package:Crash",
    "broken": "a_package_that_is_not_there:Nothing",
    "strange": "a_package:NoAgent",
    "sac": "a_package:Mine",
}
BROKEN = "algorithm 'broken' (a_package_that_is_not_there:Nothing) cannot be loaded: " + (
    "No module named 'a_package_that_is_not_there'"
)
STRANGE = "algorithm 'strange' (a_package:NoAgent) is not an Agent class with Settings"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder for sys.path with an installed package in it, as an installer would leave it."""
    return install(tmp_path / "site", "a_package", MODULE, "dimebench.algorithms", ENTRY_POINTS)


@pytest.fixture
def installed(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is there for this process."""
    monkeypatch.syspath_prepend(package)


@pytest.mark.usefixtures("installed")
def test_algos_lists_them_and_says_which_cannot_be_used(dimebench: Call) -> None:
    answer = dimebench("algos", "--json")
    assert (answer.code, answer.err) == (0, "")
    rows = {row["name"]: row for row in json.loads(answer.out)}
    assert list(rows) == ["dime", "dime-gaussian", "crossq", "sac", "random", "broken", "crash", "mine", "strange"]
    assert rows["mine"]["summary"] == "uniform actions [bold] of another package"
    assert rows["mine"]["source"] == "a_package:Mine"
    assert rows["broken"]["summary"] == f"cannot be used: {BROKEN}"
    assert rows["strange"]["summary"] == f"cannot be used: {STRANGE}"
    assert rows["sac"]["source"] == "dimebench.agents.sac:SAC", "nobody takes a built-in name"
    assert "uniform actions [bold] of another package" in dimebench("algos").out


def test_a_package_that_is_installed_while_the_process_runs_is_found(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dimebench.agents.registry import known_algorithms, load_algorithm

    monkeypatch.syspath_prepend(tmp_path / "later")
    (tmp_path / "later").mkdir()
    before = known_algorithms()
    assert "mine" not in before
    for part in package.iterdir():
        part.rename(tmp_path / "later" / part.name)
    assert "mine" in known_algorithms()
    assert load_algorithm("mine").summary == "uniform actions [bold] of another package"
    monkeypatch.undo()
    assert known_algorithms() == before


@pytest.mark.usefixtures("installed")
def test_a_broken_one_is_one_line_where_it_is_asked_for(dimebench: Call, place: Path) -> None:
    refused(dimebench("show", "broken"), BROKEN)
    refused(dimebench("show", "strange"), STRANGE)
    refused(dimebench("run", "suite=tiny", "algo=brokn"), "algo=brokn: unknown algorithm 'brokn' (nearest: broken)")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("name", "line"), [("broken", BROKEN), ("strange", STRANGE)])
def test_run_refuses_a_broken_one_in_one_line(name: str, line: str, dimebench: Call, place: Path) -> None:
    refused(dimebench("run", "suite=tiny", f"algo=random,{name}", "--device", "cpu"), line)
    assert not (place / "results").exists()


@pytest.mark.usefixtures("installed")
def test_show_tells_one_of_another_package(dimebench: Call) -> None:
    assert dimebench("show", "mine").lines == [
        "algorithm   mine",
        "what it is  uniform actions [bold] of another package",
        "source      a_package:Mine",
    ]


def test_one_trains_beside_a_built_in_one_and_a_failure_spares_the_others(package: Path, place: Path) -> None:
    env = {"PYTHONPATH": f"{package}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    words = ["suite=tiny", "algo=crash,mine,random", "--seeds", "1", "--workers", "1"]
    answer = process("run", *words, cwd=place, env=env)
    assert (answer.code, answer.trouble) == (3, "")
    assert "Traceback" not in answer.out
    failed = [line for line in answer.lines if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith(f"failed: crash on {TASK}, seed-000: RuntimeError: boom")
    assert answer.told.startswith("tiny: 2 runs finished, 0 were done already, 1 failed (3 asked for, ")
    content = {
        name: json.loads((cell(place / "results", name) / "seed-000" / "run.json").read_text())
        for name in ("mine", "random", "crash")
    }
    assert [run["status"] for run in content.values()] == ["finished", "finished", "failed"]
    assert content["crash"]["reason"].startswith("RuntimeError: boom")
    assert content["mine"]["identity"]["of"]["code"] != content["random"]["identity"]["of"]["code"]
    details = cell(place / "results", "crash") / "checkpoints" / "seed-000" / "error.txt"
    assert "RuntimeError: boom\nand more of it" in details.read_text(), "the traceback is kept for who wants it"
    assert half_written(place / "results") == []


def test_what_failed_is_told_and_is_not_compared(dimebench: Call, results: Path) -> None:
    for file in cell(results, "sac").glob("seed-*/run.json"):
        content = json.loads(file.read_text()) | {"status": "failed", "reason": "RuntimeError: boom"}
        file.write_text(json.dumps(content))
    why = f"dime and sac share no task with usable runs ({TASK}: no usable run of sac (2 failed))"
    refused(dimebench("compare", "dime", "sac"), f"not comparable: {why}", code=4)
