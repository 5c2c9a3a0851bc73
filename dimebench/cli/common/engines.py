"""`run --on ENGINE`: where a plan is carried out. An engine settles the device, then trains or submits the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from dimebench.errors import INTERRUPTED, NOT_COMPARABLE, OK, SOME_FAILED, UsageError

if TYPE_CHECKING:
    from dimebench.config import Request
    from dimebench.engines.local.pool import Outcome, PoolSettings
    from dimebench.planning.cells import Hardware, Plan
    from dimebench.planning.machine import Machine


@dataclass(frozen=True)
class Manner:
    """How `run` was asked to go about it, beside the pool's settings."""

    workers: int  # processes on this machine, 0 for one per core
    trackers: list[str]
    wait: bool  # until what was handed to a cluster has ended
    ray_address: str = ""


class Engine(Protocol):
    waits: bool  # whether `carry_out` returns only when all has ended

    def device(self, asked: str, request: Request) -> str:
        """cpu or cuda, for --device and what the request asks for. Raises UsageError."""

    def places(self) -> Hardware:
        """What of the places, once `device` was asked, decides how seeds are put together."""

    def carry_out(self, plan: Plan, request: Request, settings: PoolSettings) -> int:
        """Train the plan, or see that it is trained; the command's exit code."""


def engine_of(name: str, manner: Manner, words: list[str]) -> Engine:
    """The engine that `--on NAME` asks for. Raises UsageError for options that would do nothing there."""
    if manner.ray_address and name != "ray":
        raise UsageError(f"--ray-address {manner.ray_address}: goes with --on ray")
    return ENGINES[name](manner, words)


class Local:
    """This machine: training ends with the command."""

    waits = True

    def __init__(self, manner: Manner, words: list[str]) -> None:
        if manner.wait:
            raise UsageError(
                "--wait: is for clusters, with --on slurm; here the command lasts as long as the training"
            )
        for word in words:
            if word.startswith("resources."):
                raise UsageError(f"{word}: is asked of a cluster, with --on slurm; this machine is not asked")
        self._manner = manner
        self._gpus: list[int] = []

    def device(self, asked: str, request: Request) -> str:
        from dimebench.cli.common.options import parse_gpus

        chosen, self._gpus = parse_gpus(asked)
        return chosen

    @cached_property
    def machine(self) -> Machine:
        """The GPUs that blocks are packed onto, where there are several."""
        from dimebench.planning.machine import here

        return here(self._gpus)

    def places(self) -> Hardware:
        return self.machine.hardware

    def carry_out(self, plan: Plan, request: Request, settings: PoolSettings) -> int:
        from dimebench.cli.common.follow import following
        from dimebench.cli.common.live import board
        from dimebench.engines.local.pool import LocalPool
        from dimebench.planning.cells import usable_cores

        on_gpu = any(block.device.startswith("cuda") for _, block in plan.blocks())
        settings = replace(
            settings,
            workers=1 if on_gpu else self._manner.workers or usable_cores(),
            gpus=self.machine.gpus,
            per_gpu=self.machine.per_gpu,
        )
        with following(plan, self._manner.trackers), board(plan) as view:
            outcome = LocalPool(plan, settings, self.machine.needs(plan.results)).run(view.on_event)
        view.summary(outcome)
        return _code(outcome)


class Slurm:
    """A cluster's queue: the command ends when all is submitted, or with --wait when all has ended."""

    def __init__(self, manner: Manner, words: list[str]) -> None:
        from dimebench.config.resources import Resources
        from dimebench.engines.slurm.submit import check_slurm

        if manner.workers:
            raise UsageError(
                f"--workers {manner.workers}: with --on slurm, resources.parallel=N says how many jobs at a time"
            )
        if manner.trackers and not manner.wait:
            raise UsageError("--log: follows the runs while the command lasts: add --wait")
        check_slurm()
        self._manner = manner
        self._resources = Resources()
        self.waits = manner.wait

    def device(self, asked: str, request: Request) -> str:
        """A GPU where one is asked for; the machine that submits need not have any."""
        from dimebench.cli.common.options import check_device_name

        check_device_name(asked)
        self._resources = request.suite.resources
        gpus = {task: request.suite.resources.of(task).get("gpus", 0) > 0 for task in request.suite.tasks}
        if asked == "auto":
            if len(set(gpus.values())) > 1:
                raise UsageError("--device auto: some tasks ask for GPUs and some for none: run them apart, task=...")
            return "cuda" if all(gpus.values()) else "cpu"
        for task, some in gpus.items():
            if (asked == "cuda") != some:
                has = (
                    "asks for no GPU: add resources.gpus=1" if asked == "cuda" else "asks for a GPU: resources.gpus=0"
                )
                raise UsageError(f"--device {asked}: {task} {has}")
        return asked

    def places(self) -> Hardware:
        """As many GPUs as jobs may run at a time: seeds of a cell are parted where some would have nothing to do."""
        from dimebench.config.resources import megabytes
        from dimebench.planning.cells import Hardware

        asked = self._resources
        memory = megabytes(asked.gpu_memory) << 20 if asked.gpu_memory else None
        return Hardware(gpus=asked.parallel or 1, gpu_bytes=memory, cores=asked.cpus)

    def carry_out(self, plan: Plan, request: Request, settings: PoolSettings) -> int:
        from dimebench.cli.common.follow import following
        from dimebench.cli.common.slurm import submit_plan, wait_for

        with following(plan, self._manner.trackers):
            chosen = submit_plan(plan, request, settings)
            return wait_for(plan, chosen) if self._manner.wait else OK


class Ray:
    """A Ray cluster, or one that is started here: training ends with the command."""

    waits = True

    def __init__(self, manner: Manner, words: list[str]) -> None:
        from dimebench.errors import nearest

        if manner.wait:
            raise UsageError("--wait: is for --on slurm; with --on ray the command lasts as long as the training")
        if manner.workers and manner.ray_address:
            raise UsageError(
                f"--workers {manner.workers}: with --ray-address, resources.parallel=N says how many at a time"
            )
        for word in words:
            key = word.partition("=")[0].split(".")[-1] if word.startswith("resources.") else RAY_ASKS[0]
            if key not in RAY_ASKS:
                raise UsageError(f"{word}: is not asked of Ray{nearest(key, RAY_ASKS)}")
        self._manner = manner
        self._places: Hardware | None = None  # of GPUs

    def device(self, asked: str, request: Request) -> str:
        """A GPU where the cluster has any, unless none is asked for."""
        from dimebench.cli.common.options import check_device_name
        from dimebench.engines.ray.cluster import connect, largest, nodes, places

        check_device_name(asked)
        if asked == "cpu":
            return "cpu"
        gpus = [request.suite.resources.of(task).get("gpus") for task in request.suite.tasks]
        connect(self._manner.ray_address, self._manner.workers)
        there = largest(nodes(), "GPU") > 0
        if asked == "cuda" and not there:
            raise UsageError("--device cuda: the Ray cluster has no GPU")
        chosen = "cuda" if asked == "cuda" or any(gpus) or (there and None in gpus) else "cpu"
        if chosen == "cuda":
            self._places = places()
        return chosen

    def places(self) -> Hardware:
        from dimebench.planning.cells import Hardware

        return self._places or Hardware()

    def carry_out(self, plan: Plan, request: Request, settings: PoolSettings) -> int:
        from dimebench.cli.common.follow import following
        from dimebench.cli.common.live import board
        from dimebench.engines.ray.cluster import connect
        from dimebench.engines.ray.pool import RayPool

        if any(cell.blocks for cell in plan.cells):
            connect(self._manner.ray_address, self._manner.workers)
        asked = request.suite.resources
        with following(plan, self._manner.trackers), board(plan) as view:
            pool = RayPool(plan, settings, asked.of, asked.parallel, self.places().gpu_bytes)
            outcome = pool.run(view.on_event)
        view.summary(outcome)
        return _code(outcome)


def _code(outcome: Outcome) -> int:
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.failed and outcome.conflicts == len(outcome.failed):
        return NOT_COMPARABLE
    return SOME_FAILED if outcome.failed or outcome.diverged else OK


RAY_ASKS = ("cpus", "gpus", "memory", "parallel")  # of config.resources; the rest is Slurm's

# `--on NAME`; another engine is one more class like these, and its line here.
ENGINES: dict[str, Callable[[Manner, list[str]], Engine]] = {"local": Local, "slurm": Slurm, "ray": Ray}
