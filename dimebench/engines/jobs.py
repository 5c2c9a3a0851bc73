"""The jobs of a results folder, in the queue of whichever engine keeps them. A folder without any costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from dimebench.engines import FOLDER
from dimebench.store import Run
from dimebench.store.places import Place

if TYPE_CHECKING:
    from dimebench.engines.manifest import JobStatus
    from dimebench.training.block import Block

T = TypeVar("T")
ASK_EVERY_S = 10.0  # the controller of a cluster has other things to do


class Jobs:
    """The jobs that matter to a look at some runs, or why they are not known."""

    def __init__(self, statuses: Sequence[JobStatus] = (), problem: str = "") -> None:
        self.statuses, self.problem = statuses, problem
        self._by_path = {
            each.block.run_folder(each.manifest.results, seed).absolute(): each
            for each in statuses
            for seed in each.block.seeds
        }

    def of(self, path: Place) -> JobStatus | None:
        """The job of a run."""
        return self._by_path.get(path.absolute()) if isinstance(path, Path) else None

    def others(self, known: Collection[Place]) -> list[tuple[Path, JobStatus]]:
        """The runs with jobs that are not among the known ones."""
        there = {path.absolute() for path in known if isinstance(path, Path)}
        return [(path, one) for path, one in self._by_path.items() if path not in there]


def job_statuses(results: Path, over: Callable[[Block], bool] = lambda block: False) -> list[JobStatus]:
    """The status of every job below a results folder, as its engine tells it; of engines that are installed here.

    over: blocks to leave out, unless their job is in the queue. Raises EngineError where a queue does not answer,
    ManifestError for a broken manifest.
    """
    from dimebench.engines.manifest import read_manifests
    from dimebench.engines.registry import known_engines, load_engine

    parts = _by_engine(read_manifests(results), lambda manifest: manifest.engine)
    known = known_engines() if parts else ()
    return [status for name, part in parts if name in known for status in load_engine(name).statuses(part, over)]


def cancel_jobs(jobs: Sequence[JobStatus], wait_s: float) -> list[JobStatus]:
    """Cancel jobs, which save first; those that have not ended within `wait_s`. Raises EngineError."""
    from dimebench.engines.registry import load_engine

    parts = _by_engine(jobs, lambda job: job.manifest.engine)
    return [left for name, part in parts for left in load_engine(name).cancel(part, wait_s)]


def _by_engine(found: Iterable[T], engine: Callable[[T], str]) -> list[tuple[str, list[T]]]:
    """In the order of the engines' names; those of one stay in order."""
    return [(name, list(part)) for name, part in groupby(sorted(found, key=engine), engine)]


def jobs_beside(results: Path, suite: str | None, runs: Sequence[Run], held: Collection[Place]) -> Jobs:
    """The jobs beside these runs. Finished runs, and those in `held`, which are being trained, need none any more."""
    if not (results / FOLDER).is_dir():
        return Jobs()
    from dimebench.engines.base import EngineError

    done = {run.folder.absolute() for run in runs if run.done}
    settled = done | {path.absolute() for path in held if isinstance(path, Path)}
    place = results.absolute()

    def over(block: Block) -> bool:
        return all(block.run_folder(place, seed) in settled for seed in block.seeds)

    try:
        found = job_statuses(results, over)
    except EngineError as error:
        return Jobs(problem=str(error))
    wanted = [each for each in found if suite in (None, each.block.suite)]
    return Jobs([each for each in wanted if each.queued or each.state in ("lost", "refused") or each.reason])


def queued_jobs(results: Path, suite: str | None) -> Callable[[], tuple[object, ...]]:
    """What tells, each time it is called, which jobs are in the queue; the engine is asked now and then only."""
    asked_at = 0.0
    latest: tuple[object, ...] = ()

    def jobs() -> tuple[object, ...]:
        nonlocal asked_at, latest
        if not asked_at or time.monotonic() - asked_at > ASK_EVERY_S:
            queued = [each for each in jobs_beside(results, suite, [], []).statuses if each.queued]
            asked_at, latest = time.monotonic(), tuple((each.job, each.state, each.node) for each in queued)
        return latest

    return jobs
