"""What worker processes cost and save: ParallelVectorEnv against SerialVectorEnv and gymnasium's AsyncVectorEnv.

    python benchmarks/envs_parallel.py [TASK ...] [--envs S] [--workers 1,2,...] [--turns N]

The same seeds and actions on every side, taking turns of 25 vector steps (A B C A B C ...); wall time, medians over
turns, ratios within a turn. AsyncVectorEnv runs our own environments, one process each as it always does, with its
shared memory, so that only the machinery differs. Columns, in microseconds per vector step of S environments:

    here       SerialVectorEnv: all in this process
    parallel   ParallelVectorEnv.step
    beside     ParallelVectorEnv.start and .finish where a learner computes between them for twice as long as `here`
    machinery  ParallelVectorEnv.step where the workers wake and report, but no environment is stepped
    async      AsyncVectorEnv.step
"""

from __future__ import annotations

import argparse
import functools
import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

from dimebench.cores import usable_cores
from dimebench.envs import ParallelVectorEnv, make_vector_env, task_spec
from dimebench.envs.arrays import RESET

TASKS = ["dm_control/dog-run", "dm_control/humanoid-run", "dm_control/pendulum-swingup"]
STEPS, TURNS_PER_EPISODE = 25, 30


class Unstepped(ParallelVectorEnv):
    """Every worker is woken and reports, for no environment."""

    def _wake(self, command: int, which: list[int]) -> None:
        super()._wake(command, which if command == RESET else [])
        if not self._awake:
            self._awake = list(range(len(self._workers)))
            for worker in self._workers:
                worker.wake()


class OneEnvironment(gymnasium.Env):
    """A SerialVectorEnv of one, as AsyncVectorEnv takes it."""

    def __init__(self, task: str, seed: int) -> None:
        self.vector = make_vector_env(task, [seed])
        spec = self.vector.spec
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (spec.obs_dim,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (spec.act_dim,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        return self.vector.reset()[0], {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        result = self.vector.step(action[None])
        return result.obs[0], float(result.reward[0]), bool(result.terminated[0]), bool(result.truncated[0]), {}


def measure(task: str, envs: int, workers: int, turns: int) -> dict[str, list[float]]:
    """Microseconds per vector step of each column, one figure per turn."""
    seeds = list(range(envs))
    here, parallel, idle = (
        make_vector_env(task, seeds),
        make_vector_env(task, seeds, workers=workers),
        Unstepped(task_spec(task), seeds, workers=workers),
    )
    makers = [functools.partial(OneEnvironment, task, seed) for seed in seeds]
    other = gymnasium.vector.AsyncVectorEnv(
        makers, context="spawn", autoreset_mode=gymnasium.vector.AutoresetMode.DISABLED
    )
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in ("here", "parallel", "beside", "machinery", "async")}
    for turn in range(turns):
        if turn % (TURNS_PER_EPISODE // 2) == 0:  # `parallel` takes two turns
            for vector in (here, parallel, idle, other):
                vector.reset()
        actions = list(rng.uniform(-1, 1, (STEPS, envs, here.spec.act_dim)).astype(np.float32))
        times["here"].append(_mean(here.step, actions))
        times["parallel"].append(_mean(parallel.step, actions))
        times["machinery"].append(_mean(idle.step, actions))
        times["async"].append(_mean(other.step, actions))
        times["beside"].append(_beside(parallel, actions, 2 * times["here"][-1] * 1e-6))
    for vector in (here, parallel, idle, other):
        vector.close()
    return times


def _mean(step: Callable[[np.ndarray], object], actions: list[np.ndarray]) -> float:
    start = time.perf_counter()
    for action in actions:
        step(action)
    return (time.perf_counter() - start) / len(actions) * 1e6


def _beside(vector: ParallelVectorEnv, actions: list[np.ndarray], learner_s: float) -> float:
    """Microseconds per vector step that a learner of `learner_s` on a core of its own spends on its environments."""
    spent = 0.0
    for action in actions:
        start = time.perf_counter()
        vector.start(action)
        began = time.perf_counter()
        while time.perf_counter() - began < learner_s:
            pass
        ended = time.perf_counter()
        vector.finish()
        spent += began - start + time.perf_counter() - ended
    return spent / len(actions) * 1e6


def main() -> None:
    """Print one line per task and number of workers."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--envs", type=int, default=10)
    cores = usable_cores()
    parser.add_argument("--workers", default=",".join(str(w) for w in range(1, min(cores, 10) + 1)))
    parser.add_argument("--turns", type=int, default=30)
    args = parser.parse_args()
    names = ("here", "parallel", "beside", "machinery", "async")
    print(f"{args.envs} environments, {cores} cores")
    print(
        f"{'task':30}{'workers':>8}"
        + "".join(f"{name:>11}" for name in names)
        + f"{'here/par.':>11}{'async/par.':>11}"
    )
    for task in args.tasks:
        for workers in (int(w) for w in args.workers.split(",")):
            times = measure(task, args.envs, workers, args.turns)
            medians = "".join(f"{statistics.median(times[name]):11.0f}" for name in names)
            ratios = [statistics.median(np.divide(times[n], times["parallel"])) for n in ("here", "async")]
            print(f"{task:30}{workers:8d}{medians}{ratios[0]:11.2f}{ratios[1]:11.2f}")


if __name__ == "__main__":
    main()
