"""How far a plan is, as data: fed with events, asked for totals. Times are seconds of one monotonic clock.

A seed's state is one of STATES. Env steps count once per seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from dimebench.cli.common.live.returns import Returns
from dimebench.engines.events import Event
from dimebench.planning.cells import Cell, Plan
from dimebench.training.block import Block

TRAINING, FAILED, INTERRUPTED, HELD = "training", "failed", "interrupted", "held"
WAITING, DIVERGED, UNREAD, ELSEWHERE, FINISHED = "waiting", "diverged", "not read", "trained elsewhere", "finished"
STATES = (TRAINING, FAILED, INTERRUPTED, HELD, WAITING, UNREAD, DIVERGED, ELSEWHERE, FINISHED)  # as a cell is told by
OVER = (DIVERGED, ELSEWHERE, FINISHED)  # nothing is left to train
TO_DO = (WAITING, HELD)
Begun = Mapping[tuple[str, str], Mapping[int, int]]

RECENT_S = 60.0  # a rate is measured over so many seconds, or half of the time since its block began
FIRST_SHARE = 0.02  # of its budget, after which a rate counts, if not so many seconds have passed before
SAMPLES = 64  # of a block's progress that are kept


@dataclass
class BlockProgress:
    """A block that this command has begun to train, and how fast it goes."""

    block: Block
    training: bool = True
    samples: list[tuple[float, int]] = field(default_factory=list)  # time, env step; the oldest ones go
    first: tuple[float, int] = (0.0, 0)
    last: tuple[float, int] = (0.0, 0)

    def reached(self, now: float, env_step: int) -> None:
        if not self.samples or env_step < self.last[1]:  # it began, or went back to its checkpoint
            self.first, self.samples = (now, env_step), [(now, env_step)]
        self.last = now, env_step
        span = max(RECENT_S, (now - self.first[0]) / 2)
        if now - self.samples[-1][0] >= span / SAMPLES:
            self.samples.append(self.last)
        while len(self.samples) > 2 and self.samples[1][0] <= now - span:
            self.samples.pop(0)

    def rate(self, now: float) -> float | None:
        """Env steps per second of each seed: lately while it trains, on the whole afterwards; None where unknown.

        So it is at first: what comes before the first env step (compilation, an evaluation) says little.
        """
        if not self.samples:
            return None
        (since, before), until = (self.samples[0], now) if self.training else (self.first, self.last[0])
        gained, took = self.last[1] - before, until - since
        if self.training and took < RECENT_S and gained < FIRST_SHARE * self.block.protocol.env_steps:
            return None
        return gained / took if gained > 0 and took > 0 else None


class CellProgress:
    """The seeds of a cell: state and env step of each, and the returns of their evaluations."""

    def __init__(self, cell: Cell, begun: Mapping[int, int]) -> None:
        """begun: the env steps of runs that were begun earlier, by seed."""
        self.cell = cell
        self.blocks: dict[str, BlockProgress] = {}
        self.returns = Returns()
        self.state: dict[int, str] = {}
        self.env_step: dict[int, int] = {}
        budgets = [block.protocol.env_steps for block in cell.blocks]
        budgets += [run.identity["of"]["protocol"]["env_steps"] for run in cell.done.values()]
        self.budget = max(budgets, default=0)  # env steps of each seed
        planned = [seed for block in cell.blocks for seed in block.seeds]
        for seed in sorted({*cell.seeds, *planned}):
            self.state[seed], self.env_step[seed] = WAITING, min(begun.get(seed, 0), self.budget)
        for seed, run in cell.done.items():
            self.state[seed] = DIVERGED if run.status == "diverged" else FINISHED
        for seed in cell.left_alone:
            self.state[seed] = UNREAD
        self.were_done = set(cell.done)

    @property
    def shown_state(self) -> str:
        """The state of the cell: that of the seed which matters most."""
        there = set(self.state.values())
        return next((state for state in STATES if state in there), FINISHED)

    def done(self) -> int:
        """Env steps that are done, over all seeds."""
        steps = dict(self.env_step)
        return sum(
            self.budget if state in OVER else min(steps.get(seed, 0), self.budget)
            for seed, state in list(self.state.items())
            if state != UNREAD
        )

    def total(self) -> int:
        """Env steps of all seeds whose runs can be read."""
        return self.budget * sum(state != UNREAD for state in list(self.state.values()))

    def left(self, block: Block) -> int:
        """Env steps that each seed of the block still has to do; they go in step."""
        return self.budget - min((self.env_step.get(seed, 0) for seed in block.seeds), default=0)

    def training(self) -> list[BlockProgress]:
        return [each for each in list(self.blocks.values()) if each.training]

    def waiting(self) -> list[Block]:
        """The blocks that have not begun, as the engine has them."""
        return [b for b in list(self.cell.blocks) if all(self.state.get(seed, WAITING) in TO_DO for seed in b.seeds)]

    def rate(self, now: float) -> float | None:
        """Env steps per second over all seeds; None where nothing is known."""
        known = [(each.rate(now), len(each.block.seeds)) for each in self.training()]
        rates = [rate * seeds for rate, seeds in known if rate is not None]
        return sum(rates) if rates else None

    def on_event(self, event: Event, now: float) -> None:
        block, facts = event.block, event.facts
        if event.kind == "started":
            self._all(block, TRAINING)
            self.blocks[block.name] = BlockProgress(block)
        elif event.kind in ("progress", "evaluation"):
            own = self.blocks.setdefault(block.name, BlockProgress(block))
            own.reached(now, facts["env_step"])
            self.env_step |= dict.fromkeys(block.seeds, facts["env_step"])
        elif event.kind == "waiting":
            self._end(block, HELD)
        elif event.kind == "failed":
            self._end(block, FAILED)
        elif event.kind == "split":
            self._end(block, WAITING)
        elif event.kind == "elsewhere":
            self._end(block, WAITING)
            self.state |= dict.fromkeys(facts["seeds"], ELSEWHERE)
        elif event.kind == "done":
            self._end(block, facts["status"])
            self.state |= {seed: DIVERGED for seed, _ in facts.get("diverged", [])}

    def _all(self, block: Block, state: str) -> None:
        self.state |= dict.fromkeys(block.seeds, state)

    def _end(self, block: Block, state: str) -> None:
        self._all(block, state)
        if block.name in self.blocks:
            self.blocks[block.name].training = False


class PlanProgress:
    """All cells of a plan. It may be read by one thread while another one feeds it."""

    def __init__(self, plan: Plan, now: float, begun: Begun = MappingProxyType({})) -> None:
        """begun: by variant and task, the env steps of runs that were begun earlier, by seed."""
        self.plan, self.began = plan, now
        self.cells = [CellProgress(cell, begun.get((cell.variant, cell.task), {})) for cell in plan.cells]
        self._of = {id(each.cell): each for each in self.cells}
        self.slots = 0  # blocks that train at a time, as the engine last filled them

    def on_event(self, event: Event, now: float) -> None:
        self.of(event.cell).on_event(event, now)
        if event.kind == "started":
            self.slots = sum(len(cell.training()) for cell in self.cells)

    def of(self, cell: Cell) -> CellProgress:
        return self._of[id(cell)]

    def counts(self) -> Counter[str]:
        """Runs by state."""
        return Counter(state for cell in self.cells for state in list(cell.state.values()))

    def done(self) -> int:
        return sum(cell.done() for cell in self.cells)

    def total(self) -> int:
        return sum(cell.total() for cell in self.cells)

    def rate(self, now: float) -> float | None:
        """Env steps per second over all runs; None where nothing is known."""
        rates = [rate for cell in self.cells if (rate := cell.rate(now)) is not None]
        return sum(rates) if rates else None

    def facts(self) -> dict[str, Any]:
        """For the last line: runs by how they ended in this command, and those that were done before."""
        before = sum(len(cell.were_done) for cell in self.cells)
        now = Counter(
            state for cell in self.cells for seed, state in cell.state.items() if seed not in cell.were_done
        )
        return {"before": before, **{state: now[state] for state in STATES}}
