"""When a plan will be done: its blocks in the order of the plan, at the rates that were measured."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf, isfinite

from dimebench.cli.common.live.progress import CellProgress, PlanProgress
from dimebench.training.block import Block


@dataclass(frozen=True)
class Forecast:
    """Seconds until all is done, and until each cell is; None where a rate that it takes is not known."""

    total: float | None
    _cells: dict[int, float] = field(repr=False)

    def of(self, cell: CellProgress) -> float | None:
        return _known(self._cells.get(id(cell), 0.0))


def forecast(plan: PlanProgress, now: float) -> Forecast:
    """Blocks that wait begin, in order, where one that trains ends; as many train at a time as do now."""
    seconds = _Seconds(plan, now)
    free: list[float] = []  # when each slot is
    ends: dict[int, float] = {}

    def until(cell: CellProgress, end: float) -> None:
        ends[id(cell)] = max(ends.get(id(cell), 0.0), end)

    for cell in plan.cells:
        for each in cell.training():
            rate = each.rate(now)
            left = cell.left(each.block)
            end = left / rate if rate else left * seconds.per_step(cell, each.block)
            free.append(end)
            until(cell, end)
    waiting = [(cell, block) for cell in plan.cells for block in cell.waiting()]
    if waiting and not free and not plan.slots:
        return Forecast(None, {id(cell): inf for cell, _ in waiting})
    free += [0.0] * (plan.slots - len(free))
    heapq.heapify(free)
    for cell, block in waiting:
        end = heapq.heappop(free) + cell.left(block) * seconds.per_step(cell, block)
        heapq.heappush(free, end)
        until(cell, end)
    return Forecast(_known(max(ends.values(), default=0.0)), ends)


class _Seconds:
    """What an env step takes, from what was measured: of the same cell, else of the same variant on other tasks,
    else of the algorithm on the same task, else of the algorithm."""

    def __init__(self, plan: PlanProgress, now: float) -> None:
        self._measured: list[tuple[CellProgress, Block, float]] = []
        for cell in plan.cells:
            for each in list(cell.blocks.values()):
                rate = each.rate(now)
                if rate:
                    self._measured.append((cell, each.block, 1 / rate))
        self._known: dict[tuple[int, str], float] = {}

    def per_step(self, cell: CellProgress, block: Block) -> float:
        """Infinite where nothing like it was measured."""
        key = id(cell), block.algorithm
        if key not in self._known:
            self._known[key] = self._find(cell, block)
        return self._known[key]

    def _find(self, cell: CellProgress, block: Block) -> float:
        alike: Iterable[Callable[[CellProgress, Block], bool]] = (
            lambda other, _: other is cell,
            lambda _, other: other.variant == block.variant,
            lambda _, other: (other.algorithm, other.task) == (block.algorithm, block.task),
            lambda _, other: other.algorithm == block.algorithm,
        )
        for fits in alike:
            found = [seconds for other, own, seconds in self._measured if fits(other, own)]
            if found:
                return sum(found) / len(found)
        return inf


def _known(seconds: float) -> float | None:
    return seconds if isfinite(seconds) else None
