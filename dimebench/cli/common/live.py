"""What `run` shows while it trains: a live table of cells on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.live import Live
from rich.table import Table

from dimebench.cli.common.output import Console
from dimebench.engines.base import Submission
from dimebench.engines.events import Event, Outcome
from dimebench.engines.manifest import JobStatus
from dimebench.engines.messages import event_line, rare_event_line
from dimebench.planning.cells import Cell, Plan
from dimebench.training.block import Block


@dataclass
class _Progress:
    """How far one block is."""

    block: Block
    env_step: int = 0
    first_env_step: int | None = None  # where this process took it up
    since: float = field(default_factory=time.monotonic)
    latest_return: float | None = None
    state: str = "waiting"

    def rate(self) -> float:
        """Env steps per second over the block's seeds, since this process took it up."""
        elapsed = time.monotonic() - self.since
        if self.first_env_step is None or elapsed <= 0 or self.state != "training":
            return 0.0
        return (self.env_step - self.first_env_step) * len(self.block.seeds) / elapsed

    def left(self) -> int:
        """Env steps still to do, over the block's seeds."""
        return (self.block.protocol.env_steps - self.env_step) * len(self.block.seeds)


class Board(ABC):
    """Follows the events of a plan; subclasses show them."""

    def __init__(self, plan: Plan, console: Console) -> None:
        self.plan, self.console = plan, console
        self.began = time.monotonic()
        self.progress = {(id(cell), block.name): _Progress(block) for cell, block in plan.blocks()}

    def on_event(self, event: Event | Submission | JobStatus) -> None:
        if not isinstance(event, Event):
            return  # of engines with a queue, which show no board
        key = id(event.cell), event.block.name
        progress = self.progress.setdefault(key, _Progress(event.block))  # a part of a block has no entry yet
        if event.kind == "started":
            progress.state, progress.since = "training", time.monotonic()
        elif event.kind in ("progress", "evaluation"):
            progress.env_step = event.facts["env_step"]
            if progress.first_env_step is None:
                progress.first_env_step, progress.since = progress.env_step, time.monotonic()
            progress.latest_return = event.facts["latest_return"]
        elif event.kind == "done":
            progress.state = event.facts["status"]
        elif event.kind in ("failed", "elsewhere", "split"):
            progress.state = event.kind
        self.show(event, progress)

    @abstractmethod
    def show(self, event: Event, progress: _Progress) -> None:
        """Called after every event, with the progress of its block."""

    def of_cell(self, cell: Cell) -> list[_Progress]:
        known = self.progress
        return [known.setdefault((id(cell), block.name), _Progress(block)) for block in cell.blocks]

    def summary(self, outcome: Outcome) -> None:
        """The last lines: what was done, what failed and why, what to type next."""
        total = sum(len(cell.seeds) for cell in self.plan.cells)
        skipped = sum(len(cell.done) for cell in self.plan.cells)
        states = [(p.state, len(p.block.seeds)) for p in self.progress.values()]
        ended = sum(n for state, n in states if state in ("finished", "diverged")) - len(outcome.diverged)
        elsewhere = sum(n for state, n in states if state == "elsewhere")
        for block, seed, why in outcome.diverged:
            self.console.print(f"diverged: {block.variant} on {block.task}, seed-{seed:03d}: {why}", soft_wrap=True)
        for block, why in outcome.failed:
            self.console.print(f"failed: {block.variant} on {block.task}, {block.name}: {why}", soft_wrap=True)
        failed = sum(len(block.seeds) for block, _ in outcome.failed)
        parts = [f"{ended} runs finished", f"{skipped} were done already"]
        parts += [f"{elsewhere} were trained by another process"] if elsewhere else []
        parts += [f"{len(outcome.diverged)} diverged"] if outcome.diverged else []
        parts += [f"{failed} failed"] if failed else []
        parts += [f"{outcome.left_alone} cannot be read"] if outcome.left_alone else []
        if outcome.interrupted:
            saved = "stopped at once, the last checkpoints stand" if outcome.cut_short else "state saved"
            parts.append(f"interrupted, {saved}: the same command goes on from there")
        took = _duration(time.monotonic() - self.began)
        text = f"{self.plan.suite}: {', '.join(parts)} ({total} asked for, {took}); results in {self.plan.results}/"
        self.console.print(text, soft_wrap=True)


class _Table(Board):
    """A table that redraws itself."""

    def show(self, event: Event, progress: _Progress) -> None:
        """The table reads the progress itself, whenever it redraws; what is not in it stands above it."""
        text = rare_event_line(event)
        if text:
            self.console.print(text, highlight=False, soft_wrap=True)

    def __rich__(self) -> Table:
        title = f"{self.plan.suite}, {_duration(time.monotonic() - self.began)}"
        table = Table(title=title, title_justify="left", expand=False)
        table.add_column("algorithm", overflow="fold")
        table.add_column("task", overflow="fold")
        for name in ("seeds", "progress", "env steps/s", "return", "ETA"):
            table.add_column(name, justify="right", no_wrap=True)
        for cell in self.plan.cells:
            table.add_row(cell.variant, cell.task, *self._figures(cell))
        return table

    def _figures(self, cell: Cell) -> list[str]:
        blocks = self.of_cell(cell)
        ended = len(cell.done) + sum(len(p.block.seeds) for p in blocks if p.state in ("finished", "diverged"))
        failed = sum(len(p.block.seeds) for p in blocks if p.state == "failed")
        seeds = f"{ended}/{len(cell.seeds)}" + (f", {failed} failed" if failed else "")
        seeds += f", {len(cell.left_alone)} not read" if cell.left_alone else ""
        budget = sum(p.block.protocol.env_steps * len(p.block.seeds) for p in blocks)
        share = 1 - sum(p.left() for p in blocks) / budget if budget else 1.0
        rate = sum(p.rate() for p in blocks)
        left = sum(p.left() for p in blocks if p.state in ("waiting", "training"))
        returns = [p.latest_return for p in blocks if p.latest_return is not None]
        latest = f"{sum(returns) / len(returns):.1f}" if returns else ""
        eta = _duration(left / rate) if rate and left else ""
        return [seeds, f"{share:.0%}", f"{rate:.0f}" if rate else "", latest, eta]


class _Lines(Board):
    """One line per event that matters."""

    def show(self, event: Event, progress: _Progress) -> None:
        text = event_line(event, progress.rate())
        if text:
            self.console.print(text, highlight=False, soft_wrap=True)


@contextmanager
def board(plan: Plan) -> Iterator[Board]:
    """The view that fits the output: a live table on a terminal, lines elsewhere."""
    console = Console(file=sys.stdout, markup=False, emoji=False)
    if not console.is_terminal:
        yield _Lines(plan, console)
        return
    table = _Table(plan, console)
    with Live(table, console=console, refresh_per_second=2):
        yield table


def _duration(seconds: float) -> str:
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours}:{m:02d}:{s:02d}" if hours else f"{m}:{s:02d}"
