"""A short probe of a block: a few dozen env steps, timed in a process like a worker's. Nothing is kept.

On a CPU it measures CPU time on one core, as `bench` does: other work on the machine does not change the figures.
Which blocks are probed, and what follows for the others: `planning.paces`.
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
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dimebench.errors import DimebenchError, last_line
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

    random_step: float  # before learning starts, or where nothing learns
    step: float  # 0 where nothing learns
    evaluation_step: float  # of all episodes of all seeds
    episode_steps: int  # at most
    device_bytes: int  # reserved on a GPU; 0 on a CPU
    host_bytes: int  # resident, with the part of the replay that was filled

    def seconds(self, block: Block) -> float:
        """Of the block's whole budget with its evaluations, without its checkpoints."""
        protocol = block.protocol
        evaluations = 1 + -(-protocol.env_steps // protocol.eval_interval)
        random: int = min(block.settings.get("learning_starts", 0), protocol.env_steps)
        learning = protocol.env_steps - random
        training = random * self.random_step + learning * self.step if self.step else 0.0
        return training + evaluations * self.episode_steps * self.evaluation_step


def probe(block: Block, seconds: float, core: int | None = None) -> Pace:
    """Measure the block for about `seconds`, plus the time to build it. Raises ProbeError.

    core: of this machine's, the one that the process may use, where several are at work.
    """
    request = json.dumps({"block": block.to_json(), "seconds": seconds, "core": core})
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
    """As `probe`, in this process. Of an algorithm that does not learn, the env steps alone."""
    from dimebench.agents.registry import load_algorithm
    from dimebench.agents.updates.schedule import update_schedule
    from dimebench.envs import task_spec
    from dimebench.planning.clock import by_schedule, one_core
    from dimebench.planning.timed_parts import RANDOM_START, evaluation_times, physics_times, step_times
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
        if not step:  # last: a run has no such environments, and the peak of memory shall be a run's
            random_step = statistics.median(physics_times(block, RANDOM_START))
    reached = peak.peak(block.device)
    on_device, on_host = 0, reached["peak_memory_bytes"]
    if block.device.startswith("cuda"):
        on_device, on_host = reached["peak_memory_bytes"], reached["peak_host_memory_bytes"]
    limit = task_spec(block.task, block.protocol.action_repeat).max_episode_steps or 1000
    return Pace(random_step, step, evaluation, limit, on_device, on_host)


def main() -> None:
    """Entry point of `python -m dimebench.planning.probe`."""
    atexit.register(gc.freeze)  # else Python's last garbage collection takes a second
    request: dict[str, Any] = json.load(sys.stdin)
    if request["core"] is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {request["core"]})
    try:
        pace = measure(Block.from_json(request["block"]), request["seconds"])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")
    print(json.dumps(asdict(pace)))


if __name__ == "__main__":
    main()
