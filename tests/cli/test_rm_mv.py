"""`dimebench rm` and `mv`: what is listed, what is asked, what is refused in a line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from dimebench.store import read_runs
from dimebench.store.claims import Watch
from tests.cli.calls import Call, refused, snapshot
from tests.store.runs import TASK, written


@pytest.fixture
def runs(place: Path) -> Path:
    """Five seeds of dime, one of a variant, one imported curve."""
    for seed in range(5):
        written(place / "results", seed=seed)
    written(place / "results", "dime:utd=1")
    written(place / "results", "paper:SAC")
    return place / "results"


def there(results: Path) -> list[str]:
    return [f"{run.variant} {run.seed}" for run in read_runs(results)]


def test_a_dry_run_lists_and_touches_nothing(dimebench: Call, runs: Path) -> None:
    before = snapshot(runs)
    answer = dimebench("rm", "dime", "task=dog-run", "suite=small", "--seeds", "3-5", "--dry-run")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[1].split()[:5] == ["small", "dime", TASK, "3-4", "finished"]
    assert answer.lines[-1].startswith("2 runs, ")
    assert answer.lines[-1].endswith(" kB in results/ would be removed")
    plain = json.loads(dimebench("rm", "--seeds", "3-5", "--dry-run", "--json").out)
    assert [(run["variant"], run["seed"]) for run in plain["runs"]] == [("dime", 3), ("dime", 4)]
    assert plain["bytes"] == sum(run["bytes"] for run in plain["runs"])
    answer = dimebench("mv", "--seeds", "3-5", "--to", "other", "--dry-run")
    assert answer.lines[-1].endswith(" in results/ would move to other/")
    assert snapshot(runs) == before
    assert not Path("other").exists()


def test_it_asks_and_does_nothing_without_a_yes(dimebench: Call, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = snapshot(runs)
    asked = "standard input is no terminal, so nobody can be asked: add --yes, or --dry-run to look"
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    refused(dimebench("rm", "dime"), asked)
    refused(dimebench("mv", "dime", "--to", "other"), asked)
    refused(dimebench("rm", "dime", "--json"), "--json: nobody can be asked then: add --dry-run or --yes")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", lambda text, default: default)
    answer = dimebench("rm", "dime")
    assert (answer.code, answer.lines[-1]) == (0, "nothing was removed")
    assert snapshot(runs) == before
    monkeypatch.setattr("typer.confirm", lambda text, default: True)
    answer = dimebench("rm", "dime")
    assert (answer.code, answer.lines[-1]) == (0, "5 runs removed from results/")
    assert there(runs) == ["dime:utd=1 0", "paper:SAC 0"]


def test_moved_runs_are_there_and_not_here(dimebench: Call, runs: Path) -> None:
    answer = dimebench("mv", "SAC", "dime", "--seeds", "1", "--to", "other", "--yes", "--json")
    plain = json.loads(answer.out)
    assert (answer.code, len(plain["gone"]), plain["stayed"]) == (0, 2, [])
    assert there(Path("other")) == ["dime 0", "paper:SAC 0"]
    assert there(runs) == ["dime 1", "dime 2", "dime 3", "dime 4", "dime:utd=1 0"]
    written(runs, seed=0, reason="another one")
    line = "other/small/dime/dm_control/dog-run/seed-000 is there already, and differs: run.json; nothing was moved"
    refused(dimebench("mv", "dime", "--to", "other", "--yes"), line, code=4)


def test_a_run_that_cannot_be_read_goes_when_its_variant_is_named(dimebench: Call, runs: Path) -> None:
    broken = runs / "small" / "dime" / TASK / "seed-002" / "run.json"
    broken.write_text("{")
    answer = dimebench("rm", "suite=small", "--seeds", "0,2", "--yes")
    assert answer.code == 0
    assert f"not read, so left alone unless its variant is named: {broken.relative_to(Path.cwd())}:1: " in answer.err
    assert broken.exists()
    refused(
        dimebench("mv", "dime", "--to", "other", "--yes"),
        f"{broken.relative_to(Path.cwd())}:1: not JSON: Expecting property name enclosed in double quotes; "
        "only runs that can be read are moved",
    )
    answer = dimebench("rm", "dime", "--seeds", "2-2", "--yes")
    assert (answer.code, answer.lines[-1]) == (0, "1 run removed from results/")
    assert any(line.startswith("not read: ") for line in answer.lines)
    assert not broken.parent.exists()


def test_what_is_not_meant_is_refused_with_the_nearest(dimebench: Call, runs: Path) -> None:
    before = snapshot(runs)
    Path("empty").mkdir()
    for words, line in (
        ([], "say which runs are removed: variants, suite=NAME, task=A,B or --seeds"),
        (["dimme"], "results: no runs of 'dimme' in suite small (nearest: dime)"),
        (["suite="], "suite=: no value given"),
        (["suite=smal"], "results: no runs of suite 'smal' (nearest: small)"),
        (["task=dog-rum"], f"results: task=dog-rum: no run of it is there (nearest: {TASK})"),
        (["dime", "--seeds", "7-9"], "results: no run of these seeds is there (known: 0, 1, 2, 3, 4)"),
        (["sute=small"], "sute=small: unknown key 'sute' (nearest: suite)"),
        (["dime", "--results", "no"], "no results folder at 'no'"),
        (["dime", "--results", "empty"], "no runs in 'empty': it is no results folder, or an empty one"),
        (
            ["dime", "--results", "s3://bucket/x"],
            "--results s3://bucket/x: a URL is only read; what writes needs a folder of this machine",
        ),
    ):
        refused(dimebench("rm", *words, "--yes"), line)
    for to, line in (
        ("results", "--to results: is the results folder itself"),
        ("results/more", "--to results/more: one of the two results folders lies in the other"),
        ("s3://b/x", "--to s3://b/x: a URL is only read; what writes needs a folder of this machine"),
    ):
        refused(dimebench("mv", "dime", "--to", to, "--yes"), line)
    refused(dimebench("mv", "dime", "--yes"), "--to DIR: say which results folder the runs move to")
    assert Watch().acquire(runs / "small" / "dime" / TASK / "seed-001") is not None
    answer = dimebench("rm", "dime", "--yes")
    assert answer.code == 2
    assert f"dime on {TASK} seed 1 is trained by process " in answer.err
    assert {name: facts for name, facts in snapshot(runs).items() if "claim-" not in name} == before
