"""Training on this machine: a pool of worker processes, one block at a time each; several on a GPU where they fit.

Other pools may work on the same results folder: a block is trained by the process that holds the claims on its runs.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dimebench.engines.events import Event, Outcome, PoolSettings
from dimebench.engines.local.process import Events, Job, WorkerProcess
from dimebench.engines.local.slots import Needs, Slots
from dimebench.engines.local.worker import mark_interrupted, reason_of, record_failure
from dimebench.engines.signals import handled_by, say_stopping
from dimebench.planning.cells import Cell, Plan
from dimebench.planning.identity import IdentityConflictError, keep_codes
from dimebench.planning.plan import settle, tidy
from dimebench.store import StoreError
from dimebench.store.claims import BEATS_PER_LEASE, Claim, ClaimLostError, Watch
from dimebench.training.block import Block

TICK_S = 0.5  # between two checks of the workers when nothing happens
LONGEST_TICK_S = 5.0  # more between two checks means that this process was suspended, and its workers with it


class LocalPool:
    """Carries out a plan with up to `workers` processes, or as many as the settings' GPUs have room for."""

    def __init__(self, plan: Plan, settings: PoolSettings, needs: Needs | None = None) -> None:
        """`needs` says what a block asks of a GPU; required where there are several."""
        self.plan, self.settings = plan, settings
        self._todo = list(plan.blocks())
        self._events: Events = queue.Queue()
        self._slots = Slots([block for _, block in self._todo], settings, needs)
        self._watch = Watch(settings.lease_s)
        self._waiting: dict[str, str] = {}  # blocks that other processes train, with their owners
        self._next_look = self._next_beat = 0.0
        self._last_tick = time.monotonic()
        self._stopping = False
        self._report: Callable[[Event], None] = lambda event: None
        self._outcome = Outcome()

    def run(self, on_event: Callable[[Event], None]) -> Outcome:
        """Train every block of the plan, and report what happens to `on_event`.

        SIGINT, SIGTERM and SIGUSR1 let every worker save and leave; a second one ends them at once.
        """
        self._report = on_event
        with handled_by(self._on_signal):
            try:
                tidy(self.plan)
                keep_codes((block for _, block in self._todo), self.plan.results)
                while self._slots.working() or (self._todo and not self._stopping):
                    self._assign()
                    with contextlib.suppress(queue.Empty):
                        worker, facts = self._events.get(timeout=TICK_S)
                        self._handle(worker, facts)
                    self._watch_over()
            finally:
                for each in self._slots.workers:
                    if each is not None:
                        each.close(self.settings.hang_timeout_s)
        self._outcome.interrupted |= self._stopping
        return self._outcome

    # --- assigning work ----------------------------------------------------------------------------------------

    def _assign(self) -> None:
        """Give work to idle workers, as far as other processes have left any."""
        now = time.monotonic()
        if self._slots.full() or not self._todo or self._stopping or now < self._next_look:
            return
        for cell, block in self._slots.in_order(self._todo):
            if self._slots.full() or self._stopping:
                return
            if self._slots.free(block) is not None:
                self._take(cell, block)
        self._next_look = now + min(self.settings.lease_s / 12, LONGEST_TICK_S)

    def _take(self, cell: Cell, block: Block) -> None:
        """Start the block, if this process gets the claims on its runs and they still need training."""
        folders = [block.run_folder(self.plan.results, seed) for seed in block.seeds]
        try:
            claims = self._watch.acquire_all(folders)
            if claims is None:
                self._report_waiting(cell, block, folders)
                return
            broken: dict[int, StoreError] = {}
            done, blocks = settle(lambda seeds: replace(block, seeds=seeds), block.seeds, self.plan.results, broken)
        except (OSError, StoreError, IdentityConflictError) as error:
            self._todo.remove((cell, block))
            self._fail(cell, block, reason_of(error), isinstance(error, IdentityConflictError))
            return
        self._waiting.pop(f"{cell.name} {block.name}", None)
        if blocks == [block]:
            self._todo.remove((cell, block))
            self._start(Job(cell, block, claims))
            return
        for claim in claims:  # since the plan was made, another process has trained it or some of its seeds, ...
            claim.release(finished=not blocks)
        if done:
            self._report(Event("elsewhere", cell, block, {"seeds": sorted(done)}))
        self._replan(cell, block, blocks)
        for seed in broken.keys() - {seed for each in blocks for seed in each.seeds}:  # ... or a run cannot be read
            self._fail(cell, replace(block, seeds=(seed,)), reason_of(broken[seed]))

    def _start(self, job: Job) -> None:
        slot = self._slots.free(job.block)
        assert slot is not None, "checked before the block was taken"
        names = ("checkpoint_every_s", "keep_checkpoints", "hang_timeout_s")
        facts = {name: getattr(self.settings, name) for name in names}
        self._slots.start(slot, job, self._events, results=str(self.plan.results), **facts)
        self._report(Event("started", job.cell, job.block, {}))

    def _report_waiting(self, cell: Cell, block: Block, folders: list[Path]) -> None:
        owner = next((owner for owner in map(self._watch.holder, folders) if owner is not None), None)
        if owner is not None and self._waiting.get(f"{cell.name} {block.name}") != str(owner):
            self._waiting[f"{cell.name} {block.name}"] = str(owner)
            self._report(Event("waiting", cell, block, {"owner": str(owner)}))

    def _replan(self, cell: Cell, old: Block, blocks: list[Block]) -> None:
        """Other blocks in the place of one; they come next."""
        at = self._todo.index((cell, old)) if (cell, old) in self._todo else 0
        self._todo[at : at + ((cell, old) in self._todo)] = [(cell, block) for block in blocks]
        at = cell.blocks.index(old)
        cell.blocks[at : at + 1] = blocks
        self._next_look = 0.0

    # --- what workers report ----------------------------------------------------------------------------------

    def _handle(self, worker: WorkerProcess, facts: dict[str, Any]) -> None:
        kind, job = facts.pop("event"), worker.job
        worker.sign_of_life(kind)
        if kind == "died":
            self._retire(worker)
            self._next_look = 0.0
        if job is None:
            return  # nothing is left to do
        if kind == "died":
            self._after_death(worker, job, facts)
        elif kind == "split":
            self._after_split(worker, job, facts)
        elif kind == "failed":
            worker.job = None
            self._fail(job.cell, job.block, facts["reason"], bool(facts.get("conflict")))
            self._slots.dismiss(worker)
        elif kind == "done":
            worker.job = None
            self._outcome.diverged += [(job.block, seed, reason) for seed, reason in facts.get("diverged", [])]
            if facts["status"] == "interrupted":  # it leaves, whatever signalled it
                self._outcome.interrupted = True
                self._retire(worker)
            self._slots.dismiss(worker)
            self._report(Event("done", job.cell, job.block, facts))
        elif kind != "alive":
            self._report(Event(kind, job.cell, job.block, facts))
        if worker.job is None:
            self._next_look = 0.0

    def _after_death(self, worker: WorkerProcess, job: Job, facts: dict[str, Any]) -> None:
        worker.job = None
        if worker.claim_lost or facts["claim_lost"]:
            self._todo.append((job.cell, job.block))  # its new owner may yet die
            text = "taken over by another process, which had no sign of life from this one"
            self._report(Event("notice", job.cell, job.block, {"text": text}))
        elif self._stopping:  # killed at once, or before it handled signals: its last checkpoint stands
            self._outcome.cut_short = True
            mark_interrupted(job.block, self.plan.results)
            self._report(Event("done", job.cell, job.block, {"status": "interrupted"}))
        else:
            reason = worker.killed_because or f"the worker process died ({facts['how']})"
            record_failure(job.block, self.plan.results, reason, worker.last_output)
            self._fail(job.cell, job.block, reason)
        for claim in job.claims:
            claim.release(finished=False)

    def _after_split(self, worker: WorkerProcess, job: Job, facts: dict[str, Any]) -> None:
        """A block that could not go on as one: its parts do, but for a seed that failed."""
        worker.job = None
        self._retire(worker)  # what it holds of the device's memory goes with it
        parts = [replace(job.block, seeds=tuple(seeds)) for seeds in facts["parts"]]
        self._slots.parted(job.block, parts)
        self._report(Event("split", job.cell, job.block, {"reason": facts["reason"], "parts": parts}))
        self._replan(job.cell, job.block, parts)
        if facts["failed"] is not None:
            failed = next(part for part in parts if part.seeds == (facts["failed"],))
            self._todo.remove((job.cell, failed))
            self._fail(job.cell, failed, facts["reason"])

    def _fail(self, cell: Cell, block: Block, reason: str, conflict: bool = False) -> None:
        self._outcome.failed.append((block, reason))
        self._outcome.conflicts += conflict
        self._report(Event("failed", cell, block, {"reason": reason}))

    def _retire(self, worker: WorkerProcess) -> None:
        self._slots.retire(worker, self.settings.hang_timeout_s)

    # --- watching over them -----------------------------------------------------------------------------------

    def _watch_over(self) -> None:
        """Keep the claims of blocks in work, and end workers that hang."""
        now = time.monotonic()
        elapsed, self._last_tick = min(now - self._last_tick, LONGEST_TICK_S), now
        beat = now >= self._next_beat
        if beat:
            self._next_beat = now + self.settings.lease_s / BEATS_PER_LEASE
        for worker in self._slots.working():
            assert worker.job is not None
            if self._stopping and not worker.stop_requested:  # it was being started when the signal came
                worker.stop(signal.SIGTERM)
            if beat:
                self._beat(worker, worker.job.claims)
            limit = self.settings.hang_timeout_s
            if worker.silent_for(elapsed, limit):
                worker.kill(f"no sign of life from the worker process for {limit:.0f} s, so it was killed")
        for worker in self._slots.leaving():  # it holds memory of a GPU for as long as it stays
            if worker.silent_for(elapsed, self.settings.hang_timeout_s):
                worker.kill("")

    def _beat(self, worker: WorkerProcess, claims: list[Claim]) -> None:
        for claim in claims:
            try:
                claim.beat()
            except ClaimLostError:
                worker.claim_lost = True
                worker.process.kill()
                return
            except OSError:  # a full disk, a network file system that is away: the worker decides
                continue

    def _on_signal(self, *_: Any) -> None:
        again, self._stopping = self._stopping, True  # first: another signal may interrupt this handler
        say_stopping(again)
        for worker in self._slots.workers:
            if worker is not None:
                worker.stop(signal.SIGKILL if again else signal.SIGTERM)
