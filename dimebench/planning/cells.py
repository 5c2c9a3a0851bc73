"""A plan as data: cells with what of them is done and the blocks that train the rest, and the hardware for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dimebench.store import Run, StoreError
from dimebench.training.block import Block


def together(run: Run) -> tuple[int, ...]:
    """The seeds of the block in which the run began."""
    seeds = run.provenance.get("seeds_together")
    if isinstance(seeds, list) and run.seed in seeds and all(type(seed) is int and seed >= 0 for seed in seeds):
        return tuple(seeds)
    return (run.seed,)


@dataclass(frozen=True)
class Hardware:
    """Where blocks will train, as far as that decides which seeds train together and in how many processes."""

    gpus: int = 1  # that blocks are spread over
    gpu_bytes: int | None = None  # memory of the smallest GPU; None: unknown, so no block is split to fit
    cores: int | None = None  # per block; None: all that this process may use


ONE_DEVICE = Hardware()


@dataclass
class Cell:
    """One (variant, task): its seeds that are done already, and the blocks that train the others.

    A seed whose run there cannot be read is left alone, unless it began with others, in a block that goes on.
    """

    variant: str
    task: str
    seeds: tuple[int, ...]
    done: dict[int, Run] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    broken: dict[int, StoreError] = field(default_factory=dict)  # by seed: why its run cannot be read

    @property
    def left_alone(self) -> list[int]:
        """The seeds that are neither done nor trained, for their runs cannot be read."""
        return sorted(self.broken.keys() - {seed for block in self.blocks for seed in block.seeds})

    @property
    def name(self) -> str:
        return f"{self.variant} on {self.task}"


@dataclass
class Plan:
    """Everything that one `run` does."""

    suite: str
    results: Path
    cells: list[Cell]

    @property
    def left_alone(self) -> int:
        """How many runs are neither done nor trained, for they cannot be read."""
        return sum(len(cell.left_alone) for cell in self.cells)

    def blocks(self) -> Iterator[tuple[Cell, Block]]:
        """All blocks, in an order that finishes whole cells early."""
        for cell in self.cells:
            for block in cell.blocks:
                yield cell, block
