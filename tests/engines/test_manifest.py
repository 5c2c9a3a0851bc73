"""Job manifests: a plan that another process, which knows nothing but a folder and a number, carries out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dimebench.engines.events import PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.engines.manifest import JobManifest, ManifestError, read_manifests
from dimebench.planning.cells import Plan
from dimebench.planning.code.closure import code_of
from dimebench.planning.plan import make_plan
from dimebench.store import read_runs
from dimebench.store.provenance import keep_code, package_versions
from tests.planning.requests import request
from tests.processes import children, send, wait_until
from tests.training.blocks import assert_same_outputs, left_on_disk

LONG = ("steps=800", "evaluation.interval=200")


def start(manifest: JobManifest, index: int) -> subprocess.Popen[str]:
    """`train_block` in a process of its own, as an engine calls it."""
    code = "import sys; from dimebench.engines.remote import train_block; train_block(sys.argv[1], int(sys.argv[2]))"
    words = [sys.executable, "-c", code, str(manifest.folder), str(index)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)


def carry_out(manifest: JobManifest, index: int) -> dict[str, Any]:
    process = start(manifest, index)
    process.communicate(timeout=120)
    assert process.returncode == 0
    ended = manifest.ended(index)
    assert ended is not None
    return ended


def planned(results: Path, *words: str, seeds: list[int] | None = None) -> Plan:
    return make_plan(request(*words), seeds or [0, 1], results, "cpu")


def all_outputs(plan: Any, results: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _, block in plan.blocks():
        found |= {f"{block.name}/{key}": value for key, value in left_on_disk(block, results).items()}
    return found


def test_a_manifest_is_read_as_it_was_written_from_wherever_its_folder_is_seen(tmp_path: Path) -> None:
    plan = planned(tmp_path / "here")
    settings = PoolSettings(checkpoint_every_s=7.0, keep_checkpoints=True, lease_s=3.0)
    manifest = JobManifest.write(plan, settings, "slurm", lambda task: {"cpus": 3})
    assert manifest.blocks == tuple(block for _, block in plan.blocks())
    assert JobManifest.read(manifest.folder) == manifest
    assert read_manifests(tmp_path / "here") == [manifest]
    assert read_manifests(tmp_path / "here", "ray") == []
    (tmp_path / "here").rename(tmp_path / "there")
    moved = JobManifest.read(tmp_path / "there" / ".launch" / manifest.id)
    assert moved.results == tmp_path / "there"


def test_signals_save_the_block_and_the_next_attempt_goes_on_from_there(tmp_path: Path) -> None:
    """Several signals to every process of the job, as batch systems send them, are one."""
    plan = planned(tmp_path / "local", *LONG, seeds=[0])
    LocalPool(plan, PoolSettings(1)).run(lambda event: None)
    manifest = JobManifest.write(planned(tmp_path / "ordered", *LONG, seeds=[0]), PoolSettings(), "slurm")
    process = start(manifest, 0)
    wait_until(lambda: manifest.began(0) is not None and any(manifest.env_steps(0)), "the block trains", process)
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGCONT, signal.SIGTERM):
        send(number, process.pid, *children(process.pid))
    process.communicate(timeout=120)
    ended = manifest.ended(0)
    assert ended is not None
    assert (ended["status"], ended["signals"], ended["attempt"]) == ("interrupted", ["SIGTERM", "SIGUSR1"], 1)
    assert 0 < ended["env_step"][0] < 800
    assert [run.status for run in read_runs(tmp_path / "ordered")] == ["interrupted"]
    again = carry_out(manifest, 0)
    assert (again["status"], again["reason"], again["signals"]) == ("finished", None, [])
    assert (again["attempt"], again["env_step"]) == (2, [800])
    assert manifest.began(0)["env_step"] == ended["env_step"]  # type: ignore[index]
    assert_same_outputs(all_outputs(plan, tmp_path / "ordered"), all_outputs(plan, tmp_path / "local"))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"code": "0.0.1+abc"}, 'code: "0.0.1+abc" there'),
        ({"versions": package_versions(["mujoco", "dm-control"]) | {"torch": "1.0"}}, 'versions.torch: "1.0" there'),
    ],
)
def test_a_machine_with_other_code_or_packages_refuses(change: dict[str, Any], named: str, tmp_path: Path) -> None:
    plan = planned(tmp_path, seeds=[0])
    plan.cells[0].blocks = [replace(plan.cells[0].blocks[0], **change)]
    manifest = JobManifest.write(plan, PoolSettings(), "slurm")
    ended = carry_out(manifest, 0)
    assert ended["status"] == "refused"
    assert named in ended["reason"]
    assert "\n" not in ended["reason"]
    assert read_runs(tmp_path) == []


def test_a_machine_with_other_code_names_the_functions_that_differ(tmp_path: Path) -> None:
    plan = planned(tmp_path, seeds=[0])
    block = plan.cells[0].blocks[0]
    there = dict(code_of(block.algorithm, block.task).definitions) | {"Trainer.train": "0" * 12}
    keep_code(tmp_path, "a" * 12, there)
    plan.cells[0].blocks = [replace(block, code="a" * 12)]
    ended = carry_out(JobManifest.write(plan, PoolSettings(), "slurm"), 0)
    assert ended["status"] == "refused"
    assert "Trainer.train differs" in ended["reason"]


def test_a_block_that_fails_says_why(tmp_path: Path) -> None:
    manifest = JobManifest.write(planned(tmp_path, seeds=[0]), PoolSettings(), "slurm")
    place = manifest.blocks[0].run_folder(tmp_path, 0)
    place.parent.mkdir(parents=True)
    place.write_text("in the way")  # the run's folder cannot be made
    ended = carry_out(manifest, 0)
    assert ended["status"] == "failed"
    assert str(place) in ended["reason"]


def test_readers_of_runs_skip_manifests_whatever_lies_in_them(tmp_path: Path) -> None:
    plan = planned(tmp_path, seeds=[0])
    LocalPool(plan, PoolSettings(1)).run(lambda event: None)
    manifest = JobManifest.write(planned(tmp_path, seeds=[1]), PoolSettings(), "slurm")
    ((_, block),) = plan.blocks()
    place = manifest.folder / "family" / "task" / "seed-000"
    place.mkdir(parents=True)
    (place / "run.json").write_bytes((block.run_folder(tmp_path, 0) / "run.json").read_bytes())
    assert len(read_runs(tmp_path)) == 1


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 1, "jobs": 3}', json.dumps({"schema": 2})])
def test_a_broken_manifest_is_named(content: str, tmp_path: Path) -> None:
    file = tmp_path / ".launch" / "one" / "order.json"
    file.parent.mkdir(parents=True)
    file.write_text(content)
    with pytest.raises(ManifestError, match=str(file)):
        read_manifests(tmp_path)
