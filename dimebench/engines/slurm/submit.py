"""Submitting: a manifest's blocks as array jobs, through submitit, which pickles a folder and a number.

Before its time limit, or when it must make room, a job gets SIGUSR1: `job` says what it then does.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from dimebench.config.resources import megabytes, minutes
from dimebench.engines.base import EngineError
from dimebench.engines.manifest import JobManifest
from dimebench.engines.slurm.job import work
from dimebench.engines.slurm.queue import job_name, note_jobs
from dimebench.errors import one_line
from dimebench.planning.identity import keep_codes

NOTICE_S = 120  # before the time limit; Slurm checks once a minute and may send the signal that much earlier
SLACK_S = 60


def check_slurm() -> None:
    """Raises EngineError where jobs cannot be submitted from here."""
    if shutil.which("sbatch") is None:
        raise EngineError("--on slurm: there is no sbatch here; log in to a machine of the cluster that submits jobs")
    try:
        import submitit  # noqa: F401
    except ImportError:
        raise EngineError("--on slurm: submitit is not installed: pip install 'dimebench[slurm]'") from None


def submit(manifest: JobManifest, parallel: int | None) -> dict[int, str]:
    """Submit every block of the manifest; the ids of their jobs, which the manifest's folder records too.

    parallel: how many may run at a time. Raises EngineError with sbatch's own words; what was submitted before
    that stays in the queue, and without any job the manifest's folder is removed.
    """
    jobs: dict[int, str] = {}
    try:
        if "%" in str(manifest.folder):
            raise EngineError(f"--results {manifest.results}: Slurm writes no logs below a path with a '%' in it")
        for members, asked in _arrays(manifest):
            share = parallel and max(1, parallel * len(members) // len(manifest.blocks))
            jobs |= _submit_array(manifest, members, asked, share)
            note_jobs(manifest, jobs)
            keep_codes(manifest.blocks, manifest.results)  # not before: what is refused leaves nothing behind
    except BaseException:
        if not jobs:
            shutil.rmtree(manifest.folder, ignore_errors=True)
            for folder in (manifest.folder.parent, manifest.results):  # if they were made for this manifest
                with contextlib.suppress(OSError):
                    folder.rmdir()
        raise
    return jobs


def _arrays(manifest: JobManifest) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """Blocks with the same request form an array, up to the length that the cluster allows."""
    groups: dict[str, list[int]] = {}
    for index, asked in enumerate(manifest.resources):
        groups.setdefault(json.dumps(asked, sort_keys=True), []).append(index)
    most = _longest_array()
    for members in groups.values():
        for first in range(0, len(members), most):
            part = members[first : first + most]
            yield part, manifest.resources[part[0]]


def _longest_array() -> int:
    answer = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=False)
    for line in answer.stdout.splitlines():
        key, _, value = line.partition("=")
        if key.strip() == "MaxArraySize" and value.strip().isdigit():
            return max(1, int(value) - 1)
    return 1000


def _submit_array(
    manifest: JobManifest, members: list[int], asked: Mapping[str, Any], share: int | None
) -> dict[int, str]:
    from submitit import SlurmExecutor
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    executor = SlurmExecutor(folder=manifest.folder / "jobs")
    about = {"job_name": job_name(manifest.suite), "array_parallelism": share or len(members)}
    executor.update_parameters(**parameters(asked), **about)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # the exception has sbatch's words too
            submitted = executor.map_array(work, [str(manifest.folder)] * len(members), members)
    except (FailedJobError, FailedSubmissionError) as error:
        raise EngineError(f"sbatch refused: {_own_words(str(error))}") from error
    return {index: job.job_id for index, job in zip(members, submitted, strict=True)}


def parameters(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What a block requests (`config.resources`), in submitit's terms. Raises EngineError for too short a time."""
    notice = asked.get("notice", NOTICE_S)
    limit = minutes(asked["time"]) if "time" in asked else None
    if limit is not None and limit * 60 <= notice + SLACK_S:
        why = f"for runs are saved {notice} s before the limit (resources.notice), and Slurm's clock is coarse"
        raise EngineError(f"resources.time={asked['time']}: must be longer than {notice + SLACK_S} s, {why}")
    more: dict[str, Any] = {"requeue": True, "signal": f"USR1@{notice}"}
    for option in asked.get("sbatch", []):
        name, equals, value = option.removeprefix("--").partition("=")
        more[name] = value if equals else True
    return {
        "time": limit,
        "gpus_per_node": asked.get("gpus") or None,
        "cpus_per_task": asked.get("cpus"),
        "mem": f"{megabytes(asked['memory'])}M" if "memory" in asked else None,
        # from Slurm 22.05 on srun no longer takes this over from sbatch
        "srun_args": [f"--cpus-per-task={asked['cpus']}"] if "cpus" in asked else None,
        "partition": asked.get("partition"),
        "account": asked.get("account"),
        "setup": asked.get("setup"),
        "stderr_to_stdout": True,
        "additional_parameters": more,
    }


def _own_words(text: str) -> str:
    """The lines of a failed command's output that say why."""
    said = [line.removeprefix("sbatch: ").removeprefix("error: ") for line in text.splitlines() if "sbatch: " in line]
    return "; ".join(said) or one_line(text)
