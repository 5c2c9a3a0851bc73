"""A short name for how a task behaves here, to tell apart runs made under different physics."""

from __future__ import annotations

import functools
import hashlib
import math
from contextlib import closing

import numpy as np

from dimebench.envs.factory import make_vector_env

_STEPS = 25
_DIGITS = 5  # significant digits kept: rounding differs between machines far below this
_FLOOR = 6  # decimals kept at most: what should be zero is noise on every machine


@functools.cache
def physics_fingerprint(task: str) -> str:
    """16 hex digits over a task's spec and a seeded rollout of 25 env steps with fixed actions.

    Noise of 1e-12 in the state leaves it alone on every task, 1e-8 changes it on most: so the same on every machine
    with the same MuJoCo and libraries, and different when the simulated motion differs by more than rounding.
    Raises UnknownTaskError or EnvError as make_vector_env does.
    """
    with closing(make_vector_env(task, [0])) as envs:
        digest = hashlib.sha256(repr(envs.spec).encode())
        obs, total = envs.reset(), 0.0
        digest.update(_rounded(obs))
        for t in range(_STEPS):
            result = envs.step(_action(t, envs.spec.act_dim))
            total += float(result.reward[0])
            obs = result.obs
            if result.terminated[0] or result.truncated[0]:
                obs = envs.reset()
        # The first and the last observation: all that happens between leads to the last, and the fewer numbers,
        # the smaller the chance that one lies on a rounding boundary.
        digest.update(_rounded(obs))
        digest.update(_rounded(np.array([total])))
    return digest.hexdigest()[:16]


def _action(t: int, act_dim: int) -> np.ndarray:
    """[1, A] float32 in [-0.5, 0.5]: irregular, and the same everywhere (small integers, no sine)."""
    return (((7 * t + 3 * np.arange(act_dim)) % 11 - 5) / 10).astype(np.float32)[None]


def _rounded(values: np.ndarray) -> bytes:
    return ",".join(map(_round, values.reshape(-1).tolist())).encode()


def _round(value: float) -> str:
    if value == 0.0:
        return "0"
    decimals = min(_FLOOR, _DIGITS - 1 - math.floor(math.log10(abs(value))))
    return repr(round(value, decimals) + 0.0)  # + 0.0: no negative zero
