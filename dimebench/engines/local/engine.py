"""`run` on this machine: training ends with the command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from dimebench.config import Request
from dimebench.cores import usable_cores
from dimebench.engines.base import Engine, EngineOptions, OnEvent
from dimebench.engines.devices import gpus_here
from dimebench.engines.events import Outcome, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.errors import UsageError
from dimebench.planning.cells import Hardware, Plan
from dimebench.planning.machine import Machine, here


class Local(Engine):
    """A pool of processes on the cores, the GPU or the GPUs of this machine."""

    name = "local"

    def __init__(self, options: EngineOptions, words: Sequence[str]) -> None:
        super().__init__(options, words)
        if options.wait:
            text = "is for clusters, with --on slurm; here the command lasts as long as the training"
            raise UsageError(f"--wait: {text}")
        for word in words:
            if word.startswith("resources."):
                raise UsageError(f"{word}: is asked of a cluster, with --on slurm; this machine is not asked")
        self._gpus: list[int] = []

    def device(self, asked: str, request: Request) -> str:
        chosen, self._gpus = gpus_here(asked)
        return chosen

    @cached_property
    def machine(self) -> Machine:
        """The GPUs that blocks are packed onto, where there are several."""
        return here(self._gpus)

    def hardware(self) -> Hardware:
        return self.machine.hardware

    def run(self, plan: Plan, request: Request, settings: PoolSettings, on_event: OnEvent) -> Outcome:
        on_gpu = any(block.device.startswith("cuda") for _, block in plan.blocks())
        workers, machine = 1 if on_gpu else self.options.workers or usable_cores(), self.machine
        settings = replace(settings, workers=workers, gpus=machine.gpus, per_gpu=machine.per_gpu)
        return LocalPool(plan, settings, machine.needs(plan.results)).run(on_event)
