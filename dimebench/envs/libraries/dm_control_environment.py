"""One environment of a dm_control suite task.

Observations: the task's dictionary, keys in alphabetical order, each value flattened in C order, as float32.
A time limit truncates (dm_control: discount 1 on the last step); a discount of 0 terminates.
"""

from __future__ import annotations

import copy
import functools
import math
from typing import Any

import mujoco
import numpy as np
from dm_control import suite
from dm_control.rl.control import PhysicsError

from dimebench.envs.environment import Environment, Layout, MuJoCo, Seed
from dimebench.envs.libraries import dm_control_physics, mujoco_state
from dimebench.envs.libraries.random_state import pack_random_state, random_state, unpack_random_state
from dimebench.envs.spec import EnvError
from dimebench.errors import first_line


class DMControlEnvironment(Environment):
    def __init__(self, name: str, seed: Seed, needs_gl: bool = False) -> None:
        """Raises whatever dm_control does when the task cannot be loaded here."""
        self._name, self._needs_gl = name, needs_gl
        self._build(random_state(seed))
        self.layout, self._flat, self._nested = _layout(self._task.get_observation(self._physics))
        spec = self._env.action_spec()
        unbounded = spec.maximum >= mujoco.mjMAXVAL  # lqr: its controls are forces without limits
        self.low = np.where(unbounded, -1.0, spec.minimum)
        self.high = np.where(unbounded, 1.0, spec.maximum)
        limit = self._env._step_limit  # a float; dm_control stops at the first step count >= limit
        self.max_steps = None if math.isinf(limit) else math.ceil(limit)

    def reset(self, row: np.ndarray) -> None:
        self._episode_random = pack_random_state(self._task.random)
        self._over = True  # until the reset has succeeded
        try:
            observation = self._env.reset().observation
        except RuntimeError as error:  # PhysicsError is one
            raise EnvError(f"{self._name}: reset failed: {first_line(error)}") from error
        self._started, self._over = True, False
        self._flatten(observation, row)

    def step(self, action: np.ndarray, row: np.ndarray, repeat: int) -> tuple[float, bool, bool, None]:
        if self._over:  # dm_control would reset by itself
            raise EnvError(f"{self._name}: step without a running episode: reset it first")
        env, task, physics = self._env, self._task, self._physics
        reward, discount = 0.0, None
        try:
            for _ in range(repeat):  # as dm_control's Environment.step, but observing only what is returned
                task.before_step(action, physics)
                physics.step(env._n_sub_steps)
                task.after_step(physics)
                reward += task.get_reward(physics)
                env._step_count += 1
                discount = 1.0 if env._step_count >= env._step_limit else task.get_termination(physics)
                if discount is not None:
                    self._over = True
                    break
            self._flatten(task.get_observation(physics), row)
        except PhysicsError as error:
            self._over = True
            raise EnvError(f"{self._name}: physics diverged: {first_line(error)}") from error
        terminated = discount == 0.0
        return reward, terminated, self._over and not terminated, None

    def reseed(self, seed: Seed) -> None:
        if self._model_is_drawn:
            self._build(random_state(seed))
        else:
            self._begin_stream(pack_random_state(random_state(seed)))

    def save(self) -> dict[str, np.ndarray]:
        physics = self._env.physics
        saved = {
            "random": pack_random_state(self._task.random),
            "episode_random": self._episode_random,
            "progress": np.array([self._started, self._over, self._env._step_count], np.int64),
        }
        if self._model_is_drawn:
            saved["build_random"] = self._build_random
        return saved | mujoco_state.capture(physics.model.ptr, physics.data.ptr)

    def restore(self, state: dict[str, np.ndarray]) -> None:
        if self._model_is_drawn and not np.array_equal(state["build_random"], self._build_random):
            random = np.random.RandomState()
            unpack_random_state(random, state["build_random"])
            self._build(random)
        started, over, step_count = (int(number) for number in state["progress"])
        self._begin_stream(state["episode_random"])
        if started:
            # Many tasks write targets, gains or terrain into the model when an episode begins, and keep facts
            # about it in Python: beginning the same episode again brings them all back.
            self._env.reset()
            physics = self._env.physics
            mujoco_state.put_back(physics.model.ptr, physics.data.ptr, state)
        unpack_random_state(self._task.random, state["random"])
        self._env._step_count = step_count
        self._started, self._over = bool(started), bool(over)

    def mujoco(self) -> MuJoCo:
        model, best = self._physics.model.ptr, 1 if "/quadruped-" in self._name else 0  # their first one is far away
        return MuJoCo(model, self._physics.data.ptr, self._env._n_sub_steps, camera=min(best, model.ncam - 1))

    def close(self) -> None:
        self._env.close()
        vars(self._physics).clear()  # lets go of the MuJoCo data that `lighten` holds too

    def _build(self, random: np.random.RandomState) -> None:
        self._build_random = pack_random_state(random)
        self._env, self._model_is_drawn = _load(self._name, random, self._needs_gl)
        self._task, self._physics = self._env.task, self._env.physics
        self._begin_stream(pack_random_state(random))

    def _begin_stream(self, packed: np.ndarray) -> None:
        unpack_random_state(self._task.random, packed)
        self._episode_random = packed
        self._started, self._over = False, True

    def _flatten(self, observation: dict[str, Any], row: np.ndarray) -> None:
        for key, where in self._flat:
            row[where] = observation[key]
        for key, where in self._nested:
            row[where] = observation[key].reshape(-1)


_Places = list[tuple[str, Any]]  # (key, slice of the row, or an index for a scalar)


def _layout(observation: dict[str, Any]) -> tuple[Layout, _Places, _Places]:
    """(key, size) in alphabetical order, and where in a row each value goes: scalars and vectors; the others."""
    layout, flat, nested, start = [], _Places(), _Places(), 0
    for key in sorted(observation):
        shape = np.shape(observation[key])
        size = math.prod(shape)
        layout.append((key, size))
        (nested if len(shape) > 1 else flat).append((key, slice(start, start + size) if shape else start))
        start += size
    return tuple(layout), flat, nested


def _load(name: str, random: np.random.RandomState, needs_gl: bool) -> tuple[Any, bool]:
    """A dm_control environment whose task draws from `random`, and whether its model was drawn from it too."""
    domain, _, task = name.partition("/")[2].partition("-")
    template, model_is_drawn = _template(domain, task)
    env = suite.load(domain, task, {"random": random}) if model_is_drawn else _clone(template, random)
    if needs_gl:
        _ = env.physics.contexts  # made here, so that a missing renderer is reported before training starts
    dm_control_physics.lighten(env.physics)
    return env, model_is_drawn


@functools.cache
def _template(domain: str, task: str) -> tuple[Any, bool]:
    """A pristine environment, never reset, and whether building it drew random numbers (lqr: its stiffness)."""
    random = np.random.RandomState(0)
    before = pack_random_state(random)
    with mujoco_state.quiet_compiler():
        env = suite.load(domain, task, {"random": random})
    return env, not np.array_equal(before, pack_random_state(random))


def _clone(template: Any, random: np.random.RandomState) -> Any:
    """What suite.load would build with `random`, 5 to 8 times faster: the XML is not compiled again."""
    env = copy.copy(template)
    env._physics = template.physics.copy()
    env._task = copy.copy(template.task)
    env._task._random = random
    return env
