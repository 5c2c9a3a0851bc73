"""The environments that one process steps, one after another: all of a vector env's, or a worker's share of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from dimebench.envs.arrays import NO_NOTION, Arrays
from dimebench.envs.environment import Environment, Seed
from dimebench.envs.spec import EnvError, TaskSpec
from dimebench.errors import first_line

State = dict[str, np.ndarray]


@dataclass(frozen=True)
class Setup:
    """The first message to a worker: which share is its own, and where it meets the others."""

    spec: TaskSpec
    action_repeat: int
    seeds: Sequence[Seed]  # of its own environments
    first: int  # the number of its first one in the vector env
    envs: int  # S, of the whole vector env
    number: int  # of this worker
    memory: int  # file descriptors, inherited: the shared arrays
    go: int  # an event counter, written by the parent
    done: int  # and one written here


class Share:
    """Environments first, first + 1, ... of a vector env, working on their rows of its arrays."""

    def __init__(
        self, task: str, envs: Sequence[Environment], action_repeat: int, arrays: Arrays, first: int = 0
    ) -> None:
        self.envs = list(envs)
        self._task, self._action_repeat, self._first = task, action_repeat, first
        self._arrays = arrays
        arrays.success[:] = NO_NOTION
        self._flat = arrays.obs.reshape(-1)  # [n * O], a view
        self._rows = list(arrays.obs)  # n views [O]
        self._controls = list(arrays.controls)  # n views [A]

    def reset(self, which: Iterable[int]) -> None:
        """Begin an episode in these environments, numbered from 0 within the share."""
        for i in which:
            try:
                self.envs[i].reset(self._rows[i])
            except Exception as error:
                raise self._lost(i, error) from error
        self._check_finite()

    def step(self, which: Iterable[int]) -> None:
        """Apply their controls. Raises EnvError where an episode is over or the physics diverged."""
        arrays, repeat = self._arrays, self._action_repeat
        for i in which:
            try:
                total, arrays.terminated[i], arrays.truncated[i], success = self.envs[i].step(
                    self._controls[i], self._rows[i], repeat
                )
            except Exception as error:
                raise self._lost(i, error) from error
            if not math.isfinite(total):
                raise self._lost(i, EnvError(f"{self._task}: the reward is not finite ({total})"))
            arrays.reward[i] = total
            if success is not None:
                arrays.success[i] = success
        self._check_finite()

    def save(self) -> State:
        """Plain arrays, each environment's under its number in the vector env."""
        saved: State = {}
        for i, env in enumerate(self.envs):
            prefix = f"{self._first + i}."
            saved |= {prefix + key: value for key, value in env.save().items()}
            saved[prefix + "obs"] = self._rows[i].copy()
        return saved

    def restore(self, state: State) -> None:
        """Continue from what `save` returned. Raises EnvError for anything else."""
        try:
            for i, env in enumerate(self.envs):
                prefix = f"{self._first + i}."
                env.restore({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
                self._rows[i][:] = state[prefix + "obs"]
        except (KeyError, IndexError, ValueError) as error:
            raise EnvError(f"{self._task}: not a saved environment state: {error}") from error

    def reseed(self, seeds: Sequence[Seed]) -> None:
        """A new random stream for each environment, as if built with it."""
        for env, seed in zip(self.envs, seeds, strict=True):
            env.reseed(seed)

    def close(self) -> None:
        """Free the physics."""
        for env in self.envs:
            env.close()

    def _check_finite(self) -> None:
        # Several times faster than isfinite(...).all(); the sum of squares may overflow, hence the second look.
        if math.isfinite(self._flat.dot(self._flat)):
            return
        for i, row in enumerate(self._rows):
            if not np.isfinite(row).all():
                text = f"{self._task}: the observation of environment {self._first + i} is not finite"
                raise self._lost(i, EnvError(text))

    def _lost(self, i: int, error: Exception) -> EnvError:
        """What environment `i` raised, as an EnvError that says which one it is: the others are sound."""
        if not isinstance(error, EnvError):
            error = EnvError(f"{self._task}: {type(error).__name__}: {first_line(error)}")
        error.environment = self._first + i
        return error
