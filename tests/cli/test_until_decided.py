"""`run --until-decided`: real training in blocks of seeds, until the looks decide or there are enough."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.cli.calls import Call, process, refused
from tests.packages import install

MODULE = """
import torch
from dimebench.agents.random import Random


class Still(Random):
    summary = "no force at all: balances better than a random one"

    def act(self, obs, noise):
        return torch.zeros_like(super().act(obs, noise))


class Twin(Random):
    summary = "uniform random actions, under another name"
"""
SHORT = """\
name: short
description: Shorter than tiny
tasks: [dm_control/cartpole-balance]
algorithms: [random]
budget: {env_steps: 10, action_repeat: 100}
evaluation: {interval: 10, episodes: 1}
"""


@pytest.fixture
def with_package(tmp_path: Path, place: Path) -> dict[str, str]:
    """The environment in which an installed package brings `still` and `twin`."""
    points = {"still": "a_package:Still", "twin": "a_package:Twin"}
    site = install(tmp_path / "site", "a_package", MODULE, "dimebench.algorithms", points)
    (place / "suites" / "short.yaml").write_text(SHORT)
    return {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def seeds_of(results: Path, variant: str) -> int:
    return len(list(results.glob(f"short/{variant}/*/*/seed-*/run.json")))


def test_a_large_difference_stops_the_training_early(place: Path, with_package: dict[str, str]) -> None:
    words = [
        "suite=short",
        "algo=still,random",
        "--until-decided",
        "--max-seeds",
        "9",
        "--block-seeds",
        "3",
        "--workers",
        "1",
    ]
    answer = process("run", *words, cwd=place, env=with_package)
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[-1] == "still is better than random after 6 of at most 9 seeds per task"
    looks = [line for line in answer.lines if line.startswith("look ")]
    assert looks[0].startswith("look 1 of 3, 3 seeds: still - random, IQM difference +0.")
    assert looks[0].endswith("undecided between still and random")
    assert looks[1].endswith("still is better than random")
    assert seeds_of(place / "results", "still") == seeds_of(place / "results", "random") == 6
    (record,) = json.loads((place / "results/short/until-decided.json").read_text())
    assert (record["a"], record["b"], record["verdict"], record["planned"]) == (
        "still",
        "random",
        "A better",
        [3, 6, 9],
    )
    assert [look["seeds"] for look in record["looks"]] == [3, 6]
    before = (place / "results/short/until-decided.json").read_bytes()
    other = process("run", *[word.replace("9", "12") for word in words], cwd=place, env=with_package)
    assert other.code == 2
    assert "still and random were looked at with seeds 3, 6, 9, not 3, 6, 9, 12: the plan belongs to" in other.err
    assert (place / "results/short/until-decided.json").read_bytes() == before
    again = process("run", *words, cwd=place, env=with_package)
    assert [line for line in again.lines if line.startswith("look ")] == looks, "nothing is trained twice"
    assert "0 runs finished, 12 were done already" in again.out


def test_anytime_looks_without_a_plan_and_goes_on_where_it_was(place: Path, with_package: dict[str, str]) -> None:
    words = ["suite=short", "algo=still,random", "--until-decided", "--anytime", "--workers", "1"]
    first = process("run", *words, "--max-seeds", "2", cwd=place, env=with_package)
    assert (first.code, first.err) == (0, "")
    assert first.lines[-1] == "undecided between still and random after 2 seeds per task"
    answer = process("run", *words, cwd=place, env=with_package)
    assert (answer.code, answer.err) == (0, "")
    looks = [line for line in answer.lines if line.startswith("look ")]
    assert looks[0] == next(line for line in first.lines if line.startswith("look 1, 2 seeds: still - random"))
    assert looks[-1].endswith("still is better than random")
    assert "decided from 20" in looks[-1]
    seeds = 2 * len(looks)
    assert answer.lines[-1] == f"still is better than random after {seeds} seeds per task"
    assert seeds_of(place / "results", "still") == seeds_of(place / "results", "random") == seeds
    (record,) = json.loads((place / "results/short/until-decided.json").read_text())
    assert (record["anytime"], record["planned"], record["verdict"]) == (
        True,
        list(range(2, seeds + 1, 2)),
        "A better",
    )
    other = process("run", *[word for word in words if word != "--anytime"], cwd=place, env=with_package)
    assert other.code == 2
    assert "still and random were looked at without a plan (--anytime): the plan belongs to the test" in other.err


@pytest.mark.slow
def test_equal_algorithms_train_to_the_end_undecided(place: Path, with_package: dict[str, str]) -> None:
    words = [
        "suite=short",
        "algo=twin,random",
        "--until-decided",
        "--max-seeds",
        "3",
        "--block-seeds",
        "2",
        "--workers",
        "1",
    ]
    answer = process("run", *words, cwd=place, env=with_package)
    assert answer.code == 0
    assert answer.lines[-1] == "undecided between twin and random after 3 of at most 3 seeds per task"
    assert seeds_of(place / "results", "twin") == 3


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["algo=sac"], "--until-decided compares two algorithms or more, not sac: algo=A,B"),
        (["--seeds", "3"], "--seeds 3: with --until-decided, --block-seeds and --max-seeds say how many"),
        (["--max-seeds", "1"], "--max-seeds 1: must be at least 2 seeds"),
        (["--block-seeds", "x"], "--block-seeds x: must be a whole number"),
    ],
)
def test_what_cannot_be_watched_is_refused(arguments: list[str], line: str, dimebench: Call, place: Path) -> None:
    if "--seeds" in arguments:
        refused(dimebench("plan", "suite=tiny", "--device", "cpu", "--until-decided", *arguments), line)
    refused(dimebench("run", "suite=tiny", "--device", "cpu", "--until-decided", *arguments), line)


@pytest.mark.parametrize("command", ["run", "plan"])
@pytest.mark.parametrize("option", ["--max-seeds", "--block-seeds"])
def test_seeds_of_looks_without_looks_are_refused(command: str, option: str, dimebench: Call, place: Path) -> None:
    answer = dimebench(command, "suite=tiny", "--device", "cpu", option, "3")
    refused(answer, f"{option} 3: belongs to --until-decided; --seeds says how many are trained")
    assert not (place / "results").exists()
