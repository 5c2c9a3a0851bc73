"""Taking turns: each side is a process that trains, and rests whenever it has done the env steps of its turn.

To a side: a line "N", env steps to do; end of input: leave. From it: {"ready": versions}, then {"seconds",
"cpu_seconds"} a turn; or {"absent": why} where its library is not installed. The driver has a `Side` for each, the
process itself `Turns`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

# One thread each, whatever the library; JAX has its own word for it.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "JAX_PLATFORMS": "cpu",
    "MUJOCO_GL": "disabled",
}


class AbsentError(Exception):
    """A side's library is not installed for the interpreter that it was given."""


class Side:
    """A side as the driver sees it: a process that inherits the driver's cores."""

    def __init__(
        self, name: str, script: Path, python: str, spec: dict[str, Any], environment: dict[str, str] | None = None
    ) -> None:
        """Starts the process and waits until it is ready to train. Raises AbsentError."""
        self.name = name
        self.process = subprocess.Popen(
            [python, str(script), json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **ONE_THREAD, **(environment or {})},
        )
        answer = self._answer()
        if "absent" in answer:
            self.close()
            raise AbsentError(answer["absent"])
        self.versions: dict[str, str] = answer["ready"]

    def go(self, env_steps: int) -> tuple[float, float]:
        """Let it train so many env steps; milliseconds per env step by the clock, and of CPU time."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{env_steps}\n")
        self.process.stdin.flush()
        answer = self._answer()
        return answer["seconds"] / env_steps * 1e3, answer["cpu_seconds"] / env_steps * 1e3

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"compare: {self.name} died with exit code {self.process.wait()}")
        return json.loads(line)


class Turns:
    """A side's own view: ask `step` before every env step of its loop."""

    def __init__(self, sync: Callable[[], object] = lambda: None) -> None:
        """`sync` waits for whatever the library still computes, at the end of a turn."""
        self._sink = os.fdopen(os.dup(sys.stdout.fileno()), "w")
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the answers
        self.sync = sync
        self._left = 0
        self._began: tuple[float, float] | None = None  # clock and CPU seconds at the start of the turn

    def ready(self, versions: dict[str, str]) -> None:
        self._say({"ready": versions})

    def absent(self, why: str) -> None:
        self._say({"absent": why})

    def step(self, count: int = 1) -> bool:
        """Count env steps, resting first where the turn is over. False: leave. `count` must divide every turn."""
        if self._left == 0:
            self.sync()
            if self._began:
                clock, cpu = self._began
                self._say({"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - cpu})
            line = sys.stdin.readline()
            if not line.strip():
                return False
            self._left = int(line)
            self._began = time.perf_counter(), time.process_time()
        self._left -= count
        return True

    def _say(self, answer: dict[str, Any]) -> None:
        self._sink.write(json.dumps(answer) + "\n")
        self._sink.flush()


def serve(run: Callable[[dict[str, Any], Turns], None]) -> None:
    """A side's entry point: `run` trains as the specification on the command line says."""
    turns = Turns()
    try:
        run(json.loads(sys.argv[1]), turns)
    except ModuleNotFoundError as error:
        turns.absent(str(error))
