"""What a vector env exchanges with the processes that step its environments: plain arrays in one piece of memory.

In one process that is ordinary memory; between processes it is shared, and a step exchanges nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from dimebench.envs.spec import TaskSpec


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
    def over(cls, memory: Any, spec: TaskSpec, envs: int) -> Arrays:
        """Views of a buffer of as many bytes as `layout` has."""
        record = np.ndarray((), layout(spec, envs), memory)
        return cls(**{field.name: record[field.name] for field in fields(cls)})

    def rows(self, first: int, last: int) -> Arrays:
        """Views of the environments first ... last - 1; `command` and `failed` stay whole."""
        per_env = ("controls", "obs", "reward", "terminated", "truncated", "success", "chosen")
        return replace(self, **{name: getattr(self, name)[first:last] for name in per_env})


STEP, RESET = 1, 2
NO_NOTION = -1


def layout(spec: TaskSpec, envs: int) -> np.dtype[np.void]:
    """All arrays as one record, one after another."""
    return np.dtype(
        [
            ("controls", np.float64, (envs, spec.act_dim)),
            ("obs", np.float32, (envs, spec.obs_dim)),
            ("reward", np.float32, (envs,)),
            ("terminated", np.bool_, (envs,)),
            ("truncated", np.bool_, (envs,)),
            ("success", np.int8, (envs,)),
            ("chosen", np.bool_, (envs,)),
            ("command", np.uint8, (1,)),
            ("failed", np.bool_, (envs,)),
        ],
        align=True,
    )
