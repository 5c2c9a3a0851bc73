"""Training on this machine: a pool of worker processes, one block at a time each."""

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
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dimebench.launch.environment import WORKER_ENVIRONMENT
from dimebench.launch.plan import Cell, Plan
from dimebench.launch.worker import record_failure
from dimebench.training.block import Block


@dataclass(frozen=True)
class Event:
    """Something that happened to a block: started, progress, evaluation, done or failed."""

    kind: str
    cell: Cell
    block: Block
    facts: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """How a plan ended."""

    failed: list[tuple[Block, str]]  # with their reasons
    interrupted: bool  # the state of what was in work is saved
    conflicts: int = 0  # failures because the place holds a run of another identity


class LocalPool:
    """Carries out a plan with up to `workers` processes; on a GPU one process trains one block at a time."""

    def __init__(self, plan: Plan, workers: int, checkpoint_every_s: float) -> None:
        self.plan, self.checkpoint_every_s = plan, checkpoint_every_s
        self._todo = deque(plan.blocks())
        self._events: queue.Queue[tuple[_WorkerProcess, dict[str, Any]]] = queue.Queue()
        self._cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._workers: list[_WorkerProcess] = []
        self._count = min(workers, len(self._todo))
        escape = any(block.task == "dm_control/quadruped-escape" for _, block in self._todo)
        # The one task whose reset wants a renderer; the others train without.
        self._environment = WORKER_ENVIRONMENT | {"MUJOCO_GL": "egl" if escape else "disabled"}
        self._stopping = False
        self._interrupted = False
        self._failed: list[tuple[Block, str]] = []
        self._conflicts = 0

    def run(self, listen: Callable[[Event], None]) -> Outcome:
        """Train every block of the plan, telling `listen` of what happens.

        SIGINT and SIGTERM let every worker save and leave; a second one ends them at once.
        """
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            for slot in range(self._count):
                self._workers.append(self._worker(slot))
                self._feed(self._workers[slot], listen)
            while any(worker.job for worker in self._workers):
                worker, facts = self._events.get()
                self._handle(worker, facts, listen)
        finally:
            for worker in self._workers:
                worker.close()
            for number, handler in before.items():
                signal.signal(number, handler)
        return Outcome(self._failed, self._stopping or self._interrupted, self._conflicts)

    def _handle(self, worker: _WorkerProcess, facts: dict[str, Any], listen: Callable[[Event], None]) -> None:
        kind = facts.pop("event")
        if worker.job is None:
            return  # it has left: nothing is left to do
        cell, block = worker.job
        gone = kind == "died"
        if gone and self._stopping:
            kind, facts = "done", {"status": "interrupted"}
        elif gone:
            kind, facts = "failed", {"reason": f"the worker process died ({facts['how']})"}
            record_failure(block, self.plan.results, facts["reason"], worker.last_words())
        if kind == "failed":
            self._failed.append((block, facts["reason"]))
            self._conflicts += bool(facts.get("conflict"))
        if kind == "done" and facts["status"] == "interrupted":
            self._interrupted = gone = True  # it leaves, whoever signalled it
        listen(Event(kind, cell, block, facts))
        if kind in ("done", "failed"):
            worker.job = None
            if gone and self._todo and not self._stopping:
                worker = self._replace(worker)
            self._feed(worker, listen)

    def _replace(self, gone: _WorkerProcess) -> _WorkerProcess:
        slot = self._workers.index(gone)
        gone.close()
        self._workers[slot] = self._worker(slot)
        return self._workers[slot]

    def _feed(self, worker: _WorkerProcess, listen: Callable[[Event], None]) -> None:
        if self._todo and not self._stopping:
            cell, block = worker.job = self._todo.popleft()
            worker.send(
                {
                    "block": block.to_json(),
                    "results": str(self.plan.results),
                    "checkpoint_every_s": self.checkpoint_every_s,
                }
            )
            listen(Event("started", cell, block, {}))

    def _worker(self, slot: int) -> _WorkerProcess:
        return _WorkerProcess(self._core(slot), self._environment, self._events)

    def _core(self, slot: int) -> int | None:
        """A core of its own for each worker, where training on the CPU takes all of them.

        With cores to spare the choice is the system's: another command may be pinned to the first ones.
        """
        on_cpu = all(block.device == "cpu" for _, block in self.plan.blocks())
        return self._cores[slot] if on_cpu and self._count == len(self._cores) else None

    def _on_signal(self, *_: Any) -> None:
        hint = "stopping at once" if self._stopping else "saving what is in work; Ctrl-C again stops at once"
        print(f"dimebench: {hint}", file=sys.stderr)
        for worker in self._workers:
            worker.process.send_signal(signal.SIGKILL if self._stopping else signal.SIGTERM)
        self._stopping = True


class _WorkerProcess:
    """One worker: its process, the thread that reads its events, the block that it works on."""

    def __init__(
        self,
        core: int | None,
        environment: dict[str, str],
        events: queue.Queue[tuple[_WorkerProcess, dict[str, Any]]],
    ) -> None:
        self.job: tuple[Cell, Block] | None = None
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dimebench.launch.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            text=True,
            env={**os.environ, **environment},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which passes it on
        )
        if core is not None:
            os.sched_setaffinity(self.process.pid, {core})
        threading.Thread(target=self._listen, args=(events,), daemon=True).start()

    def send(self, job: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # it died: the listening thread says so
            self.process.stdin.write(json.dumps(job) + "\n")
            self.process.stdin.flush()

    def last_words(self) -> str:
        """What the process wrote to its standard error."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")

    def close(self) -> None:
        """Let the process leave (it saves what it works on) and wait for it."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self._stderr.close()

    def _listen(self, events: queue.Queue[tuple[_WorkerProcess, dict[str, Any]]]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            events.put((self, json.loads(line)))
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        events.put((self, {"event": "died", "how": how}))
