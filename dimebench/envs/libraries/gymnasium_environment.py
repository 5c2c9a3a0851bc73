"""One environment of a Gymnasium MuJoCo task (version 5).

Observations are the library's own vector, as float32. Its time limit (counted here, not by a wrapper) truncates;
an unhealthy robot terminates. Both can be true on the same step, as in Gymnasium's TimeLimit.
"""

from __future__ import annotations

from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium.utils import seeding

from dimebench.envs.environment import Environment, Layout, MuJoCo, Seed
from dimebench.envs.libraries import mujoco_state
from dimebench.envs.libraries.random_state import integer_seed, pack_generator, unpack_generator
from dimebench.envs.spec import EnvError


class GymnasiumEnvironment(Environment):
    def __init__(self, name: str, seed: Seed) -> None:
        """Raises EnvError when its actions are not a Box, and whatever Gymnasium does when it cannot be loaded."""
        self._name = name
        with mujoco_state.quiet_compiler():
            wrapped = gymnasium.make(name.partition("/")[2], disable_env_checker=True)
        self._env = cast(Any, wrapped.unwrapped)  # without the wrappers and their cost
        self.max_steps = wrapped.spec.max_episode_steps if wrapped.spec else None
        space = self._env.action_space
        if not isinstance(space, gymnasium.spaces.Box):
            raise EnvError(f"{name}: actions are {space}, not a Box of continuous values")
        self.layout = _layout(self._env)
        self.low = space.low.astype(np.float64)
        self.high = space.high.astype(np.float64)
        self._limit = self.max_steps or float("inf")
        self._control_timestep = float(self._env.dt)  # seconds
        self.reseed(seed)

    def reset(self, row: np.ndarray) -> None:
        self._episode_random = pack_generator(self._env.np_random)
        row[:] = self._env.reset()[0]
        self._elapsed, self._started, self._over = 0, True, False

    def step(self, action: np.ndarray, row: np.ndarray, repeat: int) -> tuple[float, bool, bool, None]:
        if self._over:
            raise EnvError(f"{self._name}: step without a running episode: reset it first")
        data = self._env.data
        reward = 0.0
        for _ in range(repeat):
            due = data.time + 0.5 * self._control_timestep
            observation, step_reward, terminated, _, _ = self._env.step(action)
            if not data.time > due:  # MuJoCo met bad numbers and put the robot back to its default pose
                self._over = True
                raise EnvError(f"{self._name}: physics diverged: MuJoCo reset itself during a step")
            reward += step_reward
            self._elapsed += 1
            if terminated or self._elapsed >= self._limit:
                self._over = True
                break
        row[:] = observation
        return reward, bool(terminated), self._elapsed >= self._limit, None

    def reseed(self, seed: Seed) -> None:
        self._env.np_random = seeding.np_random(integer_seed(seed))[0]  # as reset(seed=...) does
        self._episode_random = pack_generator(self._env.np_random)
        self._elapsed, self._started, self._over = 0, False, True

    def save(self) -> dict[str, np.ndarray]:
        return {
            "random": pack_generator(self._env.np_random),
            "episode_random": self._episode_random,
            "progress": np.array([self._started, self._over, self._elapsed], np.int64),
            **mujoco_state.capture(self._env.model, self._env.data),
        }

    def restore(self, state: dict[str, np.ndarray]) -> None:
        started, over, self._elapsed = (int(number) for number in state["progress"])
        self._episode_random = state["episode_random"]
        if started:
            self._env.np_random = unpack_generator(self._episode_random)
            self._env.reset()  # some tasks keep a goal in Python: beginning the same episode again brings it back
            mujoco_state.put_back(self._env.model, self._env.data, state)
        self._env.np_random = unpack_generator(state["random"])
        self._started, self._over = bool(started), bool(over)

    def mujoco(self) -> MuJoCo:
        model = self._env.model
        return MuJoCo(model, self._env.data, self._env.frame_skip, camera=min(0, model.ncam - 1))

    def close(self) -> None:
        self._env.close()


def _layout(env: Any) -> Layout:
    """The parts that Gymnasium names, in its order; one part when it names none."""
    size = int(np.prod(env.observation_space.shape))
    named = getattr(env, "observation_structure", {}).items()
    parts = tuple((key, int(n)) for key, n in named if n and key != "skipped_qpos")
    return parts if sum(n for _, n in parts) == size else (("observation", size),)
