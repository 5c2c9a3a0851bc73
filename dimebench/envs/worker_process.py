"""A worker process as its parent sees it."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import select
import signal
import subprocess
import sys
from dataclasses import replace
from typing import Any

from dimebench.envs.share import Setup
from dimebench.envs.spec import EnvError

# One thread each: BLAS would give every worker a pool of as many as there are cores.
_ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_SLICE_S = 1.0
_LEAVING_S = 5.0
BUILDING_S = 600.0  # imports and model files may come from a slow network disk


class EnvWorkerProcess:
    """One worker: its process, the connection to it and the two event counters."""

    def __init__(self, setup: Setup, of: int, timeout_s: float) -> None:
        """Starts the process. `of`: how many workers there are; `timeout_s`: how long an answer may take."""
        self._name = f"{setup.spec.name}: environment worker {setup.number + 1} of {of}"
        self._timeout_s = timeout_s
        self._go = os.eventfd(0, os.EFD_CLOEXEC)
        self._done = os.eventfd(0, os.EFD_CLOEXEC)
        self._connection, there = multiprocessing.Pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "dimebench.envs.worker", str(there.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # the parent's may carry data; errors go where the parent's go
            pass_fds=(there.fileno(), setup.memory, self._go, self._done),
            env={**os.environ, **dict.fromkeys(_ONE_THREAD, "1")},
            start_new_session=True,  # Ctrl-C reaches the parent alone
        )
        there.close()
        self._poll = select.poll()
        self._poll.register(self._done, select.POLLIN)
        self._poll.register(self._connection.fileno(), 0)  # only its end: POLLHUP comes unasked
        self.pid = self._process.pid
        self._setup = replace(setup, go=self._go, done=self._done)
        self._lost: EnvError | None = None

    def build(self) -> None:
        """Let it build its environments; it answers with the task's own lowest and highest actions."""
        self.send(self._setup)

    def wake(self) -> None:
        """Let it carry out the command in the shared arrays. Raises EnvError when it was lost before."""
        if self._lost is not None:
            raise self._lost
        os.eventfd_write(self._go, 1)

    def wait(self) -> None:
        """Until the command is carried out. Raises EnvError when the process is dead or does not answer."""
        if self._lost is not None:
            raise self._lost
        # In slices: time for which a batch system has stopped all of us must not count.
        for _ in range(math.ceil(self._timeout_s / _SLICE_S)):
            if ready := self._poll.poll(min(self._timeout_s, _SLICE_S) * 1000):
                if ready[0][0] != self._done:
                    raise self._died()
                os.eventfd_read(self._done)
                return
        raise self._hangs(self._timeout_s)

    def send(self, message: Any) -> None:
        """A method of its share to call outside a step, as (name, *arguments). Raises EnvError when it is lost."""
        if self._lost is not None:
            raise self._lost
        try:
            self._connection.send(message)
        except ConnectionError as error:
            raise self._died() from error

    def answer(self, at_least_s: float = 0.0) -> Any:
        """What came of the last message, waiting `at_least_s` for it. Raises EnvError."""
        kind, content = self.receive(max(self._timeout_s, at_least_s))
        if kind == "error":
            raise EnvError(content)
        return content

    def receive(self, timeout_s: float | None = None) -> Any:
        """What it says next: after a command that failed why, and in which environment, if in one alone."""
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            if not self._connection.poll(timeout_s):
                raise self._hangs(timeout_s)
            return self._connection.recv()
        except (EOFError, ConnectionError) as error:
            raise self._died() from error

    def close(self) -> None:
        """Let it exit; `join` waits for that."""
        self._connection.close()

    def join(self) -> None:
        """Wait a few seconds for it to exit, then kill it."""
        try:
            self._process.wait(_LEAVING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._go)
        os.close(self._done)

    def _died(self) -> EnvError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVING_S)
        code = self._process.returncode
        how = "connection lost" if code is None else f"exit code {code}"
        if code is not None and code < 0:
            how = signal.Signals(-code).name
        self._lost = EnvError(f"{self._name} died ({how})")
        return self._lost

    def _hangs(self, timeout_s: float) -> EnvError:
        self._process.kill()
        self._lost = EnvError(f"{self._name} did not answer within {timeout_s:g} s")
        return self._lost
