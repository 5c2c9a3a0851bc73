"""The peak memory of this process since `begin`."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

import torch

RESET_PEAK = "5"  # written to /proc/self/clear_refs, it sets the high-water mark to the current resident set
_HIGH_WATER = re.compile(r"^VmHWM:\s+([0-9]+) kB", re.MULTILINE)


def begin(device: str) -> None:
    """Start to count; where the system does not allow that, peaks are those of the process's whole life."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()


def peak(device: str) -> dict[str, int]:
    """`peak_memory_bytes`: on a CPU of the process's resident set, on a GPU of what torch has reserved there.

    On a GPU the resident set is `peak_host_memory_bytes`; processes that step environments are not in it.
    """
    if not device.startswith("cuda"):
        return {"peak_memory_bytes": resident()}
    return {"peak_memory_bytes": torch.cuda.max_memory_reserved(), "peak_host_memory_bytes": resident()}


def resident() -> int:
    """Bytes of the process's resident set at its largest."""
    try:
        found = _HIGH_WATER.search(Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found:
        return 1024 * int(found[1])
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage if sys.platform == "darwin" else 1024 * usage
