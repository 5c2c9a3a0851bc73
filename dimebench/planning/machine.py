"""Several GPUs: how many blocks share one, and what each asks for. A single GPU takes one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dimebench.planning.devices import gpus
from dimebench.planning.packing import Gpu, Item, blocks_per_gpu
from dimebench.planning.plan import Hardware, usable_cores
from dimebench.training.block import Block


@dataclass(frozen=True)
class Machine:
    """What a pool works on; without `gpus` it packs nothing."""

    gpus: tuple[Gpu, ...] = ()
    per_gpu: int = 1
    places: Hardware = field(default_factory=Hardware)

    def needs(self, results: Path) -> Callable[[Block], Item]:
        """What a block asks of a GPU here, from earlier runs in the results folder or estimated."""
        from dimebench.planning.durations import rough_seconds
        from dimebench.planning.memory import block_memory

        def item(block: Block) -> Item:
            memory = block_memory(block, results, self.places.gpu_bytes)
            return Item(f"{block.cell} {block.name}", memory.device, rough_seconds(block, results))

        return item


def here(numbers: Sequence[int]) -> Machine:
    """This machine with the GPUs of these numbers. Raises DeviceError."""
    if not numbers:
        return Machine()
    found = tuple(gpus(numbers))
    per_gpu = blocks_per_gpu(usable_cores(), len(found)) if len(found) > 1 else 1
    cores = max(1, usable_cores() // (len(found) * per_gpu))
    return Machine(found, per_gpu, Hardware(len(found), min(gpu.memory for gpu in found), cores))
