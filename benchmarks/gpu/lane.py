"""One process of a part, as the campaign sees it: started, watched, started again where it dies, ended in time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.gpu.record import LOGS, File, Result
from benchmarks.gpu.session import AGAIN, RECORDED, Orders

ROOT = Path(__file__).resolve().parents[2]
MOST_STARTS = 12
KEPT_LOG = 12_000  # characters of what a process printed
FOR_ANOTHER_START = 10.0  # seconds that must be left


class Lane:
    """A process (with its children, a group of its own) that carries out orders until `limit` seconds are over.

    It is told a deadline a little before that, is asked to end a little after it, and is killed at the limit.
    """

    def __init__(self, orders: Orders, limit: float, environment: dict[str, str]) -> None:
        """`orders` have the told deadline."""
        self.orders, self.limit, self.ends = orders, limit, orders.deadline + spare(limit)
        self._environment = environment
        self._file = File(Path(orders.out), orders.campaign)
        self._log = Path(orders.scratch) / f"log-{orders.part}-{orders.lane}"
        self._starts, self._asked = 0, False
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._starts += 1
        self.orders.current.unlink(missing_ok=True)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "benchmarks.gpu.session", self.orders.to_json()],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self._environment},
                start_new_session=True,
            )

    def over(self) -> bool:
        """Look after the process; True once there is nothing more to look after."""
        code = self.process.poll()
        now = time.monotonic()
        if code is None and now < self.ends - spare(self.limit) / 2:
            return False
        if code is None and now < self.ends:
            if not self._asked:
                self._asked = True
                self._signal(signal.SIGTERM)
            return False
        self._signal(signal.SIGKILL)  # children that it may have left
        if code is None or self._asked:
            self.process.wait()
            self._record("out of time", f"ended after {self.limit:.0f} s")
        elif code not in (0, RECORDED):
            if code != AGAIN:
                self._record("crashed", f"{_ending(code)}; {self._last_words()}")
            if (code == AGAIN or self.orders.current.exists()) and self._may_start_again():
                self.process = self._start()
                return False
        self._keep_log()
        return True

    def end(self) -> None:
        """Kill it: the campaign itself is ended."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _may_start_again(self) -> bool:
        return self._starts < MOST_STARTS and self.orders.deadline - time.monotonic() > FOR_ANOTHER_START

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _record(self, status: str, error: str) -> None:
        current = self.orders.current
        case = current.read_text() if current.exists() else self.orders.part
        heading = f"{self.orders.part} {self.orders.lane} {case} {status}"
        kept = self._file.traceback(heading, self._tail(4_000))
        self._file.result(Result(self.orders.part, case, status, error=error, traceback=kept, lane=self.orders.lane))

    def _last_words(self) -> str:
        lines = self._tail(2_000).strip().splitlines()
        return lines[-1][:200] if lines else "it said nothing"

    def _tail(self, characters: int) -> str:
        return self._log.read_bytes()[-characters:].decode(errors="replace") if self._log.exists() else ""

    def _keep_log(self) -> None:
        text = self._tail(KEPT_LOG).strip()
        if text:
            with (Path(self.orders.out) / LOGS).open("a") as file:
                file.write(f"===== {self.orders.campaign} {self.orders.part} {self.orders.lane}\n{text}\n\n")
        self._log.unlink(missing_ok=True)


def spare(limit: float) -> float:
    """Seconds between the deadline that a process is told and its end."""
    return min(8.0, 0.1 * limit)


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
