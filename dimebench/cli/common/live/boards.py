"""The board itself: follows the events of a plan, and shows them as the output allows."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderResult
from rich.live import Live

from dimebench.cli.common.live.ending import Ending, last_lines
from dimebench.cli.common.live.frame import Size, frame
from dimebench.cli.common.live.progress import PlanProgress
from dimebench.cli.common.live.returns import read_evaluations
from dimebench.cli.common.output import Console
from dimebench.engines.base import Submission
from dimebench.engines.events import Event, Outcome
from dimebench.engines.manifest import JobStatus
from dimebench.engines.messages import event_line, rare_event_line
from dimebench.planning.cells import Plan
from dimebench.store import StoreError, read_run

EVALUATED = ("started", "evaluation", "elsewhere")  # events after which there may be evaluations on disk


class Board(ABC):
    """Follows the events of a plan; subclasses show them."""

    def __init__(self, plan: Plan, console: Console, ending: Ending) -> None:
        self.plan, self.console, self.ending = plan, console, ending
        self.progress = PlanProgress(plan, time.monotonic(), begun_earlier(plan))

    def on_event(self, event: Event | Submission | JobStatus) -> None:
        if not isinstance(event, Event):
            return  # of engines with a queue, which show no board
        self.progress.on_event(event, time.monotonic())
        self.show(event)

    @abstractmethod
    def show(self, event: Event) -> None:
        """Called after every event."""

    def summary(self, outcome: Outcome) -> None:
        """The last lines: what was done, what failed and why, what to type next."""
        for line in last_lines(self.progress, outcome, time.monotonic(), self.ending):
            self.console.print(line, highlight=False, soft_wrap=True)


class Table(Board):
    """A frame that redraws itself in place, as high as the terminal at most."""

    def show(self, event: Event) -> None:
        """The frame reads the progress itself, whenever it redraws; what is not in it stands above it."""
        if event.kind in EVALUATED:
            self._read_returns(event)
        text = rare_event_line(event)
        if text:
            self.console.print(text, highlight=False, soft_wrap=True)

    def _read_returns(self, event: Event) -> None:
        """From the runs' files: there, evaluations of before a resume stand too."""
        cell = self.progress.of(event.cell)
        seeds = [*event.block.seeds, *(event.cell.done if event.kind == "started" else ())]
        for seed in seeds:
            cell.returns.add(seed, read_evaluations(event.block.run_folder(self.plan.results, seed)))

    def __rich_console__(self, console: RichConsole, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - len("^C")  # behind the last line, the terminal echoes it
        size = Size(width, max(console.size.height - 1, 1), options.ascii_only)
        yield from frame(self.progress, time.monotonic(), size)


class Lines(Board):
    """One line per event that matters."""

    def show(self, event: Event) -> None:
        cell = self.progress.of(event.cell)
        rate = cell.blocks[event.block.name].rate(time.monotonic()) if event.block.name in cell.blocks else None
        text = event_line(event, (rate or 0.0) * len(event.block.seeds))
        if text:
            self.console.print(text, highlight=False, soft_wrap=True)


def begun_earlier(plan: Plan) -> dict[tuple[str, str], dict[int, int]]:
    """The env steps of runs that were begun and are not done, by variant and task, and seed."""
    found: dict[tuple[str, str], dict[int, int]] = {}
    for cell, block in plan.blocks():
        for seed in block.seeds:
            with suppress(StoreError):
                run = read_run(block.run_folder(plan.results, seed))
                if run is not None:
                    found.setdefault((cell.variant, cell.task), {})[seed] = run.progress["env_step"]
    return found


@contextmanager
def board(plan: Plan, ending: Ending) -> Iterator[Board]:
    """The view that fits the output: a live frame on a terminal, lines elsewhere."""
    console = Console(file=sys.stdout, markup=False, emoji=False)
    if not console.is_terminal:
        yield Lines(plan, console, ending)
        return
    table = Table(plan, console, ending)
    with Live(table, console=console, refresh_per_second=2):
        yield table
