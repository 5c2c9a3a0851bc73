"""The environments of a block of seeds, stepped together."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from dimebench.envs.environment import Environment, Seed
from dimebench.envs.spec import EnvError, TaskSpec, one_line

_ROUNDING = 1e-5  # how far outside [-1, 1] an action may lie and still be float32 rounding


@dataclass(slots=True)
class StepResult:
    """What one env step of every seed gave. The arrays are the caller's own."""

    obs: np.ndarray  # [S, O] float32: after the step; never a reset observation
    reward: np.ndarray  # [S] float32: summed over the action repeat
    terminated: np.ndarray  # [S] bool: the task ended the episode; do not bootstrap
    truncated: np.ndarray  # [S] bool: the time limit ended it; bootstrap through it


class EnvBlock:
    """S environments of one task, one random stream each, stepped one after another in this process.

    There is no autoreset: whoever steps also resets what ended.
    """

    def __init__(self, spec: TaskSpec, envs: Sequence[Environment], action_repeat: int = 1) -> None:
        self.spec = spec
        self.action_repeat = action_repeat
        self._envs = list(envs)
        self._obs = np.zeros((len(envs), spec.obs_dim), np.float32)  # [S, O]: the environments write here
        self._flat = self._obs.reshape(-1)  # [S * O], a view
        self._rows = list(self._obs)  # S views [O]
        self._scale, self._middle = _affine(envs[0].low, envs[0].high)  # [A] float64
        self._unit = bool((self._scale == 1.0).all() and not self._middle.any())  # most tasks: nothing to rescale
        self._controls = np.zeros((len(envs), spec.act_dim))  # [S, A] float64, within the task's bounds
        self._magnitude = np.zeros((len(envs), spec.act_dim), np.float32)  # [S, A]: |action|

    def __len__(self) -> int:
        return len(self._envs)

    def reset(self, which: Sequence[int] | np.ndarray | None = None) -> np.ndarray:
        """Begin an episode in the environments of `which` (all by default).

        Returns the current observations [S, O] float32: those of `which` fresh, the others as they were.
        """
        for i in range(len(self._envs)) if which is None else which:
            try:
                self._envs[i].reset(self._rows[i])
            except Exception as error:
                raise self._lost(int(i), error) from error
        self._check_finite()
        return self._obs.copy()

    def step(self, actions: np.ndarray) -> StepResult:
        """Apply actions [S, A] float32 in [-1, 1], rescaled to the task's bounds, `action_repeat` times.

        Raises EnvError for an action outside [-1, 1] or not finite, an episode that is over, or diverged physics.
        """
        controls = self._rescale(actions)
        seeds = len(self._envs)
        reward = np.empty(seeds, np.float32)
        terminated = np.empty(seeds, np.bool_)
        truncated = np.empty(seeds, np.bool_)
        for i, env in enumerate(self._envs):
            try:
                total, terminated[i], truncated[i] = env.step(controls[i], self._rows[i], self.action_repeat)
            except Exception as error:
                raise self._lost(i, error) from error
            if not math.isfinite(total):
                raise self._lost(i, EnvError(f"{self.spec.name}: the reward is not finite ({total})"))
            reward[i] = total
        self._check_finite()
        return StepResult(self._obs.copy(), reward, terminated, truncated)

    def save(self) -> dict[str, np.ndarray]:
        """Everything for a bit-exact continuation on the same machine and versions: plain arrays, "0.physics" ..."""
        header = json.dumps(self._header()).encode()
        saved: dict[str, np.ndarray] = {"header": np.array(list(header), np.uint8)}
        for i, env in enumerate(self._envs):
            saved |= {f"{i}.{key}": value for key, value in env.save().items()}
            saved[f"{i}.obs"] = self._rows[i].copy()
        return saved

    def restore(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Continue from what `save` returned, here or in another process; whatever ran before is forgotten.

        Returns the current observations [S, O] float32. Raises EnvError when the state is of another task, another
        action repeat, another number of seeds or another MuJoCo.
        """
        try:
            saved, own = json.loads(bytes(state["header"])), self._header()
            for key, value in own.items():
                if saved[key] != value:
                    raise EnvError(f"saved environment state does not fit: {key} {saved[key]} there, {value} here")
            for i, env in enumerate(self._envs):
                prefix = f"{i}."
                env.restore({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
                self._rows[i][:] = state[f"{i}.obs"]
        except (KeyError, IndexError, ValueError) as error:
            raise EnvError(f"{self.spec.name}: not a saved environment state: {error}") from error
        return self._obs.copy()

    def reseed(self, seeds: Sequence[Seed]) -> None:
        """Give every environment a new random stream, as if built with it; every one must then be reset."""
        if len(seeds) != len(self._envs):
            raise EnvError(f"{self.spec.name}: {len(seeds)} seeds for {len(self._envs)} environments")
        for env, seed in zip(self._envs, seeds, strict=True):
            env.reseed(seed)

    def close(self) -> None:
        """Free the physics. The block cannot be used afterwards."""
        for env in self._envs:
            env.close()

    def _rescale(self, actions: np.ndarray) -> np.ndarray:
        """Controls [S, A] float64 within the task's bounds."""
        if actions.shape != (len(self._envs), self.spec.act_dim):
            expected = f"({len(self._envs)}, {self.spec.act_dim})"
            raise EnvError(f"{self.spec.name}: actions have shape {actions.shape}, expected {expected}")
        magnitude = np.absolute(actions, out=self._magnitude).reshape(-1)
        peak = magnitude[magnitude.argmax()]  # NaN if there is one; twice as fast as max() between physics steps
        if not peak <= 1.0:
            if not peak <= 1.0 + _ROUNDING:
                raise EnvError(f"{self.spec.name}: action {peak} is outside [-1, 1]")
            actions = np.clip(actions, -1.0, 1.0)
        controls = self._controls
        controls[...] = actions
        if not self._unit:
            controls *= self._scale
            controls += self._middle
        return controls

    def _check_finite(self) -> None:
        # Several times faster than isfinite(...).all(); the sum of squares may overflow, hence the second look.
        if math.isfinite(self._flat.dot(self._flat)):
            return
        for i, row in enumerate(self._rows):
            if not np.isfinite(row).all():
                text = f"{self.spec.name}: the observation of environment {i} is not finite"
                raise self._lost(i, EnvError(text))

    def _lost(self, i: int, error: Exception) -> EnvError:
        """What environment `i` raised, as an EnvError that says which one it is: the others are sound."""
        if not isinstance(error, EnvError):
            error = EnvError(f"{self.spec.name}: {type(error).__name__}: {one_line(error)}")
        error.environment = i
        return error

    def _header(self) -> dict[str, str | int]:
        return {
            "task": self.spec.name,
            "action_repeat": self.action_repeat,
            "seeds": len(self._envs),
            "mujoco": _mujoco_version(),
        }


def _affine(low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and middle that take [-1, 1] to [low, high] and, once rounded, never an ulp beyond it."""
    scale, middle = (high - low) / 2, (high + low) / 2
    while (beyond := (middle + scale > high) | (middle - scale < low)).any():
        scale = np.where(beyond, np.nextafter(scale, 0.0), scale)
    return scale, middle


@functools.cache
def _mujoco_version() -> str:
    return version("mujoco")
