"""A short probe of a block: a few dozen env steps, timed in a process like a worker's. Nothing is kept.

On a CPU it measures CPU time on one core, as `bench` does: other work on the machine does not change the figures.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dimebench.errors import DimebenchError, last_line
from dimebench.planning.durations import PROBE
from dimebench.planning.process_env import WORKER_ENVIRONMENT
from dimebench.training.block import Block

LONGEST_S = 600.0
PERIODS = 2  # of the update schedule, at least, after the warm-up
EVALUATED = 20  # env steps of an evaluation


class ProbeError(DimebenchError):
    """A block cannot be probed; one line."""


@dataclass(frozen=True)
class Pace:
    """Seconds of an env step of all the block's seeds, and the peak memory of the process."""

    random_step: float  # before learning starts
    step: float
    evaluation_step: float  # of all episodes of all seeds
    episode_steps: int  # at most
    device_bytes: int  # reserved on a GPU; 0 on a CPU
    host_bytes: int  # resident, with the part of the replay that was filled

    def seconds(self, block: Block) -> float:
        """Of the block's whole budget with its evaluations, without its checkpoints."""
        protocol = block.protocol
        evaluations = 1 + -(-protocol.env_steps // protocol.eval_interval)
        random: int = min(block.settings.get("learning_starts", 0), protocol.env_steps)
        learning = protocol.env_steps - random if self.step else 0
        training = random * self.random_step + learning * self.step
        return training + evaluations * self.episode_steps * self.evaluation_step


def probe(block: Block, seconds: float) -> Pace:
    """Measure the block for about `seconds`, plus the time to build it. Raises ProbeError."""
    request = json.dumps({"block": block.to_json(), "seconds": seconds})
    environment = {**os.environ, **WORKER_ENVIRONMENT}
    command = [sys.executable, "-m", "dimebench.planning.probe"]
    try:
        done = subprocess.run(
            command, input=request, env=environment, capture_output=True, text=True, timeout=LONGEST_S
        )
        return Pace(**json.loads(done.stdout.strip().splitlines()[-1]))
    except subprocess.TimeoutExpired:
        raise ProbeError(f"{block.variant} on {block.task}: no env step within {LONGEST_S:.0f} s") from None
    except (IndexError, ValueError, TypeError) as error:
        raise ProbeError(f"{block.variant} on {block.task}: {last_line(done.stderr, done.returncode)}") from error


def measure(block: Block, seconds: float) -> Pace:
    """As `probe`, in this process."""
    from dimebench.agents.registry import load_algorithm
    from dimebench.agents.updates.schedule import update_schedule
    from dimebench.envs import task_spec
    from dimebench.planning.clock import by_schedule, one_core
    from dimebench.planning.timed_parts import RANDOM_START, evaluation_times, step_times
    from dimebench.training import peak
    from dimebench.training.execution.modes import WARM_CALLS

    random_step = step = 0.0
    with tempfile.TemporaryDirectory(prefix="dimebench-plan-") as folder, one_core(block.device):
        if load_algorithm(block.algorithm).learns:
            settings = block.settings
            period = len(update_schedule(settings["utd"], settings.get("policy_delay", 1)))
            warm = WARM_CALLS * period if "graph" in block.mode else 0  # and the next ones are captured
            times = step_times(block, Path(folder), seconds, warm + (1 + PERIODS) * period)
            random_step = statistics.median(times[:RANDOM_START])
            step = by_schedule(times[RANDOM_START + warm :], period)
        evaluation = statistics.median(evaluation_times(block, Path(folder) / "evaluation", EVALUATED))
    reached = peak.peak(block.device)
    on_device, on_host = 0, reached["peak_memory_bytes"]
    if block.device.startswith("cuda"):
        on_device, on_host = reached["peak_memory_bytes"], reached["peak_host_memory_bytes"]
    limit = task_spec(block.task, block.protocol.action_repeat).max_episode_steps or 1000
    return Pace(random_step, step, evaluation, limit, on_device, on_host)


class Probes:
    """Probes of blocks, one for all that do the same work: the same algorithm and settings on the same body."""

    def __init__(self, seconds: float, here: bool, announce: Callable[[Block], None] = lambda block: None) -> None:
        """`here`: the blocks will train on this machine; else a probe is extrapolated. `announce` is called first."""
        self._seconds, self._here, self._announce = seconds, here, announce
        self._found: dict[str, tuple[Pace, str]] = {}

    def __call__(self, block: Block) -> tuple[Pace, str] | None:
        """The pace and where it comes from; None for a GPU if there is none here. Raises ProbeError."""
        if block.device.startswith("cuda") and not torch.cuda.is_available():
            return None
        key = _work(block)
        if key not in self._found:
            self._announce(block)
            self._found[key] = probe(block, self._seconds), block.task
        pace, task = self._found[key]
        shared = "" if task == block.task else f" of {task.partition('/')[2]}"
        return pace, f"{PROBE}{shared}" if self._here else f"extrapolated from a probe{shared} on this machine"


def _work(block: Block) -> str:
    """Equal for blocks whose env steps take the same time: tasks of one body differ only in their reward."""
    from dimebench.envs import library_of, task_spec

    spec = task_spec(block.task, block.protocol.action_repeat)
    body = library_of(block.task).body(block.task)
    protocol = block.protocol.action_repeat, block.protocol.eval_episodes
    sizes = spec.obs_dim, spec.act_dim, spec.max_episode_steps, len(block.seeds), block.env_workers
    return json.dumps([body, sizes, block.algorithm, block.settings, protocol, block.identity()["execution"]])


def main() -> None:
    """Entry point of `python -m dimebench.planning.probe`."""
    atexit.register(gc.freeze)  # else Python's last garbage collection takes a second
    request: dict[str, Any] = json.load(sys.stdin)
    try:
        pace = measure(Block.from_json(request["block"]), request["seconds"])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
    print(json.dumps(asdict(pace)))


if __name__ == "__main__":
    main()
