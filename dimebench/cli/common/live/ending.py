"""The last lines of `run`: how it went, and the next command to type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dimebench.cli.common.live.names import clock
from dimebench.cli.common.live.progress import DIVERGED, ELSEWHERE, FINISHED, PlanProgress
from dimebench.cli.common.options import DEFAULT_RESULTS
from dimebench.engines.events import Outcome
from dimebench.numbers import count
from dimebench.planning.cells import Plan
from dimebench.store import traceback_of
from dimebench.training.block import Block

FLOOR = "random"  # needs no naming in a comparison: it is shown beside the others
MOST_NAMED = 4  # variants in a command to type


@dataclass(frozen=True)
class Ending:
    """What the last lines need to know of the command."""

    command: Sequence[str]  # as it was typed, the program's name first
    goes_on: bool = False  # after this plan, as `--until-decided` does: its end calls for no other command


def last_lines(progress: PlanProgress, outcome: Outcome, now: float, ending: Ending) -> Iterator[str]:
    """What diverged and failed, with reasons; the numbers of runs; the next command."""
    plan, facts = progress.plan, progress.facts()
    for block, seed, why in outcome.diverged:
        yield f"diverged: {block.variant} on {block.task}, seed-{seed:03d}: {why}"
    for block, why in outcome.failed:
        yield f"failed: {block.variant} on {block.task}, {block.name}: {why}{_kept(block, why, plan.results)}"
    failed = sum(len(block.seeds) for block, _ in outcome.failed)
    ended = facts[FINISHED] + facts[DIVERGED] - len(outcome.diverged)
    parts = [f"{count(ended, 'run')} finished", f"{facts['before']} were done already"]
    parts += [f"{facts[ELSEWHERE]} were trained by another process"] if facts[ELSEWHERE] else []
    parts += [f"{len(outcome.diverged)} diverged"] if outcome.diverged else []
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{outcome.left_alone} cannot be read"] if outcome.left_alone else []
    if outcome.interrupted:
        saved = "stopped at once, the last checkpoints stand" if outcome.cut_short else "state saved"
        parts.append(f"interrupted, {saved}: the same command goes on from there")
    total = sum(len(cell.seeds) for cell in plan.cells)
    took = clock(now - progress.began)
    yield f"{plan.suite}: {', '.join(parts)} ({total} asked for, {took}); results in {plan.results}/"
    if line := next_line(plan, outcome, ending):
        yield line


def next_line(plan: Plan, outcome: Outcome, ending: Ending) -> str:
    """The next command to type, with what it is for; "" where there is none."""
    again = shlex.join(ending.command)
    if outcome.interrupted:
        return f"to go on: {again}"
    if outcome.failed:
        return f"once that is mended, to go on: {again}"
    if outcome.left_alone:
        return f"once those folders are moved away, to train them again: {again}"
    return "" if ending.goes_on else f"next: {shlex.join(compare_command(plan))}"


def compare_command(plan: Plan) -> list[str]:
    """The command that judges the plan's variants; `report` where there is one alone."""
    every = list(dict.fromkeys(cell.variant for cell in plan.cells))
    names = [name for name in every if name != FLOOR or len(every) == 2]
    where = [] if plan.results == DEFAULT_RESULTS else ["--results", str(plan.results)]
    named = names if len(names) <= MOST_NAMED else []
    words = ["compare", *named] if len(names) > 1 else ["report", "--html"]
    return ["dimebench", *words, f"suite={plan.suite}", *where]


def _kept(block: Block, why: str, results: Path) -> str:
    """Where the traceback of a failure is, to end the line that says why; "" where none was kept."""
    file = traceback_of(block.run_folder(results, block.seeds[0]), block.name, why)
    return f" (traceback: {file})" if file else ""
