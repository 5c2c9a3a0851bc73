"""The slots of a pool's processes: a core each on a CPU, shares of GPUs on a machine with several."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from dimebench.engines.events import PoolSettings
from dimebench.engines.local.process import Events, Job, WorkerProcess
from dimebench.envs import gl, library_of
from dimebench.planning.cells import Cell
from dimebench.planning.packing import Item, longest_first, place
from dimebench.planning.process_env import WORKER_ENVIRONMENT
from dimebench.training.block import Block

Needs = Callable[[Block], Item]  # what a block asks of a GPU


class Slots:
    """At most so many processes, and which of them may take a block now."""

    def __init__(self, blocks: Sequence[Block], settings: PoolSettings, needs: Needs | None = None) -> None:
        """`workers` at a time; or, with `gpus`, at most `per_gpu` on each, as many as fit by what `needs` says."""
        self.gpus, self.per_gpu, self._needs = settings.gpus, settings.per_gpu, needs
        self._items: dict[tuple[str, str], Item] = {}
        count = len(self.gpus) * self.per_gpu if self.gpus else min(settings.workers, len(blocks))
        self.workers: list[WorkerProcess | None] = [None] * count
        self._last: dict[WorkerProcess, Block] = {}  # what each works on, or has worked on and still holds
        self._cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        self._on_cpu = all(block.device == "cpu" for block in blocks)
        needs_gl = any(library_of(task).needs_gl(task) for task in {block.task for block in blocks})
        self._environment = WORKER_ENVIRONMENT | {gl.VARIABLE: gl.named("egl") if needs_gl else gl.NONE}

    @property
    def packed(self) -> bool:
        """Whether processes share GPUs: each then works on one block and leaves (`dismiss`), memory and all."""
        return bool(self.gpus)

    def working(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if worker is not None and worker.job is not None]

    def leaving(self) -> list[WorkerProcess]:
        """Workers that were dismissed and have not left yet."""
        return [worker for worker in self.workers if self.packed and worker is not None and worker.job is None]

    def full(self) -> bool:
        return all(self._busy(slot) for slot in range(len(self.workers)))

    def in_order(self, todo: Sequence[tuple[Cell, Block]]) -> list[tuple[Cell, Block]]:
        """The order in which blocks should begin: on several GPUs the longest first, else as planned."""
        if not self.packed:
            return list(todo)
        order = longest_first([self._item(block) for _, block in todo])
        rank = {item.name: number for number, item in enumerate(order)}
        return sorted(todo, key=lambda each: rank[self._item(each[1]).name])

    def free(self, block: Block) -> int | None:
        """The slot in which the block may begin now; None where there is none, or its memory does not fit."""
        if not self.packed:
            return next((i for i in range(len(self.workers)) if not self._busy(i)), None)
        running = [[self._item(self._last[worker]) for worker in self._of(gpu)] for gpu in range(len(self.gpus))]
        gpu = place(self._item(block), self.gpus, running, self.per_gpu)
        return None if gpu is None else next(i for i in self._range(gpu) if not self._busy(i))

    def start(self, slot: int, job: Job, events: Events, **facts: Any) -> None:
        """Begin a job in a free slot, in a process of its own or one that is there already."""
        worker = self.workers[slot]
        if worker is None:
            environment = dict(self._environment)
            if self.packed:
                environment["CUDA_VISIBLE_DEVICES"] = self.gpus[slot // self.per_gpu].name
            worker = self.workers[slot] = WorkerProcess(self._cores_of(slot), environment, events)
        self._last[worker] = job.block
        worker.start(job, **facts)

    def dismiss(self, worker: WorkerProcess) -> None:
        """After a block on a shared GPU: the process leaves, and its slot is free when it has (`retire`)."""
        if self.packed:
            worker.leave()

    def retire(self, worker: WorkerProcess, timeout_s: float) -> None:
        """Let its process leave; the slot is free for another one."""
        self.workers = [None if each is worker else each for each in self.workers]
        self._last.pop(worker, None)
        worker.close(timeout_s)

    def parted(self, whole: Block, parts: Sequence[Block]) -> None:
        """A block that did not fit goes on in parts: each is assumed to need what the whole was expected to need."""
        if self.packed:
            for part in parts:
                mine = self._item(part)
                self._items[part.cell, part.name] = replace(mine, memory=max(mine.memory, self._item(whole).memory))

    def _item(self, block: Block) -> Item:
        assert self._needs is not None
        key = block.cell, block.name
        if key not in self._items:
            self._items[key] = self._needs(block)
        return self._items[key]

    def _range(self, gpu: int) -> range:
        return range(gpu * self.per_gpu, (gpu + 1) * self.per_gpu)

    def _of(self, gpu: int) -> list[WorkerProcess]:
        return [worker for worker in (self.workers[i] for i in self._range(gpu)) if worker is not None]

    def _busy(self, slot: int) -> bool:
        worker = self.workers[slot]
        return worker is not None and (self.packed or worker.job is not None)

    def _cores_of(self, slot: int) -> list[int]:
        """The cores of a slot's processes; [] leaves the choice to the system.

        On a CPU a core for each worker where training takes all of them (with cores to spare another command may be
        pinned to the first ones); with several GPUs an equal share, for the learner and its environments.
        """
        slots = len(self.workers)
        if self.packed:
            share = len(self._cores) // slots
            return self._cores[slot * share : (slot + 1) * share]
        return [self._cores[slot]] if self._on_cpu and slots == len(self._cores) else []
