"""What a vector env exchanges with the processes that step its environments: plain arrays in one piece of memory.

In one process that is ordinary memory; between processes it is shared, and a step exchanges nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dimebench.envs.spec import TaskSpec

_ALIGNMENT = 64  # bytes: a cache line


@dataclass(frozen=True, slots=True)
class Arrays:
    """One row per environment."""

    controls: np.ndarray  # [S, A] float64, within the task's bounds
    obs: np.ndarray  # [S, O] float32
    reward: np.ndarray  # [S] float32
    terminated: np.ndarray  # [S] bool
    truncated: np.ndarray  # [S] bool
    success: np.ndarray  # [S] int8: 1 or 0; NO_NOTION where the task has none
    chosen: np.ndarray  # [S] bool: which environments a command to another process is for
    command: np.ndarray  # [1] uint8: STEP or RESET, for another process
    failed: np.ndarray  # [S] bool, one per process (there are at most S): its error follows over the connection

    @classmethod
    def allocate(cls, spec: TaskSpec, envs: int) -> Arrays:
        """Zeros in this process's own memory."""
        return cls.over(bytearray(cls.size(spec, envs)), spec, envs)

    @classmethod
    def over(cls, memory: Any, spec: TaskSpec, envs: int) -> Arrays:
        """Views of a buffer of `size` bytes."""
        arrays, start = {}, 0
        for name, (shape, dtype) in _fields(spec, envs).items():
            arrays[name] = np.ndarray(shape, dtype, memory, start)
            start += _bytes(shape, dtype)
        return cls(**arrays)

    @classmethod
    def size(cls, spec: TaskSpec, envs: int) -> int:
        """Bytes that `over` needs."""
        return sum(_bytes(*field) for field in _fields(spec, envs).values())

    def rows(self, first: int, last: int) -> Arrays:
        """Views of the environments first ... last - 1; `command` and `failed` stay whole."""
        per_env = ("controls", "obs", "reward", "terminated", "truncated", "success", "chosen")
        views = {name: getattr(self, name)[first:last] for name in per_env}
        return Arrays(**views, command=self.command, failed=self.failed)


STEP, RESET = 1, 2
NO_NOTION = -1


def _fields(spec: TaskSpec, envs: int) -> dict[str, tuple[tuple[int, ...], type]]:
    return {
        "controls": ((envs, spec.act_dim), np.float64),
        "obs": ((envs, spec.obs_dim), np.float32),
        "reward": ((envs,), np.float32),
        "terminated": ((envs,), np.bool_),
        "truncated": ((envs,), np.bool_),
        "success": ((envs,), np.int8),
        "chosen": ((envs,), np.bool_),
        "command": ((1,), np.uint8),
        "failed": ((envs,), np.bool_),
    }


def _bytes(shape: tuple[int, ...], dtype: type) -> int:
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    return -(-size // _ALIGNMENT) * _ALIGNMENT
