"""One worker of the pool: its process, the thread that reads its events, the block that it trains."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dimebench.engines.local.worker import EXIT_CLAIM_LOST
from dimebench.planning.cells import Cell
from dimebench.store.claims import Claim, ClaimLostError
from dimebench.training.block import Block

STARTING_S = 300.0  # what a job may take to begin, at least: imports from a slow disk, a GPU's context

Events = queue.Queue[tuple["WorkerProcess", dict[str, Any]]]


@dataclass(frozen=True)
class Job:
    """A block to train, and the claims on its runs."""

    cell: Cell
    block: Block
    claims: list[Claim]


class WorkerProcess:
    """Starts at once, and works on one job at a time."""

    def __init__(self, cores: Sequence[int], environment: dict[str, str], events: Events) -> None:
        """`cores`: those it is pinned to; none: it may use all."""
        self.job: Job | None = None
        self.killed_because = ""  # why the pool has killed it
        self.claim_lost = self.stop_requested = False  # claim_lost: its runs are another process's now
        self.last_output = ""  # on its standard error, once it has left
        self._silent_s, self._started = 0.0, False
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dimebench.engines.local.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on
        )
        if cores:
            with contextlib.suppress(ProcessLookupError):  # it died: the reading thread reports that
                os.sched_setaffinity(self.process.pid, cores)
        threading.Thread(target=self._read_events, args=(events,), daemon=True).start()

    def start(self, job: Job, **facts: Any) -> None:
        """Send a job. Its claims are then held by that process as well."""
        self.job = job
        claims = [claim.with_process(self.process.pid) for claim in job.claims]
        for claim in claims:
            with contextlib.suppress(OSError, ClaimLostError):  # noticed at the next beat
                claim.beat()
        self._silent_s, self._started = 0.0, False
        content = {"block": job.block.to_json(), "claims": [claim.to_json() for claim in claims], **facts}
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: the reading thread reports that
            self.process.stdin.write(json.dumps(content) + "\n")
            self.process.stdin.flush()

    def sign_of_life(self, kind: str) -> None:
        """It sent an event; until one comes other than "alive", it still imports and builds what it needs."""
        self._silent_s, self._started = 0.0, self._started or kind != "alive"

    def silent_for(self, elapsed: float, limit_s: float) -> bool:
        """Whether it has been silent for longer than the limit, `elapsed` more seconds included."""
        self._silent_s += elapsed
        return self._silent_s > (limit_s if self._started else max(limit_s, STARTING_S))

    def kill(self, because: str) -> None:
        """SIGKILL, which a stopped process cannot put off."""
        self.killed_because = self.killed_because or because
        self.process.kill()

    def stop(self, number: signal.Signals) -> None:
        """Ask it to save and leave, or kill it."""
        self.stop_requested = True
        self.process.send_signal(number)

    def leave(self) -> None:
        """Let the process leave, as soon as it has saved what it works on."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def close(self, timeout_s: float) -> None:
        """Let the process leave and wait for it; kill it when it takes too long."""
        if self._stderr.closed:
            return
        self.leave()
        try:
            self.process.wait(min(timeout_s, threading.TIMEOUT_MAX))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._stderr.seek(0)
        self.last_output = self._stderr.read().decode(errors="replace")
        self._stderr.close()

    def _read_events(self, events: Events) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        events.put((self, {"event": "died", "how": how, "claim_lost": code == EXIT_CLAIM_LOST}))
