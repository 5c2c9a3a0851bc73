"""Runs of the real trainer on the fake device.

    python -m tests.gpu_free.runs LEARNER

prints as JSON what each run of a learner has shown.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.gpu_free import guard

if __name__ == "__main__":
    guard.load()

from dimebench.training.block import Block, Protocol  # noqa: E402 - torch, after the guard
from dimebench.training.split import split_block  # noqa: E402
from tests.gpu_free.compiling import counting_compiler  # noqa: E402
from tests.gpu_free.device import MEMORY, fake_cuda  # noqa: E402
from tests.training.blocks import assert_same_outputs, carry_out, make_block, outputs, stop_after, trainer  # noqa: E402

STARTS, STEPS = 4, 26  # env steps: of random actions, in all
WARMUP = 21  # BatchRenorm's, in critic updates: its end falls inside the run and, with two updates a call, inside a call
PROTOCOL = Protocol(env_steps=STEPS, action_repeat=100, eval_interval=13, eval_episodes=2)  # episodes of 10 env steps
ASKED = 40  # whether to stop: at each env step, and at each step of an evaluation


@dataclass
class Shown:
    """What a run has shown."""

    status: str  # as the trainer says
    faults: dict[str, int]
    waits: dict[str, int]
    compiled: dict[str, tuple[int, int]]  # by region: variants, kinds of calls
    prepared: int  # the env steps done when something was compiled or captured for the last time
    captures: int
    replays: int
    differs: str = ""  # in what from the run whose bits it must have


def block_on_cuda(algorithm: str, seeds: tuple[int, ...], mode: str) -> Block:
    block = make_block(algorithm, protocol=PROTOCOL, device="cuda", seeds=seeds, mode=mode)
    if algorithm == "random":
        return block
    short = {"learning_starts": STARTS} | ({} if algorithm == "sac" else {"renorm_warmup": WARMUP})
    return replace(block, settings=block.settings | short)


def run(block: Block, results: Path, stop: Callable[[], bool] = lambda: False, memory: int = MEMORY) -> Shown:
    """Train a block to its end or until told to stop, on a device with so many bytes of memory."""
    prepared = [0]
    with fake_cuda(memory) as watch, counting_compiler(watch) as compiled:
        made = trainer(block, results, stop)
        compiled.told = watch.captured = lambda: prepared.append(made.env_step)
        status = carry_out(made, results)
    counts = compiled.counts()
    return Shown(
        status, dict(watch.faults), dict(watch.waits), counts, prepared[-1], watch.captures, watch.replays
    )


def repeats(shown: Shown, block: Block, results: Path, other: Path) -> Shown:
    """Say in what a run differs from another one of the same block."""
    try:
        assert_same_outputs(outputs(block, results), outputs(block, other))
    except AssertionError as error:
        shown.differs = str(error)[:300]
    return shown


def runs(algorithm: str, folder: Path) -> Iterator[tuple[str, Shown]]:
    """Every mode with one and with three seeds; and three seeds cut, and then resumed together and as two parts."""
    modes = ("eager",) if algorithm == "random" else ("eager", "graph", "compile+graph")
    for seeds in ((4,), (2, 5, 9)):
        for mode in modes:
            block = block_on_cuda(algorithm, seeds, mode)
            shown = run(block, folder / mode)
            if mode == "graph":
                shown = repeats(shown, block, folder / mode, folder / "eager")
            yield f"{mode}, {len(seeds)}", shown
    block, little = block_on_cuda(algorithm, (2, 5, 9), modes[:2][-1]), 0  # memory: the replay is on the host
    yield "cut", run(block, folder / "cut", stop_after(ASKED))
    shutil.copytree(folder / "cut", folder / "parted")
    resumed = run(block, folder / "cut", memory=little)
    yield "resumed with the replay on the host", repeats(resumed, block, folder / "cut", folder / block.mode)
    for part in split_block(block, folder / "parted", [(2, 9), (5,)], "out of memory on the device"):
        yield f"resumed as {part.name}", run(part, folder / "parted")


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        json.dump({case: asdict(shown) for case, shown in runs(sys.argv[1], Path(place))}, sys.stdout)
