"""`run --on slurm`: the command ends when all is submitted, or with --wait when all has ended."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from dimebench.config.resources import Resources, megabytes
from dimebench.engines.base import Engine, EngineOptions, OnEvent, Submission
from dimebench.engines.devices import check_device_name
from dimebench.engines.events import Outcome, PoolSettings
from dimebench.engines.manifest import JobManifest, JobStatus, read_manifests
from dimebench.engines.messages import job_line
from dimebench.engines.slurm import queue
from dimebench.errors import UsageError

if TYPE_CHECKING:  # the plan needs the learners, which `status` does without
    from dimebench.config import Request
    from dimebench.planning.cells import Hardware, Plan

LOOK_EVERY_S = 5.0
LOST_AFTER_S = 60.0  # a network file system may show a job's last file later than the queue shows its end


class Slurm(Engine):
    """Array jobs in a cluster's queue."""

    name = queue.ENGINE
    has_queue = True

    def __init__(self, options: EngineOptions, words: Sequence[str]) -> None:
        from dimebench.engines.slurm.submit import check_slurm

        super().__init__(options, words)
        if options.workers:
            instead = "with --on slurm, resources.parallel=N says how many jobs at a time"
            raise UsageError(f"--workers {options.workers}: {instead}")
        check_slurm()
        self._resources = Resources()

    def device(self, asked: str, request: Request) -> str:
        """A GPU where one is asked for; the machine that submits need not have any."""
        check_device_name(asked)
        self._resources = request.suite.resources
        gpus = {task: request.suite.resources.of(task).get("gpus", 0) > 0 for task in request.suite.tasks}
        if asked == "auto":
            if len(set(gpus.values())) > 1:
                raise UsageError("--device auto: some tasks ask for GPUs and some for none: run them apart, task=...")
            return "cuda" if all(gpus.values()) else "cpu"
        for task, some in gpus.items():
            if (asked == "cuda") != some:
                has = "asks for a GPU: resources.gpus=0" if some else "asks for no GPU: add resources.gpus=1"
                raise UsageError(f"--device {asked}: {task} {has}")
        return asked

    def hardware(self) -> Hardware:
        """As many GPUs as jobs may run at a time: the seeds of a cell are spread over them."""
        from dimebench.planning.cells import Hardware

        asked = self._resources
        memory = megabytes(asked.gpu_memory) << 20 if asked.gpu_memory else None
        return Hardware(gpus=asked.parallel or 1, gpu_bytes=memory, cores=asked.cpus)

    def run(self, plan: Plan, request: Request, settings: PoolSettings, on_event: OnEvent) -> Outcome:
        """Ctrl-C ends the waiting alone: the jobs go on."""
        jobs = self._submit(plan, request, settings, on_event)
        return _wait(jobs, on_event) if self.options.wait else Outcome()

    def _submit(self, plan: Plan, request: Request, settings: PoolSettings, on_event: OnEvent) -> list[JobStatus]:
        """Submit the plan's blocks but for the seeds that are in the queue already; all jobs that train the plan.

        Raises EngineError where Slurm does not answer or refuses.
        """
        from dimebench.engines.slurm.submit import submit
        from dimebench.planning.plan import tidy

        tidy(plan)
        wanted = {(block.cell, seed) for _, block in plan.blocks() for seed in block.seeds}
        statuses = queue.job_statuses(read_manifests(plan.results, self.name))
        queued = [each for each in statuses if each.queued and _seeds(each) & wanted]
        taken = {run for each in queued for run in _seeds(each)}
        for cell in plan.cells:
            rest = [replace(b, seeds=tuple(s for s in b.seeds if (b.cell, s) not in taken)) for b in cell.blocks]
            cell.blocks = [block for block in rest if block.seeds]
        counts = sum(len(cell.done) for cell in plan.cells), len(taken & wanted)
        if not any(cell.blocks for cell in plan.cells):
            on_event(Submission(None, [], *counts))
            return queued
        manifest = JobManifest.write(plan, settings, self.name, request.suite.resources.of)
        jobs = submit(manifest, request.suite.resources.parallel)
        on_event(Submission(manifest, list(jobs.values()), *counts))
        return queued + [JobStatus(manifest, index, job, "pending", queued=True) for index, job in jobs.items()]

    statuses, cancel = staticmethod(queue.job_statuses), staticmethod(queue.cancel)


def _wait(jobs: Sequence[JobStatus], on_event: OnEvent) -> Outcome:
    """Report every change of these jobs until all have ended."""
    manifests = list({each.manifest.id: each.manifest for each in jobs}.values())
    keys = {_key(each) for each in jobs}
    reported: dict[tuple[str, int], str] = {}
    lost: dict[tuple[str, int], float] = {}  # since when
    while True:
        now = time.monotonic()
        found = [each for each in queue.job_statuses(manifests) if _key(each) in keys]
        lost = {_key(each): lost.get(_key(each), now) for each in found if each.state == "lost"}
        doubtful = {key for key, since in lost.items() if now - since < LOST_AFTER_S}
        for each in found:
            key, text = _key(each), job_line(each)
            if each.state != "ending" and key not in doubtful and reported.get(key) != text:
                reported[key] = text
                on_event(each)
        if not doubtful and not any(each.queued for each in found):
            return _outcome(found)
        time.sleep(LOOK_EVERY_S)


def _outcome(ended: Sequence[JobStatus]) -> Outcome:
    """A job that failed counts for more than one that was cancelled: then the outcome is no interruption."""
    failed = [(each.block, each.reason) for each in ended if each.state in ("failed", "refused", "lost")]
    facts = [(each.block, each.manifest.ended(each.index) or {}) for each in ended]
    diverged = [(block, seed, reason) for block, own in facts for seed, reason in own.get("diverged", [])]
    stopped = any(each.state in ("interrupted", "cancelled") for each in ended)
    conflicts = sum(bool(own.get("conflict")) for _, own in facts)
    return Outcome(failed, conflicts, diverged, interrupted=stopped and not failed and not diverged)


def _key(one: JobStatus) -> tuple[str, int]:
    return one.manifest.id, one.index


def _seeds(one: JobStatus) -> set[tuple[str, int]]:
    return {(one.block.cell, seed) for seed in one.block.seeds}
