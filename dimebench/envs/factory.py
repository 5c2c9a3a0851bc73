"""Tasks by name. dm_control and Gymnasium are imported when first asked for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from dimebench.envs.environment import Environment, Seed
from dimebench.envs.spec import EnvError, TaskSpec, UnknownTaskError
from dimebench.envs.vector import SerialVectorEnv, VectorEnv
from dimebench.errors import first_line


def known_tasks() -> list[str]:
    """Every dm_control suite task, then every Gymnasium MuJoCo task. Imports both libraries, builds nothing."""
    return [*_known()]


def task_spec(task: str, action_repeat: int = 1) -> TaskSpec:
    """The shape of a task. The first call for a task builds one environment; the answer is kept.

    Raises UnknownTaskError for an unknown name, EnvError when the task cannot be loaded here.
    """
    _check_repeat(task, action_repeat)
    return _spec(task, action_repeat)


def make_vector_env(task: str, seeds: Sequence[Seed], action_repeat: int = 1, workers: int = 0) -> VectorEnv:
    """One environment per seed, not yet reset, stepped by `workers` processes (at most one per seed; 0: by this one).

    A SeedSequence gives a stream of its own; an int gives the library's own stream for that seed.
    Raises UnknownTaskError for an unknown name, EnvError when the task cannot be loaded here.
    """
    _check_repeat(task, action_repeat)
    if not len(seeds):
        raise EnvError(f"{task}: a block needs at least one seed")
    if workers < 0:
        raise EnvError(f"{task}: the number of worker processes must not be negative ({workers})")
    if workers:
        from dimebench.envs.parallel import ParallelVectorEnv

        return ParallelVectorEnv(task_spec(task, action_repeat), seeds, action_repeat, workers)
    envs = build_environments(task, seeds)
    return SerialVectorEnv(_describe(task, envs[0], action_repeat), envs, action_repeat)


def build_environments(task: str, seeds: Sequence[Seed]) -> list[Environment]:
    """One environment per seed, in this process. Raises as make_vector_env does."""
    build = _builder(task)
    return [build(seed) for seed in seeds]


@functools.cache
def _spec(task: str, action_repeat: int) -> TaskSpec:
    env = _builder(task)(0)
    try:
        return _describe(task, env, action_repeat)
    finally:
        env.close()


def _describe(task: str, env: Environment, action_repeat: int) -> TaskSpec:
    limit = None if env.max_steps is None else -(-env.max_steps // action_repeat)  # the last env step may be short
    return TaskSpec(task, sum(size for _, size in env.layout), env.low.size, limit, env.layout)


def _builder(task: str) -> Callable[[Seed], Environment]:
    if task not in _known():
        raise _why_not(task)
    if task.startswith("dm_control/"):
        from dimebench.envs.libraries.dm_control import DMControlEnvironment

        return functools.partial(DMControlEnvironment, task)
    from dimebench.envs.libraries.gymnasium import GymnasiumEnvironment

    return functools.partial(GymnasiumEnvironment, task)


def _why_not(task: str) -> EnvError:
    if task.startswith("gymnasium/"):
        from dimebench.envs.libraries import gymnasium as gym

        if reason := gym.refusal(task):
            return EnvError(reason)
    return UnknownTaskError(task, _known())


@functools.cache
def _known() -> dict[str, None]:
    """An ordered set."""
    try:
        from dimebench.envs.libraries import dm_control as dmc
        from dimebench.envs.libraries import gymnasium as gym
    except Exception as error:  # a broken install or a bad MUJOCO_GL surfaces here
        raise EnvError(f"dm_control or Gymnasium cannot be imported: {first_line(error)}") from error
    return dict.fromkeys([*dmc.known(), *gym.known()])


def _check_repeat(task: str, action_repeat: int) -> None:
    if action_repeat < 1:
        raise EnvError(f"{task}: action repeat must be at least 1, not {action_repeat}")
