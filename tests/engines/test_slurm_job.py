"""What a job of Slurm's does when its block has ended, and what is asked of sbatch; no Slurm is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dimebench.engines.base import EngineError
from dimebench.engines.events import PoolSettings
from dimebench.engines.manifest import JobManifest
from dimebench.engines.messages import ranges
from dimebench.engines.remote import Signals
from dimebench.engines.slurm import job, submit
from dimebench.planning.plan import make_plan
from tests.planning.requests import request


@pytest.fixture
def manifest(tmp_path: Path) -> JobManifest:
    return JobManifest.write(make_plan(request(), [0], tmp_path, "cpu"), PoolSettings(), "slurm")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often the job has asked to be queued again."""
    found: list[str] = []
    monkeypatch.setattr(job, "_requeue", lambda: found.append("requeue") or "")
    return found


def after(manifest: JobManifest, ended: dict[str, Any], *heard: str) -> int:
    signals = Signals()
    signals.received.update(heard)
    manifest.note("ended", 0, ended)
    return job._exit_code(manifest, 0, ended, signals)


def ended(status: str, env_step: int = 20) -> dict[str, Any]:
    return {"status": status, "reason": None, "env_step": [env_step], "host": "n1"}


@pytest.mark.parametrize(
    ("status", "heard", "code", "requeues"),
    [
        ("finished", [], 0, 0),
        ("finished", ["SIGUSR1"], 0, 0),  # it was done before it could heed
        ("failed", [], 3, 0),
        ("refused", [], 3, 0),
        ("interrupted", ["SIGUSR1"], 0, 1),  # the time limit, or room is needed
        ("interrupted", ["SIGTERM", "SIGUSR1"], 0, 1),
        ("interrupted", [], 0, 1),  # the worker alone was told
        ("interrupted", ["SIGTERM"], 0, 0),  # cancelled, or queued again by Slurm itself
    ],
)
def test_a_job_is_queued_again_where_it_had_to_make_room(
    status: str, heard: list[str], code: int, requeues: int, manifest: JobManifest, asked: list[str]
) -> None:
    manifest.note("began", 0, {"env_step": [10], "idle": 0})
    assert after(manifest, ended(status), *heard) == code
    assert len(asked) == requeues


def test_three_stretches_without_an_env_step_are_enough(manifest: JobManifest, asked: list[str]) -> None:
    for idle in (0, 1):
        manifest.note("began", 0, {"env_step": [20], "idle": idle})
        assert after(manifest, ended("interrupted"), "SIGUSR1") == 0
    manifest.note("began", 0, {"env_step": [20], "idle": 2})
    assert after(manifest, ended("interrupted"), "SIGUSR1") == 3
    assert len(asked) == 2
    left = manifest.ended(0)
    assert left is not None
    assert left["status"] == "failed"
    assert left["reason"].startswith("no env step in 3 stretches in a row: the time limit (resources.time)")


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ("Job $2 may not be requeued", 3, "could not be queued again: Job 12_3 may not be requeued"),
        ("Job is pending execution for job $2", 0, None),  # by preemption that requeues
    ],
)
def test_a_requeue_that_slurm_refuses_is_told(
    words: str, code: int, reason: str | None, manifest: JobManifest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    manifest.note("began", 0, {"env_step": [10], "idle": 0})
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.parent.mkdir()
    scontrol.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 1\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", str(scontrol.parent), prepend=":")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    assert after(manifest, ended("interrupted"), "SIGUSR1") == code
    assert manifest.ended(0)["reason"] == reason  # type: ignore[index]


def test_what_is_asked_for_becomes_options_of_sbatch() -> None:
    asked = {
        "gpus": 2,
        "cpus": 8,
        "memory": "1.5GB",
        "time": "1-0",
        "partition": "gpu",
        "account": "mine",
        "notice": 60,
        "sbatch": ["--qos=long", "--exclusive"],
        "setup": ["module load cuda"],
    }
    given = submit.parameters(asked)
    assert (given["gpus_per_node"], given["cpus_per_task"], given["mem"], given["time"]) == (2, 8, "1536M", 1440)
    assert (given["partition"], given["account"], given["setup"]) == ("gpu", "mine", ["module load cuda"])
    more = {"requeue": True, "signal": "USR1@60", "qos": "long", "exclusive": True}
    assert given["additional_parameters"] == more
    assert submit.parameters({})["time"] is None, "the partition's default"


@pytest.mark.parametrize(("time", "notice"), [("3", 120), ("0:30", 10), ("1:00:00", 3600)])
def test_a_limit_that_leaves_no_time_to_train_is_refused(time: str, notice: int) -> None:
    with pytest.raises(EngineError, match=rf"resources\.time={time}: must be longer than {notice + 60} s"):
        submit.parameters({"time": time, "notice": notice})


def test_ids_of_jobs_are_written_as_ranges() -> None:
    assert ranges(["12_0", "12_1", "12_2", "12_7", "13", "14_3"]) == "12_[0-2,7], 13, 14_3"


def test_blocks_that_ask_for_the_same_share_an_array_as_long_as_the_cluster_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "_longest_array", lambda: 2)
    plan = make_plan(request("task=cartpole-swingup,walker-stand"), [0, 1, 2], tmp_path, "cpu")
    asked = {"dm_control/walker-stand": {"cpus": 2}}
    manifest = JobManifest.write(plan, PoolSettings(), "slurm", lambda task: asked.get(task, {}))
    arrays = list(submit._arrays(manifest))
    assert arrays == [([0, 1], {}), ([2], {}), ([3, 4], {"cpus": 2}), ([5], {"cpus": 2})]


def test_a_path_that_slurm_would_read_as_a_pattern_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "100%j"
    manifest = JobManifest.write(make_plan(request(), [0], place, "cpu"), PoolSettings(), "slurm")
    with pytest.raises(EngineError, match="a path with a '%' in it"):
        submit.submit(manifest, None)
    assert not place.exists()
