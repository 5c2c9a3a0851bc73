"""What is printed about the jobs of a cluster's queue: by `run` that submits them, and by `status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dimebench.cli.common.output import print_line, print_table

if TYPE_CHECKING:
    from dimebench.engines.base import Submission
    from dimebench.engines.events import Event, Outcome
    from dimebench.engines.jobs import Jobs
    from dimebench.engines.manifest import JobStatus
    from dimebench.planning.cells import Plan

MOST_NAMES = 4  # nodes or reasons in one line


class JobLines:
    """A line for what is submitted and for every job that changes; with --wait a summary."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.latest: dict[tuple[str, int], JobStatus] = {}

    def on_event(self, event: Event | Submission | JobStatus) -> None:
        from dimebench.engines.base import Submission
        from dimebench.engines.manifest import JobStatus
        from dimebench.engines.messages import job_line

        if isinstance(event, Submission):
            self._submitted(event)
        elif isinstance(event, JobStatus):
            self.latest[event.manifest.id, event.index] = event
            typer.echo(job_line(event))

    def _submitted(self, made: Submission) -> None:
        from dimebench.engines.messages import ranges
        from dimebench.numbers import count

        rest = [f"{count(made.done, 'run')} done already"] if made.done else []
        rest += [f"{count(made.queued, 'run')} in the queue already"] if made.queued else []
        lost = self.plan.left_alone
        rest += [f"{count(lost, 'run')} that cannot be read"] if lost else []
        suite, results, manifest = self.plan.suite, self.plan.results, made.manifest
        if manifest is None:
            typer.echo(f"{suite}: nothing to submit: {', '.join(rest)}")
            return
        runs = count(sum(len(block.seeds) for block in manifest.blocks), "run")
        submitted = f"{runs} in {count(len(made.jobs), 'job')}: {ranges(made.jobs)}"
        typer.echo(f"{suite}: {', '.join([submitted, *rest])}")
        where = "" if str(results) == "results" else f" --results {results}"
        typer.echo(f"results in {results}/, logs in {results}/.launch/{manifest.id}/jobs/")
        typer.echo(f"dimebench status{where} shows how far they are, dimebench cancel{where} takes them back")

    def summary(self, outcome: Outcome) -> None:
        if not self.latest:
            return
        counts = Counter(each.state for each in self.latest.values() for _ in each.block.seeds)
        parts = [f"{number} {state}" for state, number in sorted(counts.items())]
        parts += [f"{len(outcome.diverged)} of them diverged"] if outcome.diverged else []
        typer.echo(f"{self.plan.suite}: {', '.join(parts)}; results in {self.plan.results}/")


def print_jobs(jobs: Jobs) -> None:
    """A table of cells with jobs, and a line for each job that has gone wrong."""
    cells: dict[tuple[str, str, str], list[JobStatus]] = {}
    wrong: dict[tuple[str, str, str, str], list[JobStatus]] = {}
    for each in jobs.statuses:
        block = each.block
        if each.queued:
            cells.setdefault((block.suite, block.variant, block.task), []).append(each)
        else:
            wrong.setdefault((each.state, block.variant, block.task, each.reason), []).append(each)
    if cells:
        from dimebench.config.names import shown_tasks

        called = shown_tasks(task for _, _, task in cells)
        rows = [[suite, variant, called[task], _together(of)] for (suite, variant, task), of in sorted(cells.items())]
        print_table(rows, ("suite", "algorithm", "task", "queue"))
    for (state, variant, task, reason), members in wrong.items():
        from dimebench.engines.messages import ranges

        print_line(f"{state}: {variant} on {task}: job {ranges(each.job for each in members)}: {reason}")
    if jobs.problem:
        print_line(f"the queue is not shown: {jobs.problem}")


def plain_job(path: Path, one: JobStatus) -> dict[str, Any]:
    """A run with a job that has not begun yet, for programs."""
    block, seed = one.block, int(path.name.removeprefix("seed-"))
    names = {"suite": block.suite, "algorithm": block.algorithm, "variant": block.variant, "task": block.task}
    return {"path": str(path), **names, "seed": seed, "status": "queued", "job": one.to_json()}


def _together(members: Sequence[JobStatus]) -> str:
    """2 running on n1, n2; 3 pending (Resources)."""
    texts = []
    for state in dict.fromkeys(each.state for each in members):
        some = [each for each in members if each.state == state]
        runs = sum(len(each.block.seeds) for each in some)
        nodes, reasons = _names(each.node for each in some), _names(each.reason for each in some)
        texts.append(f"{runs} {state}" + (f" on {nodes}" if nodes else "") + (f" ({reasons})" if reasons else ""))
    return "; ".join(texts)


def _names(names: Iterable[str]) -> str:
    found = sorted({name for name in names if name})
    return ", ".join(found[:MOST_NAMES] + (["..."] if len(found) > MOST_NAMES else []))
