"""What SerialVectorEnv.step (one seed) costs over dm_control's own env.step.

    python benchmarks/envs_overhead.py [TASK ...] [--episodes N]

Both sides follow the same trajectory: same seed, same actions. They take turns every few env steps (A B A B ...), so
that a busy machine slows both alike; CPU time, so that waiting for a core does not count.
Printed: medians over turns, and the median of the ratio within a turn.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from dimebench.envs import make_vector_env

TASKS = [
    "dm_control/dog-run",
    "dm_control/humanoid-run",
    "dm_control/quadruped-run",
    "dm_control/walker-walk",
    "dm_control/cheetah-run",
    "dm_control/pendulum-swingup",
]


TURNS, STEPS = 30, 20  # turns of each side per episode, env steps per turn


def measure(task: str, episodes: int) -> tuple[float, float, float]:
    """Microseconds per env step of dm_control and of SerialVectorEnv, and the ratio of the second to the first."""
    from dm_control import suite  # after dimebench.envs has chosen MUJOCO_GL

    vector = make_vector_env(task, [0])
    domain, _, name = task.removeprefix("dm_control/").partition("-")
    env = suite.load(domain, name, task_kwargs={"random": 0})
    spec = env.action_spec()
    rng = np.random.default_rng(0)

    own, ours = [], []
    for _ in range(episodes):
        env.reset()
        vector.reset()
        for _ in range(TURNS):
            actions = rng.uniform(-1, 1, (STEPS, 1, vector.spec.act_dim)).astype(np.float32)
            controls = [(a[0] * (spec.maximum - spec.minimum) + spec.maximum + spec.minimum) / 2 for a in actions]
            own.append(_seconds(env.step, controls) / STEPS * 1e6)
            ours.append(_seconds(vector.step, list(actions)) / STEPS * 1e6)
    return statistics.median(own), statistics.median(ours), statistics.median(np.divide(ours, own))


def _seconds(step: Callable[[np.ndarray], object], actions: list[np.ndarray]) -> float:
    start = time.thread_time()
    for action in actions:
        step(action)
    return time.thread_time() - start


def main() -> None:
    """Print one line per task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--episodes", type=int, default=10)
    args = parser.parse_args()
    print(f"{'task':32}{'dm_control us':>15}{'SerialVectorEnv us':>13}{'ratio':>8}")
    for task in args.tasks:
        own, ours, ratio = measure(task, args.episodes)
        print(f"{task:32}{own:15.1f}{ours:13.1f}{ratio:8.3f}")


if __name__ == "__main__":
    main()
