"""What a job of Slurm's does: train its block, and decide whether it is queued again.

Before the time limit, or when the job must make room, Slurm sends SIGUSR1 to all its processes: the worker saves, and
the job asks to be queued again. SIGTERM comes from `scancel`, and from Slurm when it queues the job again by itself:
the worker saves as well, and that is all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

from dimebench.engines.local.worker import record_failure
from dimebench.engines.manifest import JobManifest
from dimebench.engines.remote import Signals, train_block
from dimebench.errors import OK, SOME_FAILED, one_line

MOST_IDLE = 3  # attempts in a row without an env step, before a block counts as failed


def work(folder: str, index: int) -> NoReturn:
    """Train a block, and have the job queued again where it had to make room.

    It leaves by SystemExit, so that submitit keeps no result: the manifest's folder says how it ended.
    """
    with Signals() as signals:
        ended = train_block(folder, index)
        signals.received.update(ended["signals"])
        code = _exit_code(JobManifest.read(Path(folder)), index, ended, signals)
    sys.exit(code)


def _exit_code(manifest: JobManifest, index: int, ended: dict[str, Any], signals: Signals) -> int:
    """The job's exit code."""
    if ended["status"] != "interrupted":
        return OK if ended["status"] == "finished" else SOME_FAILED
    if signals.received and "SIGUSR1" not in signals.received:
        return OK  # cancelled, or queued again already
    began = manifest.began(index) or {}
    if ended["env_step"] == began.get("env_step") and began.get("idle", 0) + 1 >= MOST_IDLE:
        reason = f"no env step in {MOST_IDLE} stretches in a row: the time limit (resources.time) is too short for it"
        record_failure(manifest.blocks[index], manifest.results, reason, "")
        manifest.note("ended", index, ended | {"status": "failed", "reason": reason})
        return SOME_FAILED
    refusal = _requeue()
    if refusal:
        manifest.note("ended", index, ended | {"reason": f"could not be queued again: {refusal}"})
        return SOME_FAILED
    return OK


def _requeue() -> str:
    """Ask for this job to be queued again; "" or scontrol's own words."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else os.environ["SLURM_JOB_ID"]
    print(f"dimebench: saved; asking for job {job} to be queued again", flush=True)
    answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if answer.returncode == 0 or "pending" in answer.stderr:  # Slurm had done so itself, as preemption may
        return ""
    return one_line(answer.stderr) or f"exit code {answer.returncode}"
