"""One environment of one task, with one random stream: what an adapter builds and a vector env steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import mujoco

Seed = np.random.SeedSequence | int  # an int seeds exactly as the library's own seed argument does
Layout = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class MuJoCo:
    """The simulator behind an environment, for films and for the floor that a benchmark compares with."""

    model: mujoco.MjModel
    data: mujoco.MjData
    steps: int  # simulator steps per step of the library
    camera: int  # the one to film with; -1 is the free one

    @property
    def step_s(self) -> float:
        """Seconds of simulated time per step of the library."""
        return float(self.model.opt.timestep * self.steps)


class Environment(ABC):
    """One environment. Observations are written into a row that the caller owns."""

    layout: Layout  # (key, size) in stacking order
    low: np.ndarray  # [A] float64, the task's own action bounds
    high: np.ndarray  # [A] float64
    max_steps: int | None  # the library's time limit, in the library's own steps (no action repeat)

    @abstractmethod
    def reset(self, row: np.ndarray) -> None:
        """Start an episode and write its first observation into row [O]."""

    @abstractmethod
    def step(self, action: np.ndarray, row: np.ndarray, repeat: int) -> tuple[float, bool, bool, bool | None]:
        """Apply action [A] (within low..high) `repeat` times, or until the episode ends.

        Writes the last observation into row [O]; returns the summed reward, terminated, truncated and success (always
        None where the task has no such notion). Raises EnvError when the episode is over or the physics diverged.
        """

    @abstractmethod
    def reseed(self, seed: Seed) -> None:
        """Begin a new random stream; the next call must be reset."""

    @abstractmethod
    def close(self) -> None:
        """Free the physics."""

    def save(self) -> dict[str, np.ndarray]:
        """Everything that a bit-exact continuation needs, as plain arrays. Asked of libraries that are resumable."""
        raise NotImplementedError(f"{type(self).__name__} has no save")

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what save returned, here or in another process."""
        raise NotImplementedError(f"{type(self).__name__} has no restore")

    def mujoco(self) -> MuJoCo | None:
        """The simulator as it is now; None where there is another one."""
        return None
