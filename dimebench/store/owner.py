"""The identity of a process, so that others can tell whether it still runs: process ids are reused."""

from __future__ import annotations

import functools
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Owner:
    """The holder of a run. `processes` are (pid, start in ticks since boot); `space` is boot and pid namespace."""

    host: str
    processes: tuple[tuple[int, int], ...]
    space: str

    def __str__(self) -> str:
        pid = self.processes[-1][0] if self.processes else 0
        return f"process {pid} on {self.host}" if pid else f"a process on {self.host}"

    def is_gone(self) -> bool:
        """Whether all of its processes have certainly ended; False where that is not visible from here."""
        if not self.space or self.space != _space() or not self.processes:
            return False
        return all(_has_ended(pid, ticks) for pid, ticks in self.processes)


def owner_of(pids: Sequence[int]) -> Owner:
    """These processes of this machine."""
    return Owner(platform.node(), tuple((pid, started_at(pid) or 0) for pid in pids), _space())


def _has_ended(pid: int, ticks: int) -> bool:
    began = started_at(pid)
    if began is not None:
        return began != ticks
    try:
        os.kill(pid, 0)
    except PermissionError:
        return False  # another user's process, which a /proc with hidepid does not show
    except (OSError, OverflowError):
        pass
    return True  # or a zombie


@functools.cache
def _space() -> str:
    """Where process ids mean the same as here: this boot of this machine, this namespace; "" where unknown."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def started_at(pid: int) -> int | None:
    """When a process began, in clock ticks since boot; None where it has ended (a zombie has)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
