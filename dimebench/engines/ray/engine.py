"""`run --on ray`: a Ray cluster, or one that is started here. Training ends with the command."""

from __future__ import annotations

from collections.abc import Sequence

from dimebench.config import Request
from dimebench.engines.base import Engine, EngineOptions, OnEvent
from dimebench.engines.devices import check_device_name
from dimebench.engines.events import Outcome, PoolSettings
from dimebench.engines.ray.cluster import connect, gpu_hardware, largest, nodes
from dimebench.engines.ray.pool import RayPool
from dimebench.errors import UsageError, nearest
from dimebench.planning.cells import Hardware, Plan

RESOURCES = ("cpus", "gpus", "memory", "parallel")  # of config.resources; the rest is Slurm's


class Ray(Engine):
    """Tasks of a cluster, which live as long as the command."""

    name = "ray"

    def __init__(self, options: EngineOptions, words: Sequence[str]) -> None:
        super().__init__(options, words)
        if options.wait:
            raise UsageError("--wait: is for --on slurm; with --on ray the command lasts as long as the training")
        if options.workers and options.ray_address:
            instead = "with --ray-address, resources.parallel=N says how many at a time"
            raise UsageError(f"--workers {options.workers}: {instead}")
        for word in words:
            key = word.partition("=")[0].split(".")[-1] if word.startswith("resources.") else RESOURCES[0]
            if key not in RESOURCES:
                raise UsageError(f"{word}: is not asked of Ray{nearest(key, RESOURCES)}")
        self._hardware = Hardware()

    def device(self, asked: str, request: Request) -> str:
        """A GPU where the cluster has any, unless none is asked for."""
        check_device_name(asked)
        if asked == "cpu":
            return "cpu"
        gpus = [request.suite.resources.of(task).get("gpus") for task in request.suite.tasks]
        connect(self.options.ray_address, self.options.workers)
        there = largest(nodes(), "GPU") > 0
        if asked == "cuda" and not there:
            raise UsageError("--device cuda: the Ray cluster has no GPU")
        chosen = "cuda" if asked == "cuda" or any(gpus) or (there and None in gpus) else "cpu"
        if chosen == "cuda":
            self._hardware = gpu_hardware()
        return chosen

    def hardware(self) -> Hardware:
        return self._hardware

    def run(self, plan: Plan, request: Request, settings: PoolSettings, on_event: OnEvent) -> Outcome:
        if any(cell.blocks for cell in plan.cells):
            connect(self.options.ray_address, self.options.workers)
        asked = request.suite.resources
        return RayPool(plan, settings, asked.of, asked.parallel, self._hardware.gpu_bytes).run(on_event)
