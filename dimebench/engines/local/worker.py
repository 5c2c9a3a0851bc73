"""The process that trains blocks, one after another: jobs come as lines of JSON, events go back the same way.

In:   {"block": {...}, "claims": [...], "results": "...", ...}      end of input: save and leave
Out:  {"event": "alive" | "progress" | "evaluation" | "notice" | "done" | "failed" | "split", ...}

A signal (SIGINT, SIGTERM, SIGUSR1) or the end of input stops the block in work, with its state saved. A process
that has lost its claim on a run leaves at once, without another write: being killed is always safe.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import queue
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from dimebench.engines.signals import SIGNALS
from dimebench.envs import EnvError
from dimebench.errors import DimebenchError, one_line
from dimebench.planning.identity import IdentityConflictError, block_identity, other_codes, record_other_codes
from dimebench.store import StoreError, check_tables, mark_run, read_run
from dimebench.store.atomic import atomic_write
from dimebench.store.claims import BEATS_PER_LEASE, Claim, ClaimLostError
from dimebench.store.schema import ERROR_FILE
from dimebench.training.block import Block

EXIT_CLAIM_LOST, EXIT_STUCK = 75, 76
ALIVE_EVERY_S = 2.0


class Flag:
    """Whether something has happened. Unlike threading.Event it has no lock.

    One signal may interrupt another's handler at any point, and would wait for ever for a lock that this one holds.
    """

    def __init__(self) -> None:
        self._on = False

    def set(self) -> None:
        self._on = True

    def is_set(self) -> bool:
        return self._on


class Worker:
    """Serves jobs from `source` until it ends."""

    def __init__(self, source: TextIO, sink: TextIO) -> None:
        self._source, self._sink = source, sink
        self._sending = threading.Lock()
        self._stop = Flag()
        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._last_event = 0.0
        for number in SIGNALS:
            signal.signal(number, lambda *_: self._stop.set())
        threading.Thread(target=self._read, daemon=True).start()

    def serve(self) -> None:
        while (job := self._jobs.get()) is not None and not self._stop.is_set():
            self._send({"event": "alive"})
            claims = [Claim.from_json(claim) for claim in job["claims"]]
            with _Beating(claims, self._stop, job["hang_timeout_s"]) as beating:
                done = self._train(Block.from_json(job["block"]), job, beating)
            for claim in claims:
                claim.release(finished=done["event"] == "done" and done["status"] != "interrupted")
            self._send(done)  # last: what comes next may be another process's
            _free()

    def _read(self) -> None:
        for line in self._source:
            self._jobs.put(json.loads(line))
        self._stop.set()
        self._jobs.put(None)

    def _send(self, event: dict[str, Any]) -> None:
        self._last_event = time.monotonic()
        try:
            with self._sending:
                self._sink.write(json.dumps(event) + "\n")
                self._sink.flush()
        except (BrokenPipeError, ValueError):
            self._stop.set()  # nobody reads the events any more: save and leave

    def _train(self, block: Block, job: dict[str, Any], beating: _Beating) -> dict[str, Any]:
        """Train the block; the event that says how it ended."""
        results = Path(job["results"])

        def should_stop() -> bool:
            beating.check()
            if time.monotonic() - self._last_event > ALIVE_EVERY_S:  # an evaluation sends no other event
                self._send({"event": "alive"})
            return self._stop.is_set()

        try:
            from dimebench.training.loop import Hooks, Trainer

            hooks = Hooks(self._send, should_stop, job["checkpoint_every_s"], job["keep_checkpoints"])
            for problem in _unreadable(block, results).values():
                raise problem
            others = other_codes(block, results)
            trainer = Trainer(block, results, block_identity(block, results), hooks)
            try:
                record_other_codes(block, results, others, trainer.records, trainer.env_step)
                status = trainer.train()
                return {"event": "done", "status": status, "diverged": trainer.records.diverged()}
            finally:
                trainer.close()
        except IdentityConflictError as error:
            return {"event": "failed", "reason": str(error), "conflict": True}
        except Exception as error:
            return _failure(block, results, error)


def _unreadable(block: Block, results: Path) -> dict[int, StoreError]:
    """The block's seeds whose runs are there and cannot be gone on with, and why."""
    found: dict[int, StoreError] = {}
    for seed in block.seeds:
        try:
            if (run := read_run(block.run_folder(results, seed))) is not None:
                check_tables(run)
        except StoreError as error:
            found[seed] = error
    return found


def _free() -> None:
    """Free what the last block held, before the next one checks how much is free."""
    gc.collect()  # environments and compiled learners hang in reference cycles
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()


class _Beating:
    """A thread that keeps the claims of a job; the process ends when one is lost."""

    def __init__(self, claims: list[Claim], stop: Flag, grace_s: float) -> None:
        self._claims, self._stop, self._grace_s = claims, stop, grace_s
        self._lease_s = min((claim.lease_s for claim in claims), default=60.0)
        self._done = threading.Event()
        self._latest = time.monotonic()  # beat that was written
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Beating:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def check(self) -> None:
        """Called before anything is written: after a long absence the claim may be gone."""
        if time.monotonic() - self._latest > self._lease_s / 2:
            self._beat()

    def _run(self) -> None:
        asked_to_stop: float | None = None
        while not self._done.wait(self._lease_s / BEATS_PER_LEASE):
            self._beat()
            if self._stop.is_set():
                asked_to_stop = asked_to_stop or time.monotonic()
                if time.monotonic() - asked_to_stop > self._grace_s:
                    os._exit(EXIT_STUCK)  # it hangs, and its parent may be gone: others may have its runs

    def _beat(self) -> None:
        try:
            for claim in self._claims:
                claim.beat()
            self._latest = time.monotonic()
        except ClaimLostError:
            os._exit(EXIT_CLAIM_LOST)
        except OSError:  # a full disk, a network file system that is away
            if time.monotonic() - self._latest > self._lease_s:
                os._exit(EXIT_CLAIM_LOST)  # nobody sees it alive any more


def _failure(block: Block, results: Path, error: Exception) -> dict[str, Any]:
    """What becomes of a block whose training raised: seeds that can go on without the others do."""
    several, no_room = len(block.seeds) > 1, type(error).__name__ == "OutOfMemoryError"  # torch's
    if several and no_room:
        half = (len(block.seeds) + 1) // 2
        reason = f"out of memory on the device with {len(block.seeds)} seeds in one process"
        return _split(block, results, [block.seeds[:half], block.seeds[half:]], reason)
    if several and isinstance(error, EnvError) and error.environment is not None:
        seed = block.seeds[error.environment]
        others = tuple(each for each in block.seeds if each != seed)
        return _split(block, results, [others, (seed,)], reason_of(error), seed)
    if several and isinstance(error, StoreError) and (unread := _unreadable(block, results)):
        others = tuple(each for each in block.seeds if each not in unread)
        parts = [others] * bool(others) + [(each,) for each in unread]  # each alone keeps its share of the checkpoint
        return _split(block, results, parts, reason_of(error), next(iter(unread)), unread=True)
    return _failed(block, results, f"{'out of memory on the device: ' if no_room else ''}{reason_of(error)}")


def _failed(block: Block, results: Path, reason: str) -> dict[str, Any]:
    record_failure(block, results, reason, traceback.format_exc())
    return {"event": "failed", "reason": reason}


def _split(
    block: Block,
    results: Path,
    parts: list[tuple[int, ...]],
    reason: str,
    failed: int | None = None,
    unread: bool = False,
) -> dict[str, Any]:
    """Let the parts go on as blocks of their own, from the last checkpoint; `failed` is a seed that will not.

    unread: the last parts are runs that cannot be read, one each.
    """
    details = traceback.format_exc()
    try:
        from dimebench.training.split import split_block

        with suppress(*[StoreError] * unread):  # for one of these no note is made; all else is done by then
            split_block(block, results, parts, reason)
    except Exception as error:
        return _failed(block, results, f"{reason}; its seeds could not be parted: {reason_of(error)}")
    if failed is not None:
        record_failure(replace(block, seeds=(failed,)), results, reason, details)
    return {"event": "split", "parts": parts, "reason": reason, "failed": failed}


def record_failure(block: Block, results: Path, reason: str, details: str) -> None:
    """Mark the block's runs as failed and keep the details beside its checkpoints, as far as the disk allows.

    The disk may be what failed: the event carries the reason all the same.
    """
    for seed in block.seeds:
        with suppress(OSError, StoreError):
            mark_run(block.run_folder(results, seed), "failed", reason)
    with suppress(OSError):
        atomic_write(block.checkpoint_folder(results) / ERROR_FILE, details.encode())


def mark_interrupted(block: Block, results: Path) -> None:
    """Mark the block's runs that are recorded as running as interrupted."""
    for seed in block.seeds:
        with suppress(OSError, StoreError):
            run = read_run(block.run_folder(results, seed))
            if run is not None and run.status == "running":
                mark_run(run.folder, "interrupted", None)


def reason_of(error: Exception) -> str:
    """The reason of a failure: our own errors say it themselves, others need their kind in front."""
    if isinstance(error, StoreError):
        return one_line(f"{error}; move that folder away to train it again")
    if isinstance(error, OSError) and error.filename is not None:
        return one_line(f"{error.filename}: {error.strerror}")
    return one_line(error if isinstance(error, DimebenchError) else f"{type(error).__name__}: {error}")


def main() -> None:
    """Entry point of `python -m dimebench.engines.local.worker`. Standard output carries events alone."""
    atexit.register(gc.freeze)  # else Python first searches everything for garbage, which takes a second
    sink = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a library that prints must not break the event stream
    Worker(sys.stdin, sink).serve()


if __name__ == "__main__":
    main()
