"""`bench` on a real task at tiny budgets: every figure with its floor; words that it cannot use."""

from __future__ import annotations

import json
import math
import os
from typing import Any

import pytest

from tests.cli.calls import TASK, TINY, Answer, Call, process, refused

SHORT = ("suite=./tiny.yaml", "budget.action_repeat=2", "algo=sac,dime", "--device", "cpu", "--seconds", "0.05")
PARTS = ("physics", "learner", "acting", "loop")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("bench")
    (place / "tiny.yaml").write_text(TINY)
    answer = process("bench", *SHORT, "--seeds", "2", "--json", cwd=place)
    assert (answer.code, answer.err) == (0, "")
    assert [file.name for file in place.rglob("*")] == ["tiny.yaml"], "measuring leaves nothing behind"
    return json.loads(answer.out)


def test_every_part_has_its_floor(measured: dict[str, Any]) -> None:
    assert {"cpu", "cpus"} <= measured["machine"].keys()
    assert {"torch", "mujoco"} <= measured["versions"].keys()
    assert measured["seeds"] == 2
    assert [(cell["variant"], cell["task"]) for cell in measured["cells"]] == [("sac", TASK), ("dime", TASK)]
    for cell in measured["cells"]:
        assert cell["execution"] == {"device": "cpu", "threads": 1, "mode": "graph", "precision": "float32"}
        for part in PARTS:
            figure = cell[part]
            assert all(math.isfinite(value) and value > 0 for value in figure.values())
            assert figure["env_steps_per_s"] == pytest.approx(2 / figure["seconds_per_env_step"])
            assert 0 < figure["fraction_of_floor"] < 1.5
        assert cell["dominated_by"] in cell["shares_of_loop"]
        assert all(rate > 0 for rate in cell["ceilings"].values())


def test_calls_with_an_actor_update_are_timed_apart(measured: dict[str, Any]) -> None:
    sac, dime = measured["cells"]
    assert list(sac["seconds_per_update_call"]) == ["1"], "one of each per env step"
    assert list(dime["seconds_per_update_call"]) == ["0", "1"], "UTD 2, an actor update every third"
    of_dime = dime["seconds_per_update_call"]
    mean = (of_dime["0"] + 2 * of_dime["1"]) / 3
    assert dime["learner"]["seconds_per_env_step"] == pytest.approx(mean)
    without, *with_actor = [call["flops"] for call in dime["work_per_seed"]["calls"]]
    assert 0 < without < min(with_actor)


def test_the_figures_are_lines_where_there_is_no_terminal(dimebench: Call) -> None:
    cores = os.sched_getaffinity(0)
    answer: Answer = dimebench(
        "bench", "suite=tiny", "budget.action_repeat=2", "algo=crossq", "--device", "cpu", "--seconds", "0.05"
    )
    assert answer.code == 0, answer.err
    heads = [line.split()[:3] for line in answer.lines[1:5]]
    assert heads[0][:2] == [TASK, "physics"]
    assert heads[1:] == [[TASK, "crossq", part] for part in PARTS[1:]]
    assert os.sched_getaffinity(0) == cores, "pinned only while it measured"
    assert "dominates the loop" in answer.lines[5]
    assert answer.lines[6].startswith("cpu, 1 thread, graph float32, 1 seeds together; measured ceilings: ")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("suite=tiny algo=random", "random: learns nothing, so there is nothing to measure"),
        ("algo=dmie", "algo=dmie: unknown algorithm 'dmie' (nearest: dime)"),
        ("task=dog-rum", "task=dog-rum: unknown task 'dog-rum' in suite dmc-full (nearest: dog-run)"),
        ("suite=tiny dime.utd=0", "dime.utd=0: must be at least 1"),
        ("suite=tiny --seconds 0", "--seconds 0: must be a number of seconds above 0"),
        ("suite=tiny --seeds 0", "--seeds 0: at least one seed is needed"),
        ("suite=tiny --chain fusd", "--chain fusd: unknown (nearest: fused)"),
        ("suite=tiny --chain fused --device cpu", "--chain fused: needs a CUDA device; this run is on the CPU"),
        ("suite=tiny --device tpu", "--device tpu: unknown device (known: auto, cpu, cuda)"),
    ],
)
def test_words_that_cannot_be_used_are_named(words: str, line: str, dimebench: Call) -> None:
    refused(dimebench("bench", *words.split()), line)
