"""Splits blocks of many seeds: where one does not fit on a GPU, and where GPUs would be idle.

No seed's random streams depend on it. Blocks that have begun stay whole: their checkpoint holds all their seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from dimebench.envs import worker_count
from dimebench.planning.cells import Cell, Hardware, Plan, usable_cores
from dimebench.planning.memory import block_memory
from dimebench.training.block import Block

ROOM = 0.95  # of a GPU's memory; the rest is for other processes and the estimate's error


def divide(plan: Plan, hardware: Hardware) -> None:
    """Split the plan's fresh blocks. Raises EnvError if memory has to be known and a task does not load.

    Each into as few parts as fit; then, while GPUs are idle, the block with the largest part into one more.
    """
    everything = list(plan.blocks())
    fresh = [each for each in everything if not each[1].checkpoint_folder(plan.results).is_dir()]
    parts = [_fitting(block, plan, hardware) for _, block in fresh]
    free = hardware.gpus - len(everything) - sum(parts) + len(parts)
    for _ in range(free if fresh else 0):
        sizes = [-(-len(block.seeds) // count) for (_, block), count in zip(fresh, parts, strict=True)]
        if max(sizes) > 1:
            parts[sizes.index(max(sizes))] += 1
    for (cell, block), count in zip(fresh, parts, strict=True):
        if count > 1:
            _split(cell, block, count, hardware)


def shares(seeds: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """The seeds in order, in this many parts whose sizes differ by one at most, the larger ones first."""
    edges = [-(-len(seeds) * i // parts) for i in range(parts + 1)]
    return [tuple(seeds[first:last]) for first, last in pairwise(edges)]


def _fitting(block: Block, plan: Plan, hardware: Hardware) -> int:
    """The least number of parts of which the largest fits; one per seed if even that does not."""
    if hardware.gpu_bytes is None:
        return 1

    def needs(parts: int) -> int:
        part = replace(block, seeds=shares(block.seeds, parts)[0])
        return block_memory(part, plan.results, hardware.gpu_bytes).device

    counts = range(1, len(block.seeds))
    return next((n for n in counts if needs(n) <= ROOM * hardware.gpu_bytes), len(block.seeds))


def _split(cell: Cell, block: Block, parts: int, hardware: Hardware) -> None:
    cores = usable_cores() if hardware.cores is None else hardware.cores
    made = [
        replace(block, seeds=seeds, env_workers=worker_count(len(seeds), cores))
        for seeds in shares(block.seeds, parts)
    ]
    at = cell.blocks.index(block)
    cell.blocks[at : at + 1] = made
