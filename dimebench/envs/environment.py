"""The small protocol behind a block: one environment of one task, one random stream."""

from __future__ import annotations

from typing import Protocol

import numpy as np

Seed = np.random.SeedSequence | int  # an int seeds exactly as the library's own seed argument does
Layout = tuple[tuple[str, int], ...]


class Environment(Protocol):
    """One environment. Observations are written into a row that the caller owns."""

    layout: Layout  # (key, size) in stacking order
    low: np.ndarray  # [A] float64, the task's own action bounds
    high: np.ndarray  # [A] float64
    max_steps: int | None  # the library's time limit, in the library's own steps (no action repeat)

    def reset(self, row: np.ndarray) -> None:
        """Start an episode and write its first observation into row [O]."""

    def step(self, action: np.ndarray, row: np.ndarray, repeat: int) -> tuple[float, bool, bool]:
        """Apply action [A] (within low..high) `repeat` times, or until the episode ends.

        Writes the last observation into row [O]; returns the summed reward, terminated, truncated.
        Raises EnvError when the episode is over or the physics diverged.
        """

    def reseed(self, seed: Seed) -> None:
        """Begin a new random stream; the next call must be reset."""

    def save(self) -> dict[str, np.ndarray]:
        """Everything that a bit-exact continuation needs, as plain arrays."""

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Continue from what save returned, here or in another process."""

    def close(self) -> None:
        """Free the physics."""
