"""What an engine is: it settles the device, carries a plan out, and knows the jobs that it keeps in a queue."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dimebench.engines.events import Event, Outcome, PoolSettings
from dimebench.engines.manifest import JobManifest, JobStatus
from dimebench.errors import DimebenchError, UsageError
from dimebench.training.block import Block

if TYPE_CHECKING:  # the plan needs the learners, which `status` does without
    from dimebench.config import Request
    from dimebench.planning.cells import Hardware, Plan


class EngineError(DimebenchError):
    """An engine that is missing here, or that refuses; one line, with its own words."""


@dataclass(frozen=True)
class EngineOptions:
    """What `run` was asked for beside the pool's settings."""

    workers: int = 0  # processes on this machine, 0 for one per core
    wait: bool = False  # until the jobs of a queue have ended
    ray_address: str = ""


@dataclass(frozen=True)
class Submission:
    """What an engine with a queue has made of a plan; without a manifest nothing was left to submit."""

    manifest: JobManifest | None
    jobs: Sequence[str]  # their ids
    done: int  # runs that need no training any more
    queued: int  # runs that were in the queue already


OnEvent = Callable[[Event | Submission | JobStatus], None]  # a JobStatus: where it has changed


class Engine(ABC):
    """Where a plan is carried out. One instance belongs to one command."""

    name: ClassVar[str]
    has_queue: ClassVar[bool] = False  # whether its jobs go on when the command ends

    def __init__(self, options: EngineOptions, words: Sequence[str]) -> None:
        """words: those of `run`. Raises UsageError for what would do nothing here, EngineError without the engine."""
        if options.ray_address and self.name != "ray":
            raise UsageError(f"--ray-address {options.ray_address}: goes with --on ray")
        self.options = options

    @property
    def waits(self) -> bool:
        """Whether `run` returns only when all has ended."""
        return not self.has_queue or self.options.wait

    @abstractmethod
    def device(self, asked: str, request: Request) -> str:
        """cpu or cuda, for --device and what the request asks for. Raises UsageError."""

    def hardware(self) -> Hardware:
        """What decides, once the device is settled, which seeds train together."""
        from dimebench.planning.cells import Hardware

        return Hardware()

    @abstractmethod
    def run(self, plan: Plan, request: Request, settings: PoolSettings, on_event: OnEvent) -> Outcome:
        """Train the plan, or submit it. Raises EngineError where the engine refuses."""

    @staticmethod
    def statuses(
        manifests: Sequence[JobManifest], over: Callable[[Block], bool] = lambda block: False
    ) -> list[JobStatus]:
        """The jobs of these manifests. None where training ends with the command.

        over: blocks to leave out, unless their job is in the queue. Raises EngineError where no queue answers.
        """
        return []

    @staticmethod
    def cancel(jobs: Sequence[JobStatus], wait_s: float) -> list[JobStatus]:
        """Cancel jobs, which save first; those that have not ended within `wait_s`. Raises EngineError."""
        return list(jobs)
