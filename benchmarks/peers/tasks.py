"""A dm_control task for the peers' libraries: the leanest Gymnasium environment, the same for all of them.

Observation values in the order of their keys as one float32 vector, actions in [-1, 1] (as the tasks measured here
have them), the time limit as truncation. Shimmy, the usual wrapper, costs more for the same.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from dm_control import suite


class Task(gymnasium.Env[np.ndarray, np.ndarray]):
    """`dog-run` and the like."""

    def __init__(self, name: str) -> None:
        domain, _, task = name.partition("-")
        self._env = suite.load(domain, task, {"random": 0})
        self._keys = sorted(self._env.observation_spec())
        spec = self._env.action_spec()
        assert (spec.minimum == -1).all(), f"{name}: actions are not in [-1, 1]"
        assert (spec.maximum == 1).all(), f"{name}: actions are not in [-1, 1]"
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, spec.shape, np.float32)
        size = sum(int(np.prod(value.shape)) for value in self._env.observation_spec().values())
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        return self._flat(self._env.reset().observation), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        step = self._env.step(action)
        ended = step.last()
        terminated = ended and step.discount == 0.0
        return self._flat(step.observation), float(step.reward), terminated, ended and not terminated, {}

    def _flat(self, observation: dict[str, Any]) -> np.ndarray:
        return np.concatenate([np.ravel(observation[key]) for key in self._keys]).astype(np.float32)
