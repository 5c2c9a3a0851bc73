"""Checks of options and plans before anything is written. `check_*` and `make_folder` raise UsageError."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dimebench.errors import UsageError, nearest
from dimebench.numbers import count

if TYPE_CHECKING:
    from dimebench.planning.cells import Plan


def check_execution(device: str, mode: str, precision: str, chain: str = "auto") -> None:
    """Raises UsageError for an unknown --mode, --precision or --chain, or one that needs a GPU on a CPU."""
    from dimebench.training.execution.modes import CHAINS, MODES, PRECISIONS

    asked = (("--mode", mode, MODES), ("--precision", precision, PRECISIONS), ("--chain", chain, CHAINS))
    for option, value, known in asked:
        if value not in ("auto", *known):
            raise UsageError(f"{option} {value}: unknown{nearest(value, ['auto', *known])}")
        if not device.startswith("cuda") and value in ("tf32", "fused", "compile+graph"):
            raise UsageError(f"{option} {value}: needs a CUDA device; this run is on the CPU")


def check_looks(
    until_decided: bool, seeds: str, most: int | None, block: int | None, anytime: bool
) -> tuple[int, int | None]:
    """The seeds of a block and the most seeds of `--until-decided`. Raises UsageError for options at odds."""
    if until_decided and seeds != "5":
        raise UsageError(f"--seeds {seeds}: with --until-decided, --block-seeds and --max-seeds say how many")
    for option, given in (("--max-seeds", most), ("--block-seeds", block)):
        if given is not None and not until_decided:
            raise UsageError(f"{option} {given}: belongs to --until-decided; --seeds says how many are trained")
    if anytime and not until_decided:
        raise UsageError("--anytime: belongs to --until-decided")
    most = 20 if most is None and not anytime else most
    wanted = (2 if anytime else 5) if block is None else block
    return (wanted if most is None else min(wanted, most)), most


def check_folder(option: str, folder: Path) -> None:
    """Raises UsageError where `folder` is no folder, or lies below a file."""
    place = existing(folder)
    if not place.is_dir():
        raise UsageError(f"{option} {folder}: {'' if place == folder else f'{place} is '}not a folder")


def check_writable(option: str, folder: Path) -> None:
    """Raises UsageError where nothing can be written to `folder`; one that is yet to be made, where it would be."""
    place = existing(folder)
    if not os.access(place, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {folder}: {'' if place == folder else f'{place} '}cannot be written to")


def make_folder(option: str, folder: Path) -> None:
    """Raises UsageError where that cannot be done."""
    check_writable(option, folder)
    try:  # root may do anything, but not everywhere
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{option} {folder}: cannot be made ({error.strerror})") from error


def existing(folder: Path) -> Path:
    """`folder`, or the nearest folder or file above it that exists."""
    return next(place for place in (folder, *folder.parents, Path("/")) if os.path.lexists(place))


def say_remarks(plan: Plan, said: set[str]) -> None:
    """On standard error, a line for each run in the way that cannot be read, and for each variant that would never
    learn; none that was `said` before."""
    lines = []
    for cell in plan.cells:
        lines += [f"not read, so not trained: {error}" for _, error in sorted(cell.broken.items())]
    found: dict[tuple[str, int, int], list[str]] = {}
    for cell in plan.cells:
        for block in cell.blocks[:1]:
            starts, steps = block.settings.get("learning_starts", 0), block.protocol.env_steps
            if starts >= steps:
                found.setdefault((block.variant, starts, steps), []).append(block.task)
    for (variant, starts, steps), tasks in found.items():
        where = tasks[0] if len(tasks) == 1 else f"{len(tasks)} tasks"
        why = f"learning_starts={starts} and the budget is {steps} env steps"
        lines.append(f"note: {variant} on {where} only acts at random: {why}")
    for line in lines:
        if line not in said:
            print(f"dimebench: {line}", file=sys.stderr)
            said.add(line)


@dataclass(frozen=True)
class Undecidable:
    """So many seeds that no scores whatever allow a claim between so many variants."""

    seeds: int
    tasks: int
    variants: int
    fewest_seeds: int  # that allow one

    def __str__(self) -> str:
        where = "one task" if self.tasks == 1 else f"{self.tasks} tasks"
        between = f" between {self.variants} algorithms" if self.variants > 2 else ""
        return f"{count(self.seeds, 'seed')} on {where} cannot decide{between}; {self.fewest_seeds} can"


def undecidable(plan: Plan) -> Undecidable | None:
    """Where the planned runs cannot decide anything; None where they can, or nothing is left to train."""
    names, tasks = {cell.variant for cell in plan.cells}, len({cell.task for cell in plan.cells})
    seeds, pairs = max((len(cell.seeds) for cell in plan.cells), default=0), math.comb(len(names), 2)
    arrangements = math.comb(2 * min(seeds, 20), min(seeds, 20)) ** min(tasks, 20)
    if not pairs or not any(cell.blocks for cell in plan.cells) or (seeds > 1 and arrangements > 1000 * pairs):
        return None  # without the import of statistics
    from dimebench.analysis.interim import ALPHA
    from dimebench.analysis.select import FLOOR
    from dimebench.stats import fewest_seeds

    compared = len(names) - (FLOOR in names and len(names) > 2)
    if compared < 2:
        return None
    fewest = fewest_seeds(tasks, compared, ALPHA)
    return Undecidable(seeds, tasks, compared, fewest) if seeds < fewest else None
