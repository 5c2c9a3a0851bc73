"""What the training loop asks of an algorithm.

Randomness is an input. An agent names the shapes of the standard normal noise that it needs; the caller draws
them, one generator per seed, and passes tensors with a leading seed axis. So an agent's functions are
deterministic in (state, batch, noise).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

Noise = Mapping[str, Tensor]  # name -> [S, *shape], standard normal
NoiseShapes = dict[str, tuple[int, ...]]  # name -> shape of one seed's noise
Metrics = dict[str, Tensor]  # name -> [S]


@dataclass(frozen=True)
class Dims:
    """Sizes of a task, after flattening."""

    obs: int
    act: int


@dataclass(frozen=True)
class Batch:
    """Transitions of S seeds: obs, next_obs [S, B, O]; action [S, B, A] in [-1, 1]; reward, terminated [S, B].

    `terminated` is 1.0 where the episode ended in a terminal state; a time limit is not one.
    """

    obs: Tensor
    action: Tensor
    reward: Tensor
    next_obs: Tensor
    terminated: Tensor

    def split(self, rows: int) -> list[Batch]:
        """Slices of `rows` transitions each, in order."""
        parts = zip(*(getattr(self, f).split(rows, dim=1) for f in self.__dataclass_fields__), strict=True)
        return [Batch(*p) for p in parts]


class Agent(ABC):
    """An algorithm: S seeds of it, trained side by side. Subclasses set `Settings` and `summary`.

    `Settings` is a frozen dataclass whose defaults are the algorithm as published. It must hold
    `learning_starts` (env steps of uniform random actions), `batch_size`, `utd` and `replay_capacity` if the
    algorithm learns.
    """

    Settings: ClassVar[type]
    summary: ClassVar[str] = ""
    learns: ClassVar[bool] = True
    graphable: ClassVar[bool] = False  # said by each class of itself: `update_key` tells all that tells calls apart
    chains: ClassVar[tuple[str, ...]] = ("plain",)  # likewise: `use_chain` takes these, where there is a chain
    grad_steps: int = 0  # critic updates done

    @abstractmethod
    def __init__(self, dims: Dims, settings: Any, generators: Sequence[torch.Generator], device: str) -> None:
        """Build S learners, one per generator, which draws its seed's initial parameters."""

    @abstractmethod
    def policy_noise(self, rows: int) -> NoiseShapes:
        """Noise for the actions of `rows` observations per seed."""

    @abstractmethod
    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        """Actions [S, B, A] in [-1, 1] to explore with, for obs [S, B, O]."""

    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor:
        """Actions [S, B, A] that the algorithm is scored with."""
        return self.act(obs, noise)

    @abstractmethod
    def update_noise(self, ahead: int = 0) -> NoiseShapes:
        """Noise for the next call of `update`, or for the one that comes `ahead` calls after it."""

    @abstractmethod
    def update(self, batch: Batch, noise: Noise) -> Metrics:
        """One call per env step, on utd * batch_size transitions."""

    def diverged(self) -> Tensor | None:
        """Which seeds' parameters are not finite any more, [S] bool; None where the algorithm cannot tell."""
        return None

    def policy_state(self) -> dict[str, Tensor]:
        """The part of `state_dict` that acting needs, kept when training is over."""
        return {}

    @abstractmethod
    def state_dict(self) -> dict[str, Tensor]:
        """Everything that an exact continuation needs, as a flat mapping of tensors."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state_dict`; KeyError where something is missing."""


def under(mapping: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose key starts with the prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in mapping.items() if key.startswith(prefix)}
