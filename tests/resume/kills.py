"""Real processes that train tiny blocks and are killed with SIGKILL at random instants; what is left, bit for bit.

Processes are forked from one that has imported everything, so that a kill costs a fraction of a second. The
instants are drawn uniformly over what an undisturbed run takes, from a seed that is printed: kills land in env
steps, updates, evaluations, and in the middle of checkpoints, which are written all the time.

    python -m tests.resume.kills --kills 200 [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from dimebench.agents.registry import built_in_algorithms, load_algorithm
from dimebench.training.block import Block, Protocol
from dimebench.training.execution.modes import chosen
from tests.training.blocks import assert_same_outputs, make_block, outputs, train, trainer

ALGORITHMS = tuple(built_in_algorithms())
TASKS = ("dm_control/pendulum-swingup", "gymnasium/Hopper-v5")
PROTOCOL = {  # evaluated in the middle of episodes and at the end of the budget
    "dm_control": Protocol(env_steps=60, action_repeat=40, eval_interval=40, eval_episodes=1),
    "gymnasium": Protocol(env_steps=60, action_repeat=1, eval_interval=25, eval_episodes=1),
}
CHECKPOINT_EVERY_S = 0.02


@dataclass
class Tally:
    """What the kills of one case came to."""

    case: str
    kills: int = 0
    during: dict[str, int] = field(default_factory=dict)  # what a killed process left behind
    processes: int = 0


def case(algorithm: str, task: str) -> Block:
    """In the mode that `run` chooses on dm_control, eagerly on Gymnasium."""
    mode = chosen(load_algorithm(algorithm), "cpu")[0] if task.startswith("dm_control") else "eager"
    return make_block(algorithm, task=task, protocol=PROTOCOL[task.partition("/")[0]], mode=mode)


def fork(work: Callable[[], object]) -> int:
    """The id of a process that does the work and leaves with 0, or with 1 after a traceback."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def survive(block: Block, kills: int, source: random.Random, folder: Path) -> Tally:
    """Train the block, killed that many times (over as many runs as it takes); hold each to an undisturbed one."""
    trainer(block, folder / "nothing").close()  # imports whatever training does, for all processes forked from here
    began = time.monotonic()
    assert _ended(fork(lambda: train(block, folder / "whole", every_s=CHECKPOINT_EVERY_S))) == 0
    whole_s = time.monotonic() - began
    expected = outputs(block, folder / "whole")
    tally = Tally(f"{block.algorithm} on {block.task}")
    attempt = 0
    while tally.kills < kills:
        place = folder / f"cut-{attempt}"
        attempt += 1
        finished = False
        while not finished:
            tally.processes += 1
            pid = fork(lambda place=place: train(block, place, every_s=CHECKPOINT_EVERY_S))  # type: ignore[misc]
            if tally.kills < kills:
                finished = _kill(pid, source.uniform(0.0, whole_s), tally, block, place)
            else:
                assert _ended(pid) == 0
                finished = True
        assert_same_outputs(outputs(block, place), expected)
    return tally


def _kill(pid: int, after_s: float, tally: Tally, block: Block, place: Path) -> bool:
    """Kill the process so long after its start; True where it was done before."""
    deadline = time.monotonic() + after_s
    while time.monotonic() < deadline:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0
            return True
        time.sleep(0.002)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    if _ended(pid) == 0:
        return True
    tally.kills += 1
    left = _left_behind(block, place)
    tally.during[left] = tally.during.get(left, 0) + 1
    return False


def _left_behind(block: Block, place: Path) -> str:
    checkpoints = block.checkpoint_folder(place)
    if any(place.rglob(".*.tmp")):
        return "in the middle of a write"
    if any(checkpoints.glob("[0-9]*")):
        return "after a checkpoint"
    return "before the first checkpoint"


def _ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def torture(kills: int, seed: int) -> list[Tally]:
    """That many kills, shared out evenly over every algorithm on a dm_control and a Gymnasium task."""
    cases = [case(algorithm, task) for task in TASKS for algorithm in ALGORITHMS]
    tallies = []
    for i, block in enumerate(cases):
        share = kills // len(cases) + (i < kills % len(cases))
        if share:
            with tempfile.TemporaryDirectory() as folder:
                source = random.Random(f"{seed} {block.algorithm} {block.task}")
                tallies.append(survive(block, share, source, Path(folder)))
            print(f"{tallies[-1].case}: {share} kills survived {tallies[-1].during}", flush=True)
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser(description="SIGKILL at random instants; every run must end with the same bits.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print(f"seed {given.seed}", flush=True)
    tallies = torture(given.kills, given.seed)
    total: dict[str, int] = {}
    for tally in tallies:
        for where, count in tally.during.items():
            total[where] = total.get(where, 0) + count
    kills, processes = sum(tally.kills for tally in tallies), sum(tally.processes for tally in tallies)
    print(f"{kills} kills in {processes} processes, every run ended with the bits of an undisturbed one: {total}")


if __name__ == "__main__":
    main()
