"""`dimebench bench`: what this machine reaches with an algorithm on a task, and the floor that it cannot go below.

A floor is the time that the same work takes at the rates measured in the same run: the larger of its matrix products
at the rate of products and its bytes (`planning.learner_cost.Work`) at the rate of copies; for physics, MuJoCo's own
steps. On a CPU all but the physics is CPU time, which on an idle machine is the clock's.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.schedule import update_schedule
from dimebench.bench.physics import PhysicsTimes, physics_times
from dimebench.envs import all_packages
from dimebench.planning.cells import Plan
from dimebench.planning.clock import FEWEST, Ceilings, by_schedule, measure_ceilings, one_core, repeat
from dimebench.planning.learner_cost import LearnerWork, Work, learner_work
from dimebench.planning.timed_parts import RANDOM_START, TimedLearner, execution, step_times
from dimebench.store.provenance import machine, package_versions
from dimebench.training.block import Block
from dimebench.training.execution.modes import WARM_CALLS

PARTS = ("physics", "learner", "acting", "loop")


@dataclass(frozen=True)
class Figure:
    """One part: seconds per env step of all seeds, ours and the floor's; None where the floor is not known."""

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
    work: LearnerWork
    ceilings: Ceilings
    execution: dict[str, Any]
    settings: dict[str, Any]

    @property
    def shares(self) -> dict[str, float]:
        """What each part takes, measured by itself, of the whole loop's time. They overlap on a GPU."""
        return {part: self.figures[part].seconds / self.figures["loop"].seconds for part in PARTS[:3]}

    @property
    def dominant(self) -> str:
        return max(self.shares, key=self.shares.__getitem__)

    def to_json(self) -> dict[str, Any]:
        return {
            "variant": self.variant,
            "task": self.task,
            "execution": self.execution,
            **{part: figure.to_json() for part, figure in self.figures.items()},
            "seconds_per_update_call": {str(n): seconds for n, seconds in self.call_seconds.items()},
            "shares_of_loop": self.shares,
            "dominated_by": self.dominant,
            "work_per_seed": asdict(self.work),
            "ceilings": asdict(self.ceilings),
            "settings": self.settings,
        }


def learning_blocks(plan: Plan, seeds: Sequence[int]) -> list[Block]:
    """One block per cell of the plan, with all seeds together; algorithms that learn nothing are left out."""
    blocks = [replace(cell.blocks[0], seeds=tuple(seeds)) for cell in plan.cells]
    return [block for block in blocks if load_algorithm(block.algorithm).learns]


def bench(
    blocks: Sequence[Block], folder: Path, seconds: float, announce: Callable[[Block, str], None]
) -> Iterator[CellBench]:
    """Measure each block for about `seconds` a part; `announce` hears which part comes next. `folder` is scratch."""
    physics: dict[tuple[str, int], PhysicsTimes] = {}
    for number, block in enumerate(blocks):
        with one_core(block.device):
            key = block.task, block.protocol.action_repeat
            if key not in physics:
                announce(block, "physics")
                physics[key] = physics_times(block, seconds)
            yield _measure(block, physics[key], folder / str(number), seconds, announce)


def machine_facts() -> dict[str, Any]:
    """Machine and versions, to be read with the figures."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {"machine": machine() | {"gpu": gpu}, "versions": package_versions(all_packages())}


def _measure(
    block: Block, physics: PhysicsTimes, folder: Path, seconds: float, announce: Callable[[Block, str], None]
) -> CellBench:
    device, seeds, how = block.device, len(block.seeds), execution(block)
    learner = TimedLearner(block, folder)
    try:
        # Calls that differ in their number of actor updates are timed apart.
        delay = block.settings.get("policy_delay", 1)
        schedule = [len(each) for each in update_schedule(block.settings["utd"], delay)]
        announce(block, "ceilings")
        work = learner_work(block, learner.dims)
        ceilings = measure_ceilings(work.widest_of(seeds), how["precision"], device, seconds)
        announce(block, "learner")
        warm = WARM_CALLS if "graph" in how["mode"] else 0  # eager calls of each kind; the next ones are recorded
        calls = repeat(learner.update, seconds, device, schedule, warmup=1 + warm)
        announce(block, "acting")
        acting = repeat(learner.act, seconds / 4, device, warmup=1 + warm)[0]
    finally:
        learner.close()
    announce(block, "loop")
    period = len(schedule)
    times = step_times(block, folder, seconds, fewest=(warm + 1 + FEWEST) * period)[RANDOM_START + warm * period :]
    floors = Floors(ceilings, seeds)
    update_floor, act_floor = floors.mean(work.calls), floors.mean([work.act])
    learner_floor = update_floor + act_floor
    loop_floor = None
    if (alone := physics.simulator) is not None:  # on a GPU it runs beside the learner
        loop_floor = alone + learner_floor if device == "cpu" else max(alone, learner_floor)
    return CellBench(
        variant=block.variant,
        task=block.task,
        figures={
            "physics": Figure(seeds, physics.envs, physics.simulator),
            "learner": Figure(seeds, statistics.fmean(calls[n] for n in schedule), update_floor),
            "acting": Figure(seeds, acting, act_floor),
            "loop": Figure(seeds, by_schedule(times, period), loop_floor),
        },
        call_seconds=calls,
        work=work,
        ceilings=ceilings,
        execution=how,
        settings=block.settings,
    )


@dataclass(frozen=True)
class Floors:
    """The least time that work takes at measured rates."""

    ceilings: Ceilings
    seeds: int

    def mean(self, works: Sequence[Work]) -> float:
        """Seconds for all seeds, the mean over `works`."""
        each = (max(w.flops / self.ceilings.gemm, w.bytes / self.ceilings.copy) for w in works)
        return self.seeds * statistics.fmean(each)
