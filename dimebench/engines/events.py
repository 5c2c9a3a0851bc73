"""What every engine is given (settings), what it reports while a plan is carried out (events), and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dimebench.errors import INTERRUPTED, NOT_COMPARABLE, OK, SOME_FAILED
from dimebench.planning.packing import Gpu
from dimebench.store.claims import LEASE_S
from dimebench.training.block import Block

if TYPE_CHECKING:  # the plan needs the learners, which `status` does without
    from dimebench.planning.cells import Cell

HANG_TIMEOUT_S = 1800.0  # a checkpoint of gigabytes on a slow disk is no hang


@dataclass(frozen=True)
class PoolSettings:
    """How a pool works; none of it changes a number."""

    workers: int = 1
    gpus: tuple[Gpu, ...] = ()  # with several, blocks are packed onto them, whatever `workers` says
    per_gpu: int = 1  # blocks on one of them at most
    checkpoint_every_s: float = 300.0
    keep_checkpoints: bool = False
    hang_timeout_s: float = HANG_TIMEOUT_S  # without a sign of life from a worker, before it is killed
    lease_s: float = LEASE_S  # without a sign of life from an owner on another machine, before its claim expires


@dataclass(frozen=True)
class Event:
    """Something that happened to a block: started, progress, evaluation, notice, done, failed, split, waiting
    (another process trains it) or elsewhere (another process has trained it)."""

    kind: str
    cell: Cell
    block: Block
    facts: dict[str, Any]


@dataclass
class Outcome:
    """How a plan ended, or has gone so far."""

    failed: list[tuple[Block, str]] = field(default_factory=list)  # with their reasons
    conflicts: int = 0  # failures because the place holds a run of another identity
    diverged: list[tuple[Block, int, str]] = field(default_factory=list)  # block, seed, reason
    interrupted: bool = False  # the state of what was in work is saved
    cut_short: bool = False  # something in work was stopped at once: it goes on from its last checkpoint
    left_alone: int = 0  # runs of the plan that cannot be read

    @property
    def exit_code(self) -> int:
        """What the command exits with."""
        if self.interrupted:
            return INTERRUPTED
        if self.failed and self.conflicts == len(self.failed) and not self.left_alone:
            return NOT_COMPARABLE
        return SOME_FAILED if self.failed or self.diverged or self.left_alone else OK
