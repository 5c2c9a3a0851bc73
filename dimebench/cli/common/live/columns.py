"""The columns of a cell's row: which of them a width has room for, and what stands in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from dimebench.cli.common.live.forecast import Forecast
from dimebench.cli.common.live.names import clock, fitted
from dimebench.cli.common.live.progress import OVER, CellProgress, PlanProgress
from dimebench.cli.common.live.returns import spark
from dimebench.config.names import shown_tasks
from dimebench.numbers import rate, raw, short_steps

NARROWEST = 8  # columns for a name at least
BAR, SPARK = (6, 24), (8, 32)  # least and most columns


@dataclass(frozen=True)
class Column:
    name: str
    width: int
    text: Callable[[CellProgress], str]
    right: bool = False
    style: str = ""  # its own; "": the state's
    from_width: int = 0  # of the terminal

    def of(self, cell: CellProgress) -> str:
        text = self.text(cell)
        gap = self.width - cell_len(text)
        return " " * gap + text if self.right and gap > 0 else set_cell_size(text, self.width)


def columns_for(plan: PlanProgress, now: float, ahead: Forecast, width: int, ascii_only: bool) -> list[Column]:
    """The columns of a row after its sign, separated by a space each: `width` columns of the terminal at most."""
    evaluations = max((_due(cell) for cell in plan.cells), default=1)
    most_spark = max(1, min(SPARK[1], evaluations))
    bar, line = BAR[0], min(SPARK[0], most_spark)
    variants = tuple(dict.fromkeys(cell.cell.variant for cell in plan.cells))
    tasks = shown_tasks(cell.cell.task for cell in plan.cells)
    natural = [max(map(cell_len, names)) for names in (("variant", *variants), ("task", *tasks.values()))]

    def made(variant: int, task: int, bar: int, line: int) -> list[Column]:
        short = fitted(variants, variant, ascii_only)
        short_task = fitted(tuple(tasks.values()), task, ascii_only)
        evals = "evaluations" if line >= 11 else "evals"
        columns = [
            Column("variant", variant, lambda cell: short[cell.cell.variant]),
            Column("task", task, lambda cell: short_task[tasks[cell.cell.task]]),
            Column("state", 11, lambda cell: cell.shown_state, from_width=110),
            Column("seeds", 6, _seeds, right=True, from_width=100),
            Column("done", bar, lambda cell: _bar(cell, bar, ascii_only)),
            Column("", 4, _share, right=True),
            Column(evals, line, lambda cell: _spark(cell, line, ascii_only), from_width=66),
            Column("return", 7, lambda cell: _latest(cell)[0], right=True, from_width=66),
            Column("at (seeds)", 10, lambda cell: _latest(cell)[1], from_width=78),
            Column("steps/s", 7, lambda cell: _rate(cell, now), right=True, from_width=120),
            Column("ETA", 8, lambda cell: _eta(cell, ahead), right=True),
        ]
        return [each for each in columns if each.from_width <= width]

    def taken(columns: list[Column]) -> int:
        return 2 + sum(each.width for each in columns) + len(columns) - 1

    room = max(2 * NARROWEST, width - taken(made(1, 1, bar, line)) + 2)
    task = natural[1] if sum(natural) <= room else min(natural[1], max(room // 2, room - natural[0]))
    variant = min(natural[0], room - task)
    spare = width - taken(made(variant, task, bar, line))
    if spare > 0:
        line += min(most_spark - line, (spare + 1) // 2)
        bar += min(BAR[1] - bar, width - taken(made(variant, task, bar, line)))
    return made(variant, task, bar, line)


def _bar(cell: CellProgress, width: int, ascii_only: bool) -> str:
    total = cell.total()
    full = width * cell.done() // total if total else width
    return ("#" if ascii_only else "━") * full + ("-" if ascii_only else "─") * (width - full)


def _share(cell: CellProgress) -> str:
    total = cell.total()
    return f"{100 * cell.done() // total}%" if total else ""


def _seeds(cell: CellProgress) -> str:
    states = list(cell.state.values())
    return f"{sum(state in OVER for state in states)}/{len(states)}"


def _due(cell: CellProgress) -> int:
    """Evaluations of a whole run."""
    return next((b.protocol.env_steps // b.protocol.eval_interval + 1 for b in list(cell.cell.blocks)), 1)


def _spark(cell: CellProgress, width: int, ascii_only: bool) -> str:
    block = next((each.block for each in list(cell.blocks.values())), None)
    if block is None:
        return ""
    bounds = block.score["lower"], block.score["upper"]
    return spark(cell.returns.points(), cell.budget, block.protocol.eval_interval, bounds, width, ascii_only)


def _latest(cell: CellProgress) -> tuple[str, str]:
    """The return at the latest evaluation, and which that is: the mean over the seeds that have reached it."""
    points = cell.returns.points()
    if not points:
        return "", ""
    last = points[-1]
    return raw(last.value), f"{short_steps(last.env_step)} ({last.seeds})"


def _rate(cell: CellProgress, now: float) -> str:
    found = cell.rate(now)
    return "" if found is None else rate(found)


def _eta(cell: CellProgress, ahead: Forecast) -> str:
    seconds = ahead.of(cell)
    return clock(seconds) if seconds else ""
