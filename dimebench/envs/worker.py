"""The process that steps a share of a vector env's environments: `python -m dimebench.envs.worker CONNECTION`.

The connection (an inherited socket) carries the set-up, rare requests and errors. A step or a reset uses only shared
memory and two event counters: `go` wakes this process, `done` reports back. When the connection closes, as it does
when the parent dies, this process exits.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from dimebench.envs.arrays import STEP, Arrays, layout
from dimebench.envs.factory import build_environments
from dimebench.envs.share import Setup, Share
from dimebench.envs.spec import EnvError
from dimebench.errors import first_line

# Terminals and batch systems signal whole process groups or jobs; the parent decides what happens.
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class EnvWorker:
    """Serves one share until the connection ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._setup: Setup = connection.recv()
        setup = self._setup
        memory = mmap.mmap(setup.memory, layout(setup.spec, setup.envs).itemsize)
        self._arrays = Arrays.over(memory, setup.spec, setup.envs)
        self._chosen = self._arrays.chosen[setup.first : setup.first + len(setup.seeds)]

    def serve(self) -> None:
        if not self._answer(self._build):
            return
        poll = select.poll()
        poll.register(self._setup.go, select.POLLIN)
        poll.register(self._connection.fileno(), select.POLLIN)
        while True:
            if self._setup.go in dict(poll.poll()):
                os.eventfd_read(self._setup.go)
                self._command()
                os.eventfd_write(self._setup.done, 1)
            else:
                name, *arguments = self._connection.recv()
                self._answer(lambda: getattr(self._share, name)(*arguments))  # noqa: B023 (called at once)

    def _build(self) -> Any:
        """Returns the task's own lowest and highest actions."""
        setup = self._setup
        envs = build_environments(setup.spec.name, setup.seeds)
        rows = self._arrays.rows(setup.first, setup.first + len(envs))
        self._share = Share(setup.spec.name, envs, setup.action_repeat, rows, setup.first)
        return envs[0].low, envs[0].high

    def _command(self) -> None:
        work = self._share.step if self._arrays.command[0] == STEP else self._share.reset
        try:
            work(self._chosen.nonzero()[0].tolist())
        except Exception as error:
            self._arrays.failed[self._setup.number] = True
            number = getattr(error, "environment", None)
            self._connection.send((_message(error, self._setup.spec.name), number))

    def _answer(self, work: Callable[[], Any]) -> bool:
        """Send ("ok", what it returned) or ("error", a line)."""
        try:
            self._connection.send(("ok", work()))
        except (EOFError, ConnectionError):
            raise
        except Exception as error:
            self._connection.send(("error", _message(error, self._setup.spec.name)))
            return False
        return True


def _message(error: Exception, task: str) -> str:
    """One line. Our own errors name the task; the traceback of any other goes to standard error."""
    if isinstance(error, EnvError):
        return str(error)
    traceback.print_exception(error)
    return f"{task}: {type(error).__name__}: {first_line(error)}"


def main() -> None:
    """Serve over the connection whose file descriptor is the one argument."""
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(EOFError, ConnectionError):  # the parent closed the connection, or is gone
        EnvWorker(Connection(int(sys.argv[1]))).serve()
    os._exit(0)  # nothing to save; freeing the physics piece by piece would take longer than its steps did


if __name__ == "__main__":
    main()
