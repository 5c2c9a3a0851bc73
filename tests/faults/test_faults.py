"""What goes wrong on shared machines: one line, the run recorded with its reason, the others go on, exit code 3."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dimebench.engines.events import Event, Outcome, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.planning.cells import Plan
from dimebench.planning.plan import make_plan
from dimebench.store import read_evals, read_runs
from tests.cli.calls import TASK, cell, process
from tests.faults.conftest import with_package
from tests.planning.requests import request
from tests.training.blocks import make_block, stop_after, train

# Signs of life come every two seconds; on a machine that has too much to do, much more rarely.
HANG_TIMEOUT = "15"


def run_json(results: Path, variant: str, seed: int = 0) -> dict[str, Any]:
    return json.loads((cell(results, variant) / f"seed-{seed:03d}" / "run.json").read_text())


def test_hung_nan_and_too_large_learners_spare_the_others(place: Path) -> None:
    """Three faults in one command, for a process costs seconds."""
    words = [
        "suite=tiny",
        "algo=stuck,nan,huge,random",
        "--seeds",
        "1",
        "--workers",
        "2",
        "--hang-timeout",
        HANG_TIMEOUT,
    ]
    words += ["--mode", "eager"]  # a graph would run the misbehaving Python of the first calls alone
    answer = process("run", *words, cwd=place, env=with_package(place))
    assert (answer.code, answer.trouble) == (3, "")
    assert "Traceback" not in answer.out
    told = [line for line in answer.lines if line.startswith(("failed: ", "diverged: "))]
    hung = f"no sign of life from the worker process for {HANG_TIMEOUT} s, so it was killed"
    memory = "out of memory on the device: OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 GiB"
    assert f"failed: stuck on {TASK}, seed-000: {hung}" in told
    kept = (cell(Path("results"), "huge") / "checkpoints" / "seed-000" / "error.txt").relative_to(".")
    assert f"failed: huge on {TASK}, seed-000: {memory} (traceback: {kept})" in told
    assert any(line.startswith(f"diverged: nan on {TASK}, seed-000: the policy's actions are not") for line in told)
    assert len(told) == 3
    assert "1 run finished, 0 were done already, 1 diverged, 2 failed (4 asked for, " in answer.told
    results = place / "results"
    assert (run_json(results, "stuck")["status"], run_json(results, "stuck")["reason"]) == ("failed", hung)
    assert (run_json(results, "huge")["status"], run_json(results, "huge")["reason"]) == ("failed", memory)
    assert run_json(results, "nan")["status"] == "diverged"
    assert run_json(results, "random")["status"] == "finished"


def together(results: Path, algo: str, seeds: tuple[int, ...]) -> Plan:
    """A plan that goes on with seeds which began in one process, as on a GPU."""
    ((_, block),) = make_plan(request("steps=60", algo=algo), [seeds[0]], results, "cpu", mode="eager").blocks()
    assert train(replace(block, seeds=seeds), results, stop_after(40)) == "interrupted"
    plan = make_plan(request("steps=60", algo=algo), list(seeds), results, "cpu", mode="eager")
    assert [block.seeds for _, block in plan.blocks()] == [seeds]
    return plan


def carry_out(plan: Plan) -> tuple[Outcome, list[Event]]:
    events: list[Event] = []
    return LocalPool(plan, PoolSettings(1, checkpoint_every_s=0.01)).run(events.append), events


def test_out_of_memory_goes_on_with_fewer_seeds_per_process_and_says_so(faulty: Path) -> None:
    outcome, events = carry_out(together(faulty, "greedy", (0, 1, 2)))
    assert (outcome.failed, outcome.interrupted) == ([], False)
    splits = [(e.block.seeds, [part.seeds for part in e.facts["parts"]]) for e in events if e.kind == "split"]
    assert splits == [((0, 1, 2), [(0, 1), (2,)]), ((0, 1), [(0,), (1,)])]
    assert events[[e.kind for e in events].index("split")].facts["reason"] == (
        "out of memory on the device with 3 seeds in one process"
    )
    runs = read_runs(faulty)
    assert {(run.seed, run.status) for run in runs} == {(0, "finished"), (1, "finished"), (2, "finished")}
    assert all("out of memory" in run.provenance["events"][0]["what"] for run in runs)
    assert sorted(read_evals(runs)["env_step"]) == sorted([0, 20, 40, 60] * 3)


def test_one_environment_that_raises_costs_its_own_seed_alone(faulty: Path) -> None:
    outcome, _ = carry_out(together(faulty, "breaker", (0, 1, 2)))
    ((block, reason),) = outcome.failed
    assert block.seeds == (1,)
    assert reason == "dm_control/cartpole-swingup: ValueError: the simulator fell over"
    runs = {run.seed: run for run in read_runs(faulty)}
    assert {seed: run.status for seed, run in runs.items()} == {0: "finished", 1: "failed", 2: "finished"}
    assert runs[1].reason == reason
    assert (runs[0].block, runs[1].block) == ("seeds-000-002", "seed-001")
    details = block.checkpoint_folder(faulty) / "error.txt"
    assert "the simulator fell over" in details.read_text()


def test_a_clock_that_goes_backwards_changes_no_duration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(2_000_000_000, 0, -1000))
    monkeypatch.setattr("time.time", lambda: float(next(now)))
    monkeypatch.setattr("dimebench.training.record._now", lambda: f"{next(now)}")
    block = make_block("sac")
    assert train(block, tmp_path, every_s=0.01) == "finished"
    (run,) = read_runs(tmp_path)
    assert int(run.provenance["finished"]) < int(run.provenance["started"]), "as that clock says"
    walls = read_evals([run])["wall_time_s"]
    assert walls.is_monotonic_increasing
    assert walls.between(0, 3600).all()


def test_a_results_folder_that_becomes_read_only_while_training(mounting: list[str], place: Path) -> None:
    script = """
mkdir disk && mount -t tmpfs tmpfs disk
"$@" & pid=$!
until ls disk/tiny/sac/dm_control/*/checkpoints/*/0*/manifest.json >/dev/null 2>&1; do sleep 0.1; done
until mount -o remount,ro disk 2>/dev/null; do  # busy while a file is open for writing
    kill -0 $pid || exit 99
    sleep 0.01
done
wait $pid; code=$?
mount -o remount,rw disk; cp -a disk copy
exit $code
"""
    words = ["suite=tiny", "algo=sac", "steps=100000", "--seeds", "1", "--results", "disk"]
    words += ["--checkpoint-every", "0.01"]
    answer = process("run", *words, cwd=place, around=[*mounting, "sh", "-c", script, "sh"])
    assert (answer.code, answer.trouble) == (3, "")
    failed = [line for line in answer.lines if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith(f"failed: sac on {TASK}, seed-000: disk/tiny/sac/")
    assert failed[0].endswith(": Read-only file system")
    assert list((place / "copy").rglob("manifest.json")), "the last checkpoint is there"
