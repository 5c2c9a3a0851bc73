"""What `run --on slurm` does with a plan: submit what is not in the queue yet, and follow it where one waits."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from dimebench.errors import INTERRUPTED, NOT_COMPARABLE, OK, SOME_FAILED

if TYPE_CHECKING:
    from dimebench.config import Request
    from dimebench.engines.local.pool import PoolSettings
    from dimebench.engines.slurm.queue import JobStatus
    from dimebench.planning.cells import Plan

LOOK_EVERY_S = 5.0
LOST_AFTER_S = 60.0  # a network file system may show a job's last word later than the queue shows its end


def submit_plan(plan: Plan, request: Request, settings: PoolSettings) -> list[JobStatus]:
    """Submit the plan's blocks but for those seeds that are in the queue already; what is now to be waited for.

    Raises EngineError where Slurm does not answer or refuses.
    """
    from dimebench.engines.manifest import JobManifest
    from dimebench.engines.slurm.queue import ENGINE, JobStatus, job_statuses, ranges
    from dimebench.engines.slurm.submit import submit
    from dimebench.numbers import count
    from dimebench.planning.plan import tidy

    for cell in plan.cells:
        tidy(cell)
    wanted = {(block.cell, seed) for _, block in plan.blocks() for seed in block.seeds}
    queued = [each for each in job_statuses(plan.results) if each.queued and _seeds(each) & wanted]
    taken = {run for each in queued for run in _seeds(each)}
    for cell in plan.cells:
        rest = [replace(b, seeds=tuple(s for s in b.seeds if (b.cell, s) not in taken)) for b in cell.blocks]
        cell.blocks = [block for block in rest if block.seeds]
    done = sum(len(cell.done) for cell in plan.cells)
    told = [f"{count(done, 'run')} done already"] if done else []
    told += [f"{count(len(taken & wanted), 'run')} in the queue already"] if queued else []
    if not any(cell.blocks for cell in plan.cells):
        typer.echo(f"{plan.suite}: nothing to submit: {', '.join(told)}")
        return queued
    order = JobManifest.write(plan, settings, ENGINE, request.suite.resources.of)
    jobs = submit(order, request.suite.resources.parallel)
    runs = count(sum(len(block.seeds) for block in order.blocks), "run")
    submitted = f"{runs} in {count(len(jobs), 'job')}: {ranges(jobs.values())}"
    typer.echo(f"{plan.suite}: {', '.join([submitted, *told])}")
    where = "" if str(plan.results) == "results" else f" --results {plan.results}"
    typer.echo(f"results in {plan.results}/, logs in {plan.results}/.launch/{order.id}/jobs/")
    typer.echo(f"dimebench status{where} shows how far they are, dimebench cancel{where} takes them back")
    return queued + [JobStatus(order, index, job, "pending", queued=True) for index, job in jobs.items()]


def wait_for(plan: Plan, chosen: Sequence[JobStatus]) -> int:
    """Tell what becomes of these blocks until all have ended; the exit code. Ctrl-C ends the waiting alone."""
    from dimebench.engines.slurm.queue import job_statuses

    orders = list({each.order.id: each.order for each in chosen}.values())
    keys = {_key(each) for each in chosen}
    told: dict[tuple[str, int], str] = {}
    lost: dict[tuple[str, int], float] = {}  # since when
    try:
        while True:
            now = time.monotonic()
            found = [each for each in job_statuses(plan.results, orders) if _key(each) in keys]
            lost = {_key(each): lost.get(_key(each), now) for each in found if each.state == "lost"}
            doubtful = {key for key, since in lost.items() if now - since < LOST_AFTER_S}
            for each in found:
                text = describe(each)
                if each.state != "ending" and _key(each) not in doubtful and told.get(_key(each)) != text:
                    told[_key(each)] = text
                    typer.echo(text)
            if not doubtful and not any(each.queued for each in found):
                return _summary(plan, found)
            time.sleep(LOOK_EVERY_S)
    except KeyboardInterrupt:
        typer.echo("the jobs go on; dimebench cancel takes them back", err=True)
        raise


def describe(one: JobStatus) -> str:
    """The line about a block."""
    block = one.block
    where = f" on {one.node}" if one.node else ""
    why = f" ({one.reason})" if one.reason else ""
    return f"{block.variant} on {block.task} {block.name}: job {one.job} {one.state}{where}{why}"


def _summary(plan: Plan, found: Sequence[JobStatus]) -> int:
    counts: Counter[str] = Counter()
    conflicts = diverged = 0
    for each in found:
        counts[each.state] += len(each.block.seeds)
        ended = each.order.ended(each.index) or {}
        conflicts += bool(ended.get("conflict"))
        diverged += len(ended.get("diverged", []))
    parts = [f"{number} {state}" for state, number in sorted(counts.items())]
    parts += [f"{diverged} of them diverged"] if diverged else []
    typer.echo(f"{plan.suite}: {', '.join(parts)}; results in {plan.results}/")
    failed = [each for each in found if each.state in ("failed", "refused", "lost")]
    if failed and conflicts == len(failed):
        return NOT_COMPARABLE
    if failed or diverged:
        return SOME_FAILED
    return INTERRUPTED if counts["interrupted"] or counts["cancelled"] else OK


def _key(one: JobStatus) -> tuple[str, int]:
    return one.order.id, one.index


def _seeds(one: JobStatus) -> set[tuple[str, int]]:
    return {(one.block.cell, seed) for seed in one.block.seeds}
