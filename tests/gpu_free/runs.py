"""Runs of the real trainer on the fake device.

    python -m tests.gpu_free.runs plain|whole|compiled LEARNER ...

prints as JSON what each run of each learner has shown.
"""

from __future__ import annotations

import json
import shutil
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.gpu_free import guard

if __name__ == "__main__":
    guard.load()  # before torch is imported

from dimebench.agents.registry import load_algorithm
from dimebench.training.block import Block, Protocol
from dimebench.training.split import split_block
from tests.agents.learners import having
from tests.gpu_free.compiling import counting_compiler
from tests.gpu_free.device import MEMORY, fake_cuda
from tests.training.blocks import assert_same_outputs, carry_out, make_block, outputs, trainer

STARTS, CUT, STEPS = 4, 14, 20  # env steps: of random actions, when some runs are cut off, in all
PROTOCOL = Protocol(env_steps=STEPS, action_repeat=100, eval_interval=20, eval_episodes=2)  # episodes of 10 env steps
ENDS = {1: 4, 2: 13}  # BatchRenorm's warm-up by UTD: inside a call where that has two critic updates
SEEDS = (2, 5, 9)


@dataclass
class Shown:
    """What a run has shown."""

    status: str  # as the trainer says
    faults: dict[str, int]
    waits: dict[str, int]
    compiled: dict[str, tuple[int, int]]  # by function: variants, kinds of calls
    began: int  # env steps done before
    prepared: int  # the env steps done when something was compiled or captured for the last time
    captures: int
    replays: int
    differs: str = ""  # in what from the run whose bits it must have


def block_on_cuda(algorithm: str, seeds: tuple[int, ...], mode: str) -> Block:
    block = make_block(algorithm, protocol=PROTOCOL, device="cuda", seeds=seeds, mode=mode)
    short = having(algorithm, learning_starts=STARTS, renorm_warmup=ENDS.get(block.settings.get("utd", 1)))
    return replace(block, settings=block.settings | short)


def run(block: Block, results: Path, until: int = STEPS, memory: int = MEMORY) -> Shown:
    """Train a block to its end, or until so many env steps are done, on a device with so many bytes of memory."""
    began, prepared, status = 0, [0], ""
    with fake_cuda(memory) as watch, counting_compiler(watch) as compiled:
        try:
            made = trainer(block, results, lambda: until <= made.env_step < STEPS)
            began = made.env_step
            compiled.told = watch.captured = lambda: prepared.append(made.env_step)
            status = carry_out(made, results)
        except Exception as error:
            traceback.print_exc()
            status = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    found = compiled.counts(), began, prepared[-1], watch.captures, watch.replays
    return Shown(status, dict(watch.faults), dict(watch.waits), *found)


def repeats(shown: Shown, block: Block, results: Path, other: Path) -> Shown:
    """Say in what a finished run differs from another one of the same block."""
    if shown.status != "finished":
        return shown
    try:
        assert_same_outputs(outputs(block, results), outputs(block, other))
    except AssertionError as error:
        shown.differs = str(error)[:300]
    return shown


def plain(algorithm: str, folder: Path) -> Iterator[tuple[str, Shown]]:
    """One seed and three, eager and as graphs."""
    for seeds in (SEEDS[:1], SEEDS):
        for mode in ("eager", "graph") if load_algorithm(algorithm).learns else ("eager",):
            block = block_on_cuda(algorithm, seeds, mode)
            shown = run(block, folder / mode)
            if mode == "graph":
                shown = repeats(shown, block, folder / mode, folder / "eager")
            yield f"{mode}, {len(seeds)}", shown


def whole(algorithm: str, folder: Path) -> Iterator[tuple[str, Shown]]:
    """These, then three seeds that are cut off and go on together, and as two parts."""
    yield from plain(algorithm, folder)
    if not load_algorithm(algorithm).learns:
        return
    block, none = block_on_cuda(algorithm, SEEDS, "graph"), 0  # memory: the replay is on the host
    yield "cut", run(block, folder / "cut", CUT)
    shutil.copytree(folder / "cut", folder / "parted")
    resumed = run(block, folder / "cut", memory=none)
    yield "resumed with the replay on the host", repeats(resumed, block, folder / "cut", folder / "graph")
    for part in split_block(block, folder / "parted", [SEEDS[::2], SEEDS[1:2]], "out of memory on the device"):
        yield f"resumed as {part.name}", run(part, folder / "parted")


def compiled(algorithm: str, folder: Path) -> Iterator[tuple[str, Shown]]:
    """Three seeds, compiled and as graphs."""
    mode = "compile+graph"
    yield f"{mode}, {len(SEEDS)}", run(block_on_cuda(algorithm, SEEDS, mode), folder)


if __name__ == "__main__":
    what = {"plain": plain, "whole": whole, "compiled": compiled}[sys.argv[1]]
    with TemporaryDirectory() as place:
        every = {name: what(name, Path(place) / name) for name in sys.argv[2:]}
        found = {name: {case: asdict(shown) for case, shown in of_one} for name, of_one in every.items()}
    json.dump(found, sys.stdout)
