"""The slower ways in which a job is cut off on a real Slurm: its time limit, and a node that dies."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dimebench.engines.events import PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.engines.manifest import read_manifests
from dimebench.engines.slurm.queue import read_queue
from dimebench.store import read_runs
from tests.cli.calls import Call, process
from tests.faults import package
from tests.processes import wait_until
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import reached
from tests.slurm.test_slurm import SLURM, WORDS, left_by, planned
from tests.training.blocks import assert_same_outputs
from tests.watchdog import marked


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_run_longer_than_its_time_limit_is_queued_again_until_it_is_done(
    cluster: Cluster, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two minutes at a time for an algorithm whose evaluations take 20 s on any machine: five of them."""
    site = package.install(place / "site")
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ['PYTHONPATH']}")  # every command is a process
    monkeypatch.setenv("MOOD", "slow")
    monkeypatch.setenv("MOOD_FILE", str(place / "mood"))
    words = ["suite=tiny", "algo=moody", "steps=40", "evaluation.interval=10", "--seeds", "1"]
    assert process("run", *words, *SLURM[2:], "--results", "local", cwd=place).code == 0

    run = ["run", *words, "resources.time=2", "resources.notice=30", *SLURM]
    assert process(*run, cwd=place).code == 0
    (manifest,) = read_manifests(place / "results")
    (job,) = read_queue(["tiny"])
    wait_until(lambda: manifest.ended(0) is not None, "the limit is near")
    ended = manifest.ended(0)
    assert ended is not None
    assert (ended["status"], ended["attempt"], ended["signals"]) == ("interrupted", 1, ["SIGUSR1"])
    wait_until(lambda: read_queue(["tiny"])[job].state == "PENDING", "the job is queued again")
    cluster.start_now(job)
    assert process(*run, "--wait", cwd=place).code == 0
    assert manifest.ended(0)["attempt"] >= 2  # type: ignore[index]
    assert_same_outputs(left_by(manifest.blocks, place / "results"), left_by(manifest.blocks, place / "local"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_job_whose_node_dies_goes_on_elsewhere_from_its_last_checkpoint(
    cluster: Cluster, dimebench: Call, place: Path
) -> None:
    """SIGKILL to all that runs on the node, as a power cut; then the node comes back, and Slurm waits two minutes."""
    local = planned(place / "local", WORDS, [0])
    blocks = [block for _, block in local.blocks()]
    LocalPool(local, PoolSettings(2, keep_checkpoints=True)).run(lambda event: None)
    run = ["run", *WORDS, "--seeds", "1", *SLURM]
    assert dimebench(*run).code == 0
    wait_until(lambda: sorted(reached(place / "results").values())[-1:] > [0], "a run trains")
    cluster.kill_node(marked(str(place).encode()))
    wait_until(
        lambda: {job.state for job in read_queue(["tiny"]).values()} == {"PENDING"}, "the jobs are queued again"
    )
    assert "cut off" in dimebench("status").out
    cluster.start_node()
    assert dimebench(*run, "--wait").code == 0
    assert {run.status for run in read_runs(place / "results")} == {"finished"}
    assert_same_outputs(left_by(blocks, place / "results"), left_by(blocks, place / "local"))
