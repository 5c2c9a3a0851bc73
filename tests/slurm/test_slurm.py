"""`run --on slurm`, `status`, `cancel` on a real Slurm: queued again, cancelled, refused; the bits of a local run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dimebench.agents.registry import known_algorithms
from dimebench.config import parse_words
from dimebench.engines.events import PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.engines.manifest import read_manifests
from dimebench.engines.slurm.queue import read_queue
from dimebench.planning.cells import Plan
from dimebench.planning.plan import make_plan
from dimebench.store import read_runs
from dimebench.training.block import Block
from dimebench.training.checkpoint import Checkpoints
from tests.cli.calls import Call, refused
from tests.processes import wait_until
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import reached
from tests.training.blocks import assert_same_outputs, left_on_disk

WORDS = ["suite=tiny", "algo=sac,crossq", "steps=300", "evaluation.interval=150"]
SLURM = ["--on", "slurm", "--device", "cpu", "--checkpoint-every", "0.2", "--keep-checkpoints"]


def planned(results: Path, words: list[str], seeds: list[int]) -> Plan:
    return make_plan(parse_words(words, algorithms=known_algorithms()), seeds, results, "cpu")


def left_by(blocks: Iterable[Block], results: Path) -> dict[str, Any]:
    """What the blocks' runs leave: tables, final policies, and the whole state of the kept checkpoints."""
    found: dict[str, Any] = {}
    for block in blocks:
        found |= {f"{block.variant}/{key}": value for key, value in left_on_disk(block, results).items()}
        kept = Checkpoints(block.checkpoint_folder(results)).load()
        assert kept is not None
        found[f"{block.variant}/state"] = {key: value.numpy() for key, value in kept.state.items()}
    return found


@contextmanager
def drained(cluster: Cluster) -> Iterator[None]:
    """Jobs wait for the node meanwhile."""
    node = cluster.call("sinfo", "-h", "-o", "%N").stdout.decode().strip()
    cluster.call("scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=test")
    try:
        yield
    finally:
        cluster.call("scontrol", "update", f"NodeName={node}", "State=RESUME")


def test_jobs_that_are_queued_again_in_mid_run_end_with_the_bits_of_a_local_run(
    cluster: Cluster, dimebench: Call, place: Path
) -> None:
    """One by `scontrol requeue`, as an operator does it; one by the signal that comes before the time limit."""
    local = planned(place / "local", WORDS, [0])
    LocalPool(local, PoolSettings(2, keep_checkpoints=True)).run(lambda event: None)

    answer = dimebench("run", *WORDS, "resources.cpus=1", "resources.memory=500MB", "--seeds", "1", *SLURM)
    assert (answer.code, answer.trouble) == (0, "")
    assert answer.lines[0].startswith("tiny: 2 runs in 2 jobs: ")
    (manifest,) = read_manifests(place / "results")
    blocks = manifest.blocks
    assert {block.code for block in blocks} == {file.stem for file in (place / "results" / ".code").glob("*.json")}
    wait_until(lambda: len(read_queue(["tiny"])) == 2, "both are in the queue")
    (first, second) = sorted(read_queue(["tiny"]))
    again = dimebench("run", *WORDS, "--seeds", "1", *SLURM)
    assert again.lines == ["tiny: nothing to submit: 2 runs in the queue already"]

    steps = lambda: reached(place / "results")  # noqa: E731
    wait_until(lambda: len(steps()) == 2, "both have begun")
    assert dimebench("status").out.count("1 running on ") == 2
    wait_until(lambda: min(steps().values()) > 0, "both train")
    cluster.call("scontrol", "requeue", first)
    cluster.call("scancel", "--signal=USR1", second)
    wait_until(lambda: {job.state for job in read_queue(["tiny"]).values()} == {"PENDING"}, "both are queued again")
    assert {run.status for run in read_runs(place / "results")} == {"interrupted"}
    assert dimebench("status").out.count("1 requeued (BeginTime)") == 2
    facts = json.loads(dimebench("status", "--json").out)
    assert {(run["job"]["id"], run["job"]["state"]) for run in facts} == {(first, "requeued"), (second, "requeued")}

    for job in (first, second):
        cluster.start_now(job)
    answer = dimebench("run", *WORDS, "--seeds", "1", *SLURM, "--wait")
    assert answer.code == 0
    assert answer.lines[-1] == "tiny: 2 finished; results in results/"
    assert [manifest.ended(index)["attempt"] for index in range(2)] == [2, 2]  # type: ignore[index]
    assert {run.provenance["resumed"] for run in read_runs(place / "results")} == {1}
    assert_same_outputs(left_by(blocks, place / "results"), left_by(blocks, place / "local"))


def test_cancelled_jobs_leave_runs_that_go_on(cluster: Cluster, dimebench: Call, place: Path) -> None:
    words = ["suite=tiny", "algo=sac,crossq", "steps=100000", "evaluation.interval=50000"]
    answer = dimebench("run", *words, "--seeds", "2", "resources.parallel=1", *SLURM)
    assert answer.code == 0
    wait_until(lambda: any(reached(place / "results").values()), "the first trains")
    assert [line for line in dimebench("status").lines if "2 pending (JobArrayTaskLimit)" in line]
    refused(dimebench("cancel", "algo=sak"), "algo=sak: no job in the queue is of algo 'sak' (nearest: sac)")
    refused(dimebench("cancel", "aglo=sac"), "aglo=sac: unknown key 'aglo' (nearest: algo)")

    answer = dimebench("cancel", "algo=crossq", "task=cartpole-balance")
    assert answer.lines == ["cancelled 2 jobs, 0 of them running; `run` goes on from what is saved"]
    answer = dimebench("cancel")
    assert answer.lines == ["cancelled 2 jobs, 1 of them running; `run` goes on from what is saved"]
    assert read_queue(["tiny"]) == {}
    (run,) = read_runs(place / "results")
    assert run.status == "interrupted"
    blocks = [block for manifest in read_manifests(place / "results") for block in manifest.blocks]
    (block,) = [block for block in blocks if block.variant == "sac" and block.seeds == (0,)]
    assert list(block.checkpoint_folder(place / "results").glob("[0-9]*/manifest.json"))
    assert "lost" not in dimebench("status").out
    assert dimebench("cancel").lines == ["no jobs in the queue for 'results'"]


def test_what_slurm_refuses_is_said_in_its_words_and_leaves_nothing(
    cluster: Cluster, dimebench: Call, place: Path
) -> None:
    run = ["run", "suite=tiny", "--seeds", "1", *SLURM]
    answer = dimebench(*run, "resources.partition=nope")
    assert answer.code == 2
    assert answer.trouble.startswith("dimebench: sbatch refused: invalid partition specified: nope")
    assert len(answer.trouble.splitlines()) == 1
    answer = dimebench(*run, "resources.memory=900TB")
    assert answer.code == 2
    assert "Memory specification can not be satisfied" in answer.err
    assert not (place / "results").exists()


def test_a_folder_that_the_nodes_do_not_see_is_noticed(cluster: Cluster, dimebench: Call, place: Path) -> None:
    with drained(cluster):
        assert dimebench("run", "suite=tiny", "algo=sac", "--seeds", "1", *SLURM).code == 0
        shutil.copytree(place / "results", place / "seen-from-here")
        shutil.rmtree(place / "results")
    wait_until(lambda: not read_queue(["tiny"]), "the job has failed")
    (line,) = dimebench("status", "--results", "seen-from-here").lines
    assert line.startswith("lost: sac on dm_control/cartpole-balance: job ")
    assert line.endswith(f"its job never began to train: do the nodes see {place / 'seen-from-here'}?")


def test_a_node_with_other_packages_refuses_and_whoever_waits_is_told(
    cluster: Cluster, dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_plan

    def elsewhere(*given: Any) -> Plan:
        plan = ours(*given)
        for cell in plan.cells:
            cell.blocks = [replace(b, versions=b.versions | {"torch": "1.0"}) for b in cell.blocks]
        return plan

    monkeypatch.setattr("dimebench.planning.plan.make_plan", elsewhere)
    answer = dimebench("run", "suite=tiny", "algo=sac", "--seeds", "1", *SLURM, "--wait")
    assert answer.code == 3
    assert 'has other code or packages than this was ordered with: versions.torch: "1.0" there' in answer.out
    assert answer.lines[-1] == "tiny: 1 refused; results in results/"
    assert read_runs(place / "results") == []
