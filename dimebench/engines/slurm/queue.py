"""The status of jobs: what Slurm's queue says of them, and what they have written down themselves."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from dimebench.engines.base import EngineError
from dimebench.engines.manifest import JobManifest, JobStatus, read_json
from dimebench.errors import one_line
from dimebench.store import atomic_write
from dimebench.store.claims import claimed_by
from dimebench.training.block import Block

ENGINE = "slurm"
JOBS_FILE = "jobs.json"  # in a manifest's folder
LOOK_EVERY_S = 1.0
MOST_ARGUMENTS = 500  # job ids on one command line
WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "CONFIGURING")
HELD = ("REQUEUE_HOLD", "SPECIAL_EXIT")


@dataclass(frozen=True)
class QueueEntry:
    """A job that is in the queue."""

    id: str
    state: str  # Slurm's own word
    node: str
    reason: str  # why it does not run


def job_name(suite: str) -> str:
    """What the jobs of a suite are called in the queue."""
    return f"dimebench-{suite}"


def note_jobs(manifest: JobManifest, jobs: Mapping[int, str]) -> None:
    """Keep the ids of the blocks' jobs in the manifest's folder."""
    content = {"jobs": {str(index): job for index, job in jobs.items()}}
    atomic_write(manifest.folder / JOBS_FILE, json.dumps(content).encode())


def jobs_of(manifest: JobManifest) -> dict[int, str]:
    """The job of each block, as far as they were submitted."""
    content = read_json(manifest.folder / JOBS_FILE) or {}
    return {int(index): str(job) for index, job in content.get("jobs", {}).items()}


def read_queue(suites: Iterable[str]) -> dict[str, QueueEntry]:
    """The jobs of these suites that are in the queue, by id. Raises EngineError where squeue does not answer."""
    names = ",".join(sorted({job_name(suite) for suite in suites}))
    if not names:
        return {}
    text = call("squeue", "--noheader", "--array", f"--name={names}", "--format=%i|%T|%N|%r")
    jobs = {}
    for line in text.splitlines():
        job, state, node, reason = line.split("|", 3)
        jobs[job] = QueueEntry(job, state, node, "" if reason == "None" else reason)
    return jobs


def job_statuses(
    manifests: Sequence[JobManifest], over: Callable[[Block], bool] = lambda block: False
) -> list[JobStatus]:
    """The status of every block that was submitted; of one that was submitted again, the last time alone.

    over: blocks to leave out, unless their job is in the queue. Raises EngineError where squeue does not answer.
    """
    queue = read_queue({each.suite for each in manifests})  # first: a job that leaves it now has written how it ended
    latest: dict[tuple[str, tuple[int, ...]], JobStatus] = {}
    for manifest in manifests:
        for index, job in jobs_of(manifest).items():
            block = manifest.blocks[index]
            if job in queue or not over(block):
                latest[block.cell, block.seeds] = _status(manifest, index, job, queue.get(job))
    found = list(latest.values())
    fates = _fates([each.job for each in found if each.state == "lost"])
    return [_with_fate(each, fates) if each.state == "lost" else each for each in found]


def _status(manifest: JobManifest, index: int, job: str, entry: QueueEntry | None) -> JobStatus:
    began = manifest.began(index)
    if entry is None:
        ended = manifest.ended(index)
        if ended is not None:
            return JobStatus(manifest, index, job, ended["status"], ended["host"], ended["reason"] or "")
        return JobStatus(manifest, index, job, "lost", began["host"] if began else "")
    state = {"COMPLETING": "ending"}.get(entry.state, entry.state.lower())
    if entry.state in WAITING:
        state = "pending" if began is None else "requeued"
    elif entry.state in HELD:
        state = "held"
    return JobStatus(manifest, index, job, state, entry.node, entry.reason, queued=True)


def _with_fate(one: JobStatus, fates: dict[str, str]) -> JobStatus:
    fate = f"Slurm says {fates[one.job]}" if one.job in fates else "it left the queue without a word"
    never = f"; its job never began to train: do the nodes see {one.manifest.results}?"
    return replace(one, reason=fate if one.node else fate + never)


def _fates(ids: Sequence[str]) -> dict[str, str]:
    """What accounting says of jobs that have left, or slurmctld, which remembers them for some minutes."""
    found: dict[str, str] = {}
    for part in _parts(ids):
        told = _try("sacct", "-nPX", "--format=JobID,State", f"--jobs={','.join(part)}")
        found |= dict(line.partition("|")[::2] for line in told.splitlines())
    for job in [each for each in ids if each not in found][: MOST_ARGUMENTS // 10]:
        facts = dict(word.partition("=")[::2] for word in _try("scontrol", "--oneliner", "show", "job", job).split())
        if "JobState" in facts:
            found[job] = facts["JobState"]
    return found


def cancel(jobs: Sequence[JobStatus], wait_s: float) -> list[JobStatus]:
    """Cancel jobs in the queue, and wait for them to end: Slurm gives them the time to save (its KillWait).

    Returns those that have not ended within `wait_s`. Raises EngineError where Slurm does not let them be cancelled.
    """
    from dimebench.engines.local.worker import mark_interrupted

    manifests = list({each.manifest.id: each.manifest for each in jobs}.values())
    left, deadline, refusal = list(jobs), time.monotonic() + wait_s, ""
    while left and time.monotonic() < deadline:
        for part in _parts([each.job for each in left if each.state != "ending"]):
            try:
                call("scancel", *part)
            except EngineError as error:  # of a job that just changes its state: try again
                if str(error) == refusal:
                    raise
                refusal = str(error)
        time.sleep(LOOK_EVERY_S)
        queued = {each.job: each for each in job_statuses(manifests) if each.queued}
        left = [queued[each.job] for each in left if each.job in queued]
    for each in [each for each in jobs if each.job not in {one.job for one in left}]:
        began = each.manifest.began(each.index)
        if each.manifest.ended(each.index) is None:  # it did not get to it, or never began
            facts = {"host": began["host"] if began else "", "reason": None}
            each.manifest.note("ended", each.index, {"status": "cancelled", **facts})
        if began is not None and _was_trained_on(began["host"], each):
            mark_interrupted(each.block, each.manifest.results)
    return left


def _was_trained_on(host: str, one: JobStatus) -> bool:
    """Whether it was the job's own machine, and nobody else, that held the block's runs."""
    owners = [claimed_by(one.block.run_folder(one.manifest.results, seed)) for seed in one.block.seeds]
    return all(owner is None or owner.host == host for owner in owners)


def call(*words: str) -> str:
    """What a command of Slurm's prints. Raises EngineError where there is none, or with its own words."""
    try:
        answer = subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise EngineError(f"there is no {words[0]} here: ask on a machine of the cluster") from None
    if answer.returncode:
        raise EngineError(f"{words[0]}: {one_line(answer.stderr) or f'exit code {answer.returncode}'}")
    return answer.stdout


def _try(*words: str) -> str:
    try:
        return call(*words)
    except EngineError:  # no accounting here, or nothing known any more
        return ""


def _parts(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[first : first + MOST_ARGUMENTS] for first in range(0, len(ids), MOST_ARGUMENTS)]
