"""Plans by hand, and what an engine would report about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dimebench.cli.common.live.progress import PlanProgress
from dimebench.engines.events import Event
from dimebench.planning.cells import Cell, Plan
from dimebench.training.block import Block, Protocol

TASKS = ("dog-run", "dog-trot", "dog-walk", "dog-stand", "humanoid-run", "humanoid-walk", "humanoid-stand")
CHANGES = ("diffusion_steps=2", "diffusion_steps=4", "diffusion_steps=8", "diffusion_steps=16", "utd=1", "utd=4")
OTHERS = (
    "dime",
    "crossq",
    "sac",
    "random",
    "sac:utd=2",
    "sac:utd=8",
    "crossq:utd=4",
    "sac:critic_hidden=[2048,2048]",
)
VARIANTS = (*(f"dime:{change}" for change in CHANGES), *OTHERS, "dime:diffusion_steps=32")
STEPS, INTERVAL, SEEDS = 1_000_000, 50_000, 5


def make_block(variant: str, task: str, *seeds: int, steps: int = STEPS, interval: int = INTERVAL) -> Block:
    score = {"kind": "final", "lower": 0.0, "upper": 1000.0}
    return Block(
        suite="dmc-hard", algorithm=variant.partition(":")[0], variant=variant, task=f"dm_control/{task}",
        seeds=seeds, settings={}, protocol=Protocol(steps, 2, interval, 5), score=score, device="cpu", threads=1,
        code="ab" * 6, versions={}, cell=f"dmc-hard/{variant.replace(':', '@').replace('=', '-')}/dm_control/{task}",
        command="dimebench run",
    )  # fmt: skip


def make_cell(variant: str, task: str, seeds: int = SEEDS, **changes: Any) -> Cell:
    """A cell of which nothing is done, a block for each seed."""
    blocks = [make_block(variant, task, seed, **changes) for seed in range(seeds)]
    return Cell(variant, f"dm_control/{task}", tuple(range(seeds)), {}, blocks)


def large_plan(results: Path = Path("results")) -> Plan:
    """105 cells: 7 tasks of 15 variants."""
    return Plan("dmc-hard", results, [make_cell(variant, task) for task in TASKS for variant in VARIANTS])


class Engine:
    """Tells a board what happens, at times of its own."""

    def __init__(self, plan: Plan) -> None:
        self.now = 0.0
        self.progress = PlanProgress(plan, self.now)

    def tell(self, kind: str, cell: Cell, block: Block, **facts: Any) -> None:
        self.progress.on_event(Event(kind, cell, block, facts), self.now)

    def train(self, cell: Cell, block: Block, steps: int, seconds: float, begin: int = 0) -> None:
        """The block begins, and is at `steps` so many seconds later."""
        self.tell("started", cell, block)
        self.tell("progress", cell, block, env_step=begin)
        self.now += seconds
        self.tell("progress", cell, block, env_step=steps)

    def finish(self, cell: Cell, block: Block, steps: int, seconds: float) -> None:
        self.train(cell, block, steps, seconds)
        self.tell("done", cell, block, status="finished")
