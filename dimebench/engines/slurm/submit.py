"""Slurm: an order's blocks as array jobs, through submitit. Nothing is pickled but the order's folder and a number.

What a job gets before its time limit, or when it must make room, is SIGUSR1: every process of the job gets it, the
worker saves, and the job asks to be queued again. SIGTERM comes from `scancel`, and from Slurm when it queues the job
again by itself: the worker saves as well, and that is all.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from dimebench.config.resources import megabytes, minutes
from dimebench.engines.local.worker import record_failure
from dimebench.engines.manifest import EngineError, JobManifest
from dimebench.engines.remote import Signals, train_block
from dimebench.engines.slurm.queue import job_name, note_jobs

NOTICE_S = 120  # before the time limit; Slurm may send the signal a minute earlier, for it looks every so often
SLACK_S = 60
MOST_IDLE = 3  # stretches in a row without an env step, before a block counts as failed
FAILED = 3  # exit code of a job, as of the command line


# --- submitting ---------------------------------------------------------------------------------------------------


def check_slurm() -> None:
    """Raises EngineError where jobs cannot be submitted from here."""
    if shutil.which("sbatch") is None:
        raise EngineError("--on slurm: there is no sbatch here; log in to a machine of the cluster that submits jobs")
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise EngineError("--on slurm: submitit is not installed: pip install 'dimebench[slurm]'") from None


def submit(order: JobManifest, parallel: int | None) -> dict[int, str]:
    """Submit every block of the order; the ids of their jobs, which also stand in the order's folder.

    parallel: how many may run at a time. Raises EngineError with sbatch's own words; what was submitted before
    that stays in the queue, and without any job the order's folder goes.
    """
    jobs: dict[int, str] = {}
    try:
        if "%" in str(order.folder):
            raise EngineError(f"--results {order.results}: Slurm writes no logs below a path with a '%' in it")
        for members, asked in _arrays(order):
            share = parallel and max(1, parallel * len(members) // len(order.blocks))
            jobs |= _submit_array(order, members, asked, share)
            note_jobs(order, jobs)
    except BaseException:
        if not jobs:
            shutil.rmtree(order.folder, ignore_errors=True)
            for folder in (order.folder.parent, order.results):  # where they were made for this order
                with contextlib.suppress(OSError):
                    folder.rmdir()
        raise
    return jobs


def _arrays(order: JobManifest) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Blocks that ask for the same go together, as many as the cluster allows in an array."""
    groups: dict[str, list[int]] = {}
    for index, asked in enumerate(order.resources):
        groups.setdefault(json.dumps(asked, sort_keys=True), []).append(index)
    most = _longest_array()
    for members in groups.values():
        for first in range(0, len(members), most):
            part = members[first : first + most]
            yield part, order.resources[part[0]]


def _longest_array() -> int:
    answer = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=False)
    for line in answer.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize" and value.strip().isdigit():
            return max(1, int(value) - 1)
    return 1000


def _submit_array(
    order: JobManifest, members: list[int], asked: Mapping[str, Any], share: int | None
) -> dict[int, str]:
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = SlurmExecutor(folder=order.folder / "jobs")
    executor.update_parameters(
        **parameters(asked), job_name=job_name(order.suite), array_parallelism=share or len(members)
    )
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # sbatch's words come with the exception too
            submitted = executor.map_array(work, [str(order.folder)] * len(members), members)
    except (FailedJobError, FailedSubmissionError) as error:
        raise EngineError(f"sbatch refused: {_own_words(str(error))}") from error
    return {index: job.job_id for index, job in zip(members, submitted, strict=True)}


def parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a block asks for (`config.resources`), in submitit's words. Raises EngineError for too short a time."""
    notice = asked.get("notice", NOTICE_S)
    limit = minutes(asked["time"]) if "time" in asked else None
    if limit is not None and limit * 60 <= notice + SLACK_S:
        raise EngineError(
            f"resources.time={asked['time']}: must be longer than {notice + SLACK_S} s, for runs are saved "
            f"{notice} s before the limit (resources.notice), and Slurm's clock is coarse"
        )
    more: dict[str, Any] = {"requeue": True, "signal": f"USR1@{notice}"}
    for option in asked.get("sbatch", []):
        name, equals, value = option.removeprefix("--").partition("=")
        more[name] = value if equals else True
    return {
        "time": limit,
        "gpus_per_node": asked.get("gpus") or None,
        "cpus_per_task": asked.get("cpus"),
        "mem": f"{megabytes(asked['memory'])}M" if "memory" in asked else None,
        # what sbatch is asked for, srun does not take over by itself from Slurm 22.05 on
        "srun_args": [f"--cpus-per-task={asked['cpus']}"] if "cpus" in asked else None,
        "partition": asked.get("partition"),
        "account": asked.get("account"),
        "setup": asked.get("setup"),
        "stderr_to_stdout": True,
        "additional_parameters": more,
    }


def _own_words(text: str) -> str:
    """Of a failed command's output the lines that say why."""
    said = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in text.splitlines() if "sbatch: " in line]
    return "; ".join(said) or " ".join(text.split())


# --- in the job ---------------------------------------------------------------------------------------------------


def work(folder: str, index: int) -> NoReturn:
    """What a job calls: train a block, and have the job queued again where it was told to make room.

    It leaves by SystemExit, so that submitit keeps no result: how it ended stands in the order's folder.
    """
    with Signals() as signals:
        ended = train_block(folder, index)
        signals.heard.update(ended["signals"])
        code = _after(JobManifest.read(Path(folder)), index, ended, signals)
    sys.exit(code)


def _after(order: JobManifest, index: int, ended: dict[str, Any], signals: Signals) -> int:
    """The job's exit code."""
    if ended["status"] != "interrupted":
        return 0 if ended["status"] == "finished" else FAILED
    if signals.heard and "SIGUSR1" not in signals.heard:
        return 0  # cancelled, or queued again already
    began = order.began(index) or {}
    if ended["env_step"] == began.get("env_step") and began.get("idle", 0) + 1 >= MOST_IDLE:
        reason = f"no env step in {MOST_IDLE} stretches in a row: the time limit (resources.time) is too short for it"
        record_failure(order.blocks[index], order.results, reason, "")
        order.note("ended", index, ended | {"status": "failed", "reason": reason})
        return FAILED
    refusal = _requeue()
    if refusal:
        order.note("ended", index, ended | {"reason": f"could not be queued again: {refusal}"})
        return FAILED
    return 0


def _requeue() -> str:
    """ResourceRequest for this job to be queued again; "" or scontrol's own words."""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else os.environ["SLURM_JOB_ID"]
    print(f"dimebench: saved; asking for job {job} to be queued again", flush=True)
    answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if answer.returncode == 0 or "pending" in answer.stderr:  # Slurm had done so itself, as preemption may
        return ""
    return " ".join(answer.stderr.split()) or f"exit code {answer.returncode}"
