"""What tests ask of processes that may end at any moment: the one who asks late gets an answer, not an error."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

WATCHED = "DIMEBENCH_TEST_RUN"  # in the environment of every process that a test run starts
PATIENCE_S = 300.0  # of whatever waits: a busy machine is slow, and only a fault uses it up


def end_with_this_process(variable: str = WATCHED) -> None:
    """Have all that this process starts from now on killed when it has ended, by SIGKILL too.

    `variable` marks them. A process that is marked itself needs no watchdog of its own.
    """
    if variable in os.environ or not Path("/proc/self/environ").exists():
        return
    os.environ[variable] = secrets.token_hex(8)
    words = [sys.executable, "-S", str(Path(__file__).with_name("watchdog.py")), os.environ[variable]]
    watchdog = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
    _watchdogs.append(watchdog)  # its input stays open as long as this process lives


_watchdogs: list[subprocess.Popen[bytes]] = []


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
