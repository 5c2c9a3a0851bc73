"""`plan`: what run would do, in a table and in JSON, with nothing trained and nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.calls import TASK, Call, process, refused, snapshot


def test_the_plan_is_what_run_would_do_and_writes_nothing(dimebench: Call, place: Path) -> None:
    before = snapshot(place)
    words = ["plan", "suite=tiny", "algo=sac,random", "--seeds", "3", "--device", "cpu", "--workers", "2"]
    answer = dimebench(*words, "--no-probe", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert [(cell["variant"], [b["seeds"] for b in cell["blocks"]]) for cell in found["cells"]] == [
        ("sac", [[0], [1], [2]]),
        ("random", [[0], [1], [2]]),
    ]
    assert (found["blocks"], found["blocks_of_unknown_time"], found["seconds"]) == (6, 6, None)
    assert all(b["memory_from"] == "estimate" for cell in found["cells"] for b in cell["blocks"])
    assert found["disk_bytes"] >= found["disk_bytes_that_stay"] > 0
    lines = dimebench(*words, "--no-probe").lines
    assert "6 runs to train in 6 blocks, on 2 workers" in lines
    assert "time of 6 blocks is not known: no earlier runs in the results folder, --no-probe" in lines
    assert snapshot(place) == before


def test_graphs_may_be_asked_for_on_a_cpu_where_auto_has_them(dimebench: Call, place: Path) -> None:
    words = ["plan", "suite=tiny", "algo=sac", "--seeds", "1", "--device", "cpu", "--no-probe", "--json"]
    asked, auto = dimebench(*words, "--mode", "graph"), dimebench(*words)
    assert (asked.code, asked.err) == (0, "")
    assert asked.out == auto.out


def test_a_cluster_that_is_not_here_is_described(dimebench: Call) -> None:
    words = ["plan", "suite=tiny", "algo=sac", "--seeds", "6", "--on", "slurm", "--gpus", "2", "--nodes", "2"]
    found = json.loads(dimebench(*words, "--price", "2", "--json").out)
    assert found["target"] == {"on": "slurm", "device": "cuda", "slots": 4, "gpu_memory_bytes": 80_000_000_000}
    assert sorted(len(block["seeds"]) for block in found["cells"][0]["blocks"]) == [1, 1, 2, 2]
    assert all(block["gpu_memory_bytes"] > 0 for block in found["cells"][0]["blocks"])
    assert found["cost"] is None, "nobody knows how long it takes"
    lines = dimebench(*words).lines
    assert "time of 4 blocks is not known: no earlier runs in the results folder, no GPU here to probe" in lines


def test_time_and_cost_come_from_a_probe_and_say_so(dimebench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from dimebench.planning.probe import Pace

    pace = Pace(0.0, 0.0, evaluation_step=120.0, episode_steps=20, device_bytes=0, host_bytes=10**9)
    monkeypatch.setattr("dimebench.planning.paces.probe", lambda block, seconds, core: pace)
    words = ["plan", "suite=tiny", "algo=random", "--seeds", "3", "--device", "cpu", "--price", "3"]
    here = json.loads(dimebench(*words, "--workers", "2", "--json").out)  # 3 evaluations of 20 steps: two hours each
    assert (here["seconds"], here["device_seconds"], here["cost"]) == (4 * 3600, 6 * 3600, 24.0)
    lines = dimebench(*words, "--workers", "2").lines
    assert "time: 4.0 h on 2 workers, 6.0 h of one (probe)" in lines
    assert "cost: 24.00, at 3 for an hour of one worker: 4.0 h of 2 workers, all of them until the end" in lines
    there = dimebench(*words, "--on", "ray", "--workers", "3").lines
    assert "time: 2.0 h on 3 workers, 6.0 h of one (extrapolated from a probe on this machine)" in there
    assert "cost: 18.00, at 3 for an hour of one worker: 6.0 h of one worker, each while it works" in there


def test_a_rate_that_is_assumed_takes_the_place_of_a_probe(dimebench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> None:
        raise AssertionError

    monkeypatch.setattr("dimebench.planning.paces.probe", never)
    words = ["plan", "suite=tiny", "algo=sac:utd=2,sac", "--seeds", "2", "--device", "cpu", "--workers", "1"]
    words += ["--price", "3600"]
    rates = ["--rate", "sac=10", "--rate", "sac:utd=2=5"]  # of 60 env steps: 6 and 12 seconds
    found = json.loads(dimebench(*words, *rates, "--json").out)
    assert (found["seconds"], found["cost"]) == (36.0, 36.0)
    assert found["assumed_env_steps_per_second"] == {"sac": 10, "sac:utd=2": 5}
    lines = dimebench(*words, *rates).lines
    assert "time: 0.6 min on 1 worker, 0.6 min of one (assumed)" in lines
    assert "assumed: sac 10, sac:utd=2 5 env steps per second of a run, evaluations included (--rate)" in lines
    unknown = dimebench(*words, "--rate", "sac:utd=2=5", "--no-probe").lines[-2:]
    why = "the time of 2 blocks is not (no earlier runs in the results folder, --no-probe); --rate assumes one"
    assert f"cost: not known, for {why}" in unknown


def test_progress_is_told_on_a_terminal_alone_and_not_in_json(
    dimebench: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dimebench.planning.probe import Pace

    told: list[str] = []
    monkeypatch.setattr("dimebench.planning.paces.probe", lambda *_: Pace(1, 1, 1, 20, 0, 10**9))
    words = ["plan", "suite=tiny", "algo=sac,random", "--seeds", "1", "--device", "cpu", "--workers", "1", "--json"]
    answer = dimebench(*words)
    assert (answer.err, json.loads(answer.out)["blocks_of_unknown_time"]) == ("", 0)
    monkeypatch.setattr("rich.status.Status.update", lambda self, text: told.append(text))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    assert json.loads(dimebench(*words).out)["blocks_of_unknown_time"] == 0
    assert told == ["probing 1 of 2: sac on cartpole-balance", "probing 2 of 2: the physics on cartpole-balance"]


def test_what_is_done_is_not_planned_again(dimebench: Call) -> None:
    words = ["suite=tiny", "algo=random", "--seeds", "1", "--device", "cpu"]
    assert dimebench("run", *words).code == 0
    answer = dimebench("plan", *words)
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[-1] == "nothing is left to train"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["algo=dime,sac", "--seeds", "3"], "3 seeds on one task cannot decide; 4 can"),
        (["algo=dime,sac", "--seeds", "4-6"], "3 seeds on one task cannot decide; 4 can"),
        (["algo=dime,sac,random", "--seeds", "1"], "1 seed on one task cannot decide; 4 can"),
        (["algo=dime,sac,crossq", "--seeds", "4"], "4 seeds on one task cannot decide between 3 algorithms; 5 can"),
        (["algo=dime,sac", "--seeds", "4"], ""),
        (["algo=dime,random", "--seeds", "3"], "3 seeds on one task cannot decide; 4 can"),
        (["algo=dime", "--seeds", "1"], ""),
        (["algo=dime,sac", "--until-decided", "--max-seeds", "3"], ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_too_few_seeds_to_decide_are_pointed_out(dimebench: Call, words: list[str], line: str) -> None:
    asked = ["plan", "suite=tiny", *words, "--device", "cpu", "--no-probe"]
    answer = dimebench(*asked)
    assert (answer.code, answer.err) == (0, "")
    assert [each for each in answer.lines if "cannot decide" in each] == ([line] if line else [])
    found = json.loads(dimebench(*asked, "--json").out)["cannot_decide"]
    assert (found and found["text"]) == (line or None)
    assert not found or found["seeds"] < found["fewest_seeds"]


def test_statistics_are_imported_only_where_few_seeds_can_matter(place: Path) -> None:
    script = (
        "import sys; from dimebench.cli.common.checks import undecidable\n"
        "from dimebench.planning.cells import Cell, Plan\n"
        "cells = [Cell(name, 't', tuple(range(int(sys.argv[1]))), blocks=[0]) for name in ('a', 'b')]\n"
        "print(undecidable(Plan('s', None, cells)), any(name.startswith('dimebench.stats') for name in sys.modules))"
    )
    for seeds, said in (("3", "3 seeds on one task cannot decide; 4 can True"), ("10", "None False")):
        done = subprocess.run([sys.executable, "-c", script, seeds], capture_output=True, text=True, check=True)
        assert done.stdout == said + "\n"


def test_run_says_before_training_that_it_cannot_decide(place: Path) -> None:
    words = ["suite=tiny", "algo=random,sac", "--seeds", "1", "--device", "cpu"]
    line = "dimebench: note: 1 seed on one task cannot decide; 4 can\n"
    for said in (line, ""):  # the second time nothing is left to do
        answer = process("run", *words, cwd=place)
        assert (answer.code, answer.err) == (0, said)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--on", "slurm"], "--on slurm: say what there is: --gpus N or --workers N on each node, --nodes N"),
        (["--on", "slrum"], "--on slrum: unknown engine (nearest: slurm)"),
        (["--nodes", "2"], "--nodes 2: this machine is one: goes with --on slurm or ray"),
        (["--gpus", "2", "--device", "cpu"], "--gpus: with --device cpu nothing would run on them"),
        (["--price", "free"], "--price free: must be a number above 0"),
        (["--rate", "dmie=5"], "--rate dmie=5: no algorithm of this plan is 'dmie' (nearest: dime)"),
        (["--rate", "dime"], "--rate dime: write NAME=N, env steps per second: --rate dime=1000"),
        (["--rate", "dime=fast"], "--rate dime fast: must be a number of env steps per second above 0"),
        (["--rate", "dime=5", "--rate", "dime=6"], "--rate dime=6: the rate of dime is already 5"),
        (["--probe-seconds", "0"], "--probe-seconds 0: must be a number of seconds above 0"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_describes_nothing_is_refused(options: list[str], line: str, dimebench: Call) -> None:
    refused(dimebench("plan", "suite=tiny", *options), line)


def test_gpus_are_named_by_numbers_that_there_are(dimebench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    from dimebench.engines.devices import gpus_here

    assert gpus_here("cuda") == gpus_here("auto") == ("cuda", [0, 1])
    assert gpus_here("cuda:1") == ("cuda", [1])
    assert gpus_here("cpu") == ("cpu", [])
    refused(dimebench("plan", "suite=tiny", "--device", "cuda:2"), "--device cuda:2: there is no GPU 2 (known: 0, 1)")
    refused(
        dimebench("plan", "suite=tiny", "--device", "cuda:x"),
        "--device cuda:x: write the numbers of GPUs (cuda:0,1)",
    )
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    assert gpus_here("cuda") == ("cuda", []), "one GPU needs no packing"


def test_a_variant_that_would_only_act_at_random_is_pointed_out(dimebench: Call, place: Path) -> None:
    words = ["suite=tiny", "algo=sac,random", "steps=60", "sac.learning_starts=60", "--seeds", "1", "--device", "cpu"]
    line = f"dimebench: note: sac on {TASK} only acts at random: learning_starts=60 and the budget is 60 env steps\n"
    for command in (["plan", *words, "--no-probe"], ["plan", *words, "--no-probe", "--json"]):
        answer = dimebench(*command)
        assert (answer.code, answer.err) == (0, line)
    few = "dimebench: note: 1 seed on one task cannot decide; 4 can\n"
    for said in (line + few, ""):  # the second time nothing is left to do
        answer = process("run", *words, cwd=place)
        assert (answer.code, answer.err) == (0, said)
