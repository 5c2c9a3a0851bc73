"""This machine's GPUs: their free memory, how many blocks share one, and what a block needs of one.

Free memory is read in a subprocess: the query creates a CUDA context, which the pool's process would hold while its
workers train.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dimebench.cores import usable_cores
from dimebench.errors import DimebenchError, last_line
from dimebench.planning.cells import Hardware
from dimebench.planning.durations import rough_seconds
from dimebench.planning.memory import block_memory
from dimebench.planning.packing import Gpu, Item, blocks_per_gpu
from dimebench.training.block import Block

LONGEST_S = 300.0
QUERY = """
import json, torch
print(json.dumps([torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())]))
"""


class DeviceError(DimebenchError):
    """The memory of GPUs cannot be read; one line."""


@dataclass(frozen=True)
class Machine:
    """What a pool works on. A single GPU takes one block at a time: nothing is packed."""

    gpus: tuple[Gpu, ...] = ()
    per_gpu: int = 1
    hardware: Hardware = field(default_factory=Hardware)

    def needs(self, results: Path) -> Callable[[Block], Item]:
        """A function: what a block needs of a GPU here, from earlier runs in the results folder or estimated."""

        def item(block: Block) -> Item:
            memory = block_memory(block, results, self.hardware.gpu_bytes)
            return Item(f"{block.cell} {block.name}", memory.device, rough_seconds(block, results))

        return item


def here(numbers: Sequence[int]) -> Machine:
    """This machine with the GPUs of these indices. Raises DeviceError."""
    if not numbers:
        return Machine()
    found = tuple(gpus(numbers))
    per_gpu = blocks_per_gpu(usable_cores(), len(found)) if len(found) > 1 else 1
    cores = max(1, usable_cores() // (len(found) * per_gpu))
    return Machine(found, per_gpu, Hardware(len(found), min(gpu.memory for gpu in found), cores))


def gpus(numbers: Sequence[int]) -> list[Gpu]:
    """The visible GPUs of these indices, each with the memory free now. Raises DeviceError."""
    done = subprocess.run([sys.executable, "-c", QUERY], capture_output=True, text=True, timeout=LONGEST_S)
    try:
        facts = json.loads(done.stdout)
        free = [int(facts[number][0]) for number in numbers]
    except (ValueError, IndexError, TypeError) as error:
        why = last_line(done.stderr, done.returncode)
        raise DeviceError(f"the GPUs cannot be asked for their memory: {why}") from error
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    visible = [name.strip() for name in given.split(",")] if given else []  # what `cuda:number` is called there
    names = [visible[number] if number < len(visible) else str(number) for number in numbers]
    return [Gpu(name, memory) for name, memory in zip(names, free, strict=True)]
