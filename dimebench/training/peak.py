"""The most memory that this process has held since it was asked to begin counting."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

import torch

RESET_PEAK = "5"  # what /proc/self/clear_refs takes to set the high-water mark to the resident set of now
_HIGH_WATER = re.compile(r"^VmHWM:\s+([0-9]+) kB", re.MULTILINE)


def begin(device: str) -> None:
    """Begin to count, as far as the system lets a process do so; else peaks are those of its whole life."""
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
