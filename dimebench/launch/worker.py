"""The process that trains blocks, one after another: blocks come as lines of JSON, events go back the same way.

In:   {"block": {...}, "results": "...", "checkpoint_every_s": 300}      end of input: save and leave
Out:  {"event": "progress" | "done" | "failed", ...}

A signal (SIGINT, SIGTERM, SIGUSR1) or the end of input stops the block in work, with its state saved.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from dimebench.launch.identity import IdentityConflictError, block_identity
from dimebench.store import StoreError, mark_run
from dimebench.store.atomic import atomic_write
from dimebench.training.block import Block

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


class Worker:
    """Serves blocks from `source` until it ends."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source, self._sink = source, sink
        self._stop = threading.Event()
        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._stop.set())
        threading.Thread(target=self._read, daemon=True).start()

    def serve(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stop.is_set():
            self._train(Block.from_json(job["block"]), Path(job["results"]), job["checkpoint_every_s"])
            gc.collect()  # environments hang in reference cycles: free their physics before the next block

    def _read(self) -> None:
        for line in self._source:
            self._jobs.put(json.loads(line))
        self._stop.set()
        self._jobs.put(None)

    def _send(self, event: dict[str, Any]) -> None:
        try:
            self._sink.write(json.dumps(event) + "\n")
            self._sink.flush()
        except (BrokenPipeError, ValueError):
            self._stop.set()  # nobody listens any more: save and leave

    def _train(self, block: Block, results: Path, checkpoint_every_s: float) -> None:
        try:
            from dimebench.training.loop import Hooks, Trainer

            hooks = Hooks(self._send, self._stop.is_set, checkpoint_every_s)
            trainer = Trainer(block, results, block_identity(block, results), hooks)
            try:
                self._send({"event": "done", "status": trainer.train()})
            finally:
                trainer.close()
        except IdentityConflictError as error:
            self._send({"event": "failed", "reason": str(error), "conflict": True})
        except Exception as error:
            reason = one_line(error)
            record_failure(block, results, reason, traceback.format_exc())
            self._send({"event": "failed", "reason": reason})


def record_failure(block: Block, results: Path, reason: str, details: str) -> None:
    """Mark the block's runs as failed and keep the details beside its checkpoints, as far as the disk allows.

    The disk may be what failed: whoever listens is told the reason all the same.
    """
    for seed in block.seeds:
        with suppress(OSError, StoreError):
            mark_run(block.run_folder(results, seed), "failed", reason)
    with suppress(OSError):
        atomic_write(block.checkpoint_folder(results) / "error.txt", details.encode())


def one_line(error: Exception) -> str:
    """The reason of a failure: our own errors say it themselves, others need their kind in front."""
    if isinstance(error, StoreError):
        text = f"{error}; move that folder away to train it again"
    elif isinstance(error, OSError) and error.filename is not None:
        text = f"{error.filename}: {error.strerror}"
    elif type(error).__module__.startswith("dimebench."):
        text = str(error)
    else:
        text = f"{type(error).__name__}: {error}"
    return " ".join(text.split())


def main() -> None:
    """Entry point of `python -m dimebench.launch.worker`. Standard output carries events alone."""
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the event stream
    Worker(sys.stdin, sink).serve()


if __name__ == "__main__":
    main()
