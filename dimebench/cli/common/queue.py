"""What `status` shows of a cluster's queue, beside the runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dimebench.cli.common.output import print_line, print_table

if TYPE_CHECKING:
    from dimebench.engines.slurm.queue import JobStatus
    from dimebench.store import Run
    from dimebench.store.places import Place

ASK_EVERY_S = 10.0  # squeue burdens a cluster's controller
MOST_NAMES = 4  # nodes or reasons in one line


class Queue:
    """The jobs that somebody who looks at these runs wants to know of, and why they cannot be told, if so."""

    def __init__(self, job_statuses: Sequence[JobStatus] = (), problem: str = "") -> None:
        self.job_statuses, self.problem = job_statuses, problem
        self._by_path = {
            each.block.run_folder(each.order.results, seed).absolute(): each
            for each in job_statuses
            for seed in each.block.seeds
        }

    def show(self) -> None:
        """A table of cells with jobs, and a line for each job that has gone wrong."""
        cells: dict[tuple[str, str, str], list[JobStatus]] = {}
        for each in self.job_statuses:
            if each.queued:
                cells.setdefault((each.block.suite, each.block.variant, each.block.task), []).append(each)
        rows = [[*key, _together(members)] for key, members in sorted(cells.items())]
        if rows:
            print_table(rows, ("suite", "algorithm", "task", "queue"))
        wrong: dict[tuple[str, str, str, str], list[JobStatus]] = {}
        for each in self.job_statuses:
            if not each.queued:
                key = (each.state, each.block.variant, each.block.task, each.reason)
                wrong.setdefault(key, []).append(each)
        for (state, variant, task, reason), members in wrong.items():
            from dimebench.engines.slurm.queue import ranges

            print_line(f"{state}: {variant} on {task}: job {ranges(each.job for each in members)}: {reason}")
        if self.problem:
            print_line(f"the queue is not shown: {self.problem}")

    def job(self, path: Place) -> dict[str, Any] | None:
        """What is known of a run's job, for programs."""
        one = self._by_path.get(path.absolute()) if isinstance(path, Path) else None
        if one is None:
            return None
        return {"id": one.job, "state": one.state, "node": one.node or None, "reason": one.reason or None}

    def others(self, known: Collection[Place]) -> list[dict[str, Any]]:
        """The runs with jobs that have not begun yet, for programs."""
        there = {path.absolute() for path in known if isinstance(path, Path)}
        return [
            {
                "path": str(path),
                "suite": one.block.suite,
                "algorithm": one.block.algorithm,
                "variant": one.block.variant,
                "task": one.block.task,
                "seed": int(path.name.removeprefix("seed-")),
                "status": "queued",
                "job": self.job(path),
            }
            for path, one in self._by_path.items()
            if path not in there
        ]


def queue_of(results: Path, suite: str | None, runs: Sequence[Run], held: Collection[Place]) -> Queue:
    """The queue beside these runs. Finished runs, and those that somebody trains now, need no job any more."""
    if not (results / ".launch").is_dir():
        return Queue()
    from dimebench.engines.manifest import EngineError
    from dimebench.engines.slurm.queue import job_statuses
    from dimebench.training.block import Block

    done = {run.folder.absolute() for run in runs if run.status in ("finished", "diverged")}
    settled = done | {path.absolute() for path in held if isinstance(path, Path)}
    place = results.absolute()

    def over(block: Block) -> bool:
        return all(block.run_folder(place, seed) in settled for seed in block.seeds)

    try:
        found = job_statuses(results, over=over)
    except EngineError as error:
        return Queue(problem=str(error))
    wanted = [each for each in found if suite in (None, each.block.suite)]
    return Queue([each for each in wanted if each.queued or each.state in ("lost", "refused") or each.reason])


def jobs_beside(results: Any, suite: str | None) -> Callable[[], tuple[object, ...]]:
    """What tells whether jobs are in the queue, and whether that has changed; squeue is asked now and then only."""
    latest: list[tuple[float, tuple[object, ...]]] = []

    def jobs() -> tuple[object, ...]:
        now = time.monotonic()
        if not latest or now - latest[-1][0] > ASK_EVERY_S:
            queued = [each for each in queue_of(results, suite, [], []).job_statuses if each.queued]
            latest[:] = [(now, tuple((each.job, each.state, each.node) for each in queued))]
        return latest[-1][1]

    return jobs if isinstance(results, Path) else tuple  # jobs' files are local


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
