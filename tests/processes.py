"""What tests ask of processes that may end at any moment: the one who asks late gets an answer, not an error."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

import psutil

PATIENCE_S = 300.0  # of whatever waits: a busy machine is slow, and only a fault uses it up


def children(pid: int, *, recursive: bool = False) -> list[int]:
    """The ids of a process's children, or of all that descend from it; of a process that has gone: none."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=recursive)]
    except psutil.NoSuchProcess:
        return []


def alive(pid: int) -> bool:
    """Whether the process still runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def send(number: signal.Signals, *pids: int) -> None:
    """A signal to each of the processes that are still there."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_until(true: Callable[[], object], what: str, process: subprocess.Popen[str] | None = None) -> None:
    """Return as soon as it is so; fail, and say what was waited for, when it takes past all patience.

    process: who is to bring it about; when it ends before, the test fails at once with what it said.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, f"waited in vain until {what}"
        time.sleep(0.05)


def wait_until_gone(pids: Iterable[int]) -> None:
    """Return as soon as none of the processes runs."""
    pids = list(pids)
    wait_until(lambda: not any(map(alive, pids)), f"the processes {pids} have ended")
