"""This machine's GPUs: the memory that is free on them, how many blocks share one, what each asks for.

A process that asks a GPU for its memory gets a context there. The pool's own process trains nothing and would keep
it, so another one asks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from dimebench.errors import DimebenchError
from dimebench.planning.cells import Hardware, usable_cores
from dimebench.planning.packing import Gpu, Item, blocks_per_gpu
from dimebench.training.block import Block

LONGEST_S = 300.0
ASK = """
import json, torch
print(json.dumps([torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())]))
"""


class DeviceError(DimebenchError):
    """GPUs that cannot be asked for their memory; one line."""


@dataclass(frozen=True)
class Machine:
    """What a pool works on. With one GPU or none it packs nothing: a single GPU takes one block at a time."""

    gpus: tuple[Gpu, ...] = ()
    per_gpu: int = 1
    hardware: Hardware = field(default_factory=Hardware)

    def needs(self, results: Path) -> Callable[[Block], Item]:
        """What a block asks of a GPU here, from earlier runs in the results folder or estimated."""
        from dimebench.planning.durations import rough_seconds
        from dimebench.planning.memory import block_memory

        def item(block: Block) -> Item:
            memory = block_memory(block, results, self.hardware.gpu_bytes)
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


def gpus(numbers: Sequence[int]) -> list[Gpu]:
    """Those of the visible GPUs, each with the memory that is free on it now. Raises DeviceError."""
    done = subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, timeout=LONGEST_S, check=False)
    try:
        facts = json.loads(done.stdout)
        free = [int(facts[number][0]) for number in numbers]
    except (ValueError, IndexError, TypeError) as error:
        words = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        raise DeviceError(f"the GPUs cannot be asked for their memory: {words[0]}") from error
    return [Gpu(visible_name(number), memory) for number, memory in zip(numbers, free, strict=True)]


def visible_name(number: int) -> str:
    """What CUDA_VISIBLE_DEVICES has to say so that a process sees the GPU which is this one's `cuda:number` alone."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = [name.strip() for name in given.split(",")] if given else []
    return names[number] if number < len(names) else str(number)
