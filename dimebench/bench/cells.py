"""`dimebench bench`: what this machine reaches with an algorithm on a task, and the floor that it cannot go below.

A floor is the time that the same work takes at the rates measured in the same run: the larger of its matrix products
at the rate of products and its optimiser's bytes at the rate of copies; for physics, MuJoCo's own steps. On a CPU all
but the physics is CPU time: on an idle machine the same as the clock's.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dimebench.agents.registry import load_algorithm
from dimebench.bench.physics import PhysicsTimes, physics_times
from dimebench.planning.clock import FEWEST, Ceilings, measure_ceilings, one_core, repeat
from dimebench.planning.plan import Plan
from dimebench.planning.timed_parts import TimedLearner, execution, loop_times
from dimebench.planning.work import CRITICS, AgentWork, Work, actor_updates, agent_work
from dimebench.store.provenance import machine, package_versions
from dimebench.training.block import Block
from dimebench.training.execution.modes import WARM_CALLS

PARTS = ("physics", "learner", "acting", "loop")


@dataclass(frozen=True)
class Figure:
    """One part: seconds per env step of every seed, and of the floor; the floor is None where it is not known."""

    seeds: int
    seconds: float
    floor_seconds: float | None

    def to_json(self) -> dict[str, float | None]:
        return {
            "env_steps_per_s": self.seeds / self.seconds,
            "seconds_per_env_step": self.seconds,
            "floor_seconds_per_env_step": self.floor_seconds,
            "fraction_of_floor": self.fraction,
        }

    @property
    def fraction(self) -> float | None:
        """The floor's time over ours: 1 is the floor itself."""
        return None if self.floor_seconds is None else self.floor_seconds / self.seconds


@dataclass(frozen=True)
class CellBench:
    """Everything measured for one variant on one task."""

    variant: str
    task: str
    figures: dict[str, Figure]  # by PARTS
    call_seconds: dict[int, float]  # of an update call, by the number of its actor updates
    work: AgentWork | None
    ceilings: Ceilings
    execution: dict[str, Any]
    settings: dict[str, Any]

    @property
    def shares(self) -> dict[str, float]:
        """What each part takes, measured by itself, of the whole loop's time. They overlap on a GPU."""
        return {part: self.figures[part].seconds / self.figures["loop"].seconds for part in PARTS[:3]}

    @property
    def dominant(self) -> str:
        shares = self.shares
        return max(shares, key=shares.__getitem__)

    def to_json(self) -> dict[str, Any]:
        return {
            "variant": self.variant,
            "task": self.task,
            "execution": self.execution,
            **{part: figure.to_json() for part, figure in self.figures.items()},
            "seconds_per_update_call": {str(n): seconds for n, seconds in self.call_seconds.items()},
            "shares_of_loop": self.shares,
            "dominated_by": self.dominant,
            "work_per_seed": None if self.work is None else asdict(self.work),
            "ceilings": asdict(self.ceilings),
            "settings": self.settings,
        }


def cells(plan: Plan, seeds: Sequence[int]) -> list[Block]:
    """One block per cell of the plan, with all seeds together; algorithms that learn nothing are left out."""
    blocks = [replace(cell.blocks[0], seeds=tuple(seeds)) for cell in plan.cells]
    return [block for block in blocks if load_algorithm(block.algorithm).learns]


def bench(
    blocks: Sequence[Block], folder: Path, seconds: float, listen: Callable[[Block, str], None]
) -> Iterator[CellBench]:
    """Measure each block for about `seconds` a part; `listen` is told what comes next. `folder` is for scratch."""
    physics: dict[tuple[str, int], PhysicsTimes] = {}
    for number, block in enumerate(blocks):
        with one_core(block.device):
            key = block.task, block.protocol.action_repeat
            if key not in physics:
                listen(block, "physics")
                physics[key] = physics_times(block, seconds)
            yield _cell(block, physics[key], folder / str(number), seconds, listen)


def machine_facts() -> dict[str, Any]:
    """Machine and versions, for whoever reads the figures later."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"machine": machine() | {"gpu": gpu}, "versions": package_versions()}


def _cell(
    block: Block, physics: PhysicsTimes, folder: Path, seconds: float, listen: Callable[[Block, str], None]
) -> CellBench:
    device, seeds = block.device, len(block.seeds)
    learner = TimedLearner(block, folder)
    try:
        settings = learner.settings
        schedule = actor_updates(settings.utd, getattr(settings, "policy_delay", 1))
        work = agent_work(block.algorithm, learner.obs_dim, learner.act_dim, settings)
        listen(block, "ceilings")
        how = execution(block)
        ceilings = measure_ceilings(critic_shape(learner, seeds), how["precision"], device, seconds)
        listen(block, "learner")
        warm = WARM_CALLS if "graph" in how["mode"] else 0  # eager calls of each kind; the next ones are recorded
        calls = repeat(learner.update, seconds, device, schedule, warmup=1 + warm)
        listen(block, "acting")
        acting = repeat(learner.act, seconds / 4, device, warmup=1 + warm)[0]
    finally:
        learner.close()
    listen(block, "loop")
    times = loop_times(block, folder, seconds, fewest=(warm + 1 + FEWEST) * len(schedule))[warm * len(schedule) :]
    floors = Floors(ceilings, seeds)
    call_works = {n: work.call(settings.utd, n) for n in set(schedule)} if work else {}
    update_floor = floors.mean([call_works[n] for n in schedule]) if work else None
    act_floor = floors.mean([work.act]) if work else None
    return CellBench(
        variant=block.variant,
        task=block.task,
        figures={
            "physics": Figure(seeds, physics.envs, physics.simulator),
            "learner": Figure(seeds, statistics.fmean(calls[n] for n in schedule), update_floor),
            "acting": Figure(seeds, acting, act_floor),
            "loop": Figure(
                seeds, by_schedule(times, schedule), _loop_floor(device, physics, update_floor, act_floor)
            ),
        },
        call_seconds=calls,
        work=work,
        ceilings=ceilings,
        execution=how,
        settings=block.settings,
    )


def by_schedule(times: Sequence[float], schedule: Sequence[int]) -> float:
    """Mean over a period of the schedule of the median env step at each place in it; the first period warms up."""
    period = len(schedule)
    return statistics.fmean(statistics.median(times[period + i :: period]) for i in range(period))


@dataclass(frozen=True)
class Floors:
    """What work takes at the least at measured rates."""

    ceilings: Ceilings
    seeds: int

    def mean(self, works: Sequence[Work]) -> float:
        """Seconds that each takes at the least, for all seeds: the mean."""
        each = (max(w.flops / self.ceilings.gemm, w.bytes / self.ceilings.copy) for w in works)
        return self.seeds * statistics.fmean(each)


def _loop_floor(device: str, physics: PhysicsTimes, update: float | None, act: float | None) -> float | None:
    """The parts one after another; on a GPU, physics beside the learner."""
    if update is None or act is None or physics.simulator is None:
        return None
    return physics.simulator + update + act if device == "cpu" else max(physics.simulator, update + act)


def critic_shape(learner: Any, seeds: int) -> tuple[int, int, int, int]:
    """The critics' widest product: (seeds x critics, rows, inputs, outputs). CrossQ and DIME see s and s' at once.

    `learner` is a `TimedLearner`, or has its agent, settings and sizes.
    """
    s = learner.settings
    hidden = getattr(s, "critic_hidden", (256, 256))
    rows = s.batch_size * (1 if "target_critics" in getattr(learner.agent, "modules", {}) else 2)
    wide = max(zip((learner.obs_dim + learner.act_dim, *hidden), hidden, strict=False), key=lambda io: io[0] * io[1])
    return (seeds * CRITICS, rows, *wide)
