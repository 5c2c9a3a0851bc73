"""The GPUs of this machine and the memory that is free on them, asked in a process of its own.

Whoever asks a GPU for its memory gets a context there, which would stay in the pool's own process while it trains.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

from dimebench.errors import DimebenchError
from dimebench.planning.packing import Gpu

LONGEST_S = 300.0
ASK = """
import json, torch
print(json.dumps([torch.cuda.mem_get_info(i) for i in range(torch.cuda.device_count())]))
"""


class DeviceError(DimebenchError):
    """GPUs that cannot be asked for their memory; one line."""


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
