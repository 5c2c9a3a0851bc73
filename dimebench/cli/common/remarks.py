"""What a plan would do that hardly anybody wants: said before it is done."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dimebench.planning.cells import Plan


def say_remarks(plan: Plan, said: set[str]) -> None:
    """On standard error, a line for each variant that would never learn; none that was `said` before."""
    found: dict[tuple[str, int, int], list[str]] = {}
    for cell in plan.cells:
        for block in cell.blocks[:1]:
            starts, steps = block.settings.get("learning_starts", 0), block.protocol.env_steps
            if starts >= steps:
                found.setdefault((block.variant, starts, steps), []).append(block.task)
    for (variant, starts, steps), tasks in found.items():
        where = tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"
        line = (
            f"{variant} on {where} only acts at random: learning_starts={starts} and the budget is {steps} env steps"
        )
        if line not in said:
            print(f"dimebench: note: {line}", file=sys.stderr)
            said.add(line)
