"""What the training loop asks of an algorithm.

Randomness is an input. An agent names the shapes of the standard normal noise that it needs; the caller draws
them, one generator per seed, and passes tensors with a leading seed axis. So an agent's functions are
deterministic in (state, batch, noise).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Protocol

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

    def tensors(self) -> dict[str, Tensor]:
        """By the names of the fields."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def split(self, rows: int) -> list[Batch]:
        """Slices of `rows` transitions each, in order."""
        parts = zip(*(tensor.split(rows, dim=1) for tensor in self.tensors().values()), strict=True)
        return [Batch(*p) for p in parts]

    def of_seed(self, i: int) -> Batch:
        """The transitions of seed `i` alone, S = 1."""
        return Batch(*(tensor[i : i + 1] for tensor in self.tensors().values()))


class OffPolicySettings(Protocol):
    """The settings that the loop reads of every algorithm that learns."""

    @property
    def learning_starts(self) -> int: ...  # env steps of uniform random actions
    @property
    def replay_capacity(self) -> int: ...  # transitions per seed
    @property
    def batch_size(self) -> int: ...  # transitions per seed and critic update
    @property
    def utd(self) -> int: ...  # critic updates per env step


@dataclass(frozen=True)
class NoSettings:
    """Of an algorithm with nothing to set."""


class Agent(ABC):
    """An algorithm: S seeds of it, trained side by side.

    `Settings` is a frozen dataclass whose defaults are the algorithm as published; if the algorithm learns, it has
    the fields of `OffPolicySettings`. What the class can do is declared in the class; one that declares nothing
    learns, eagerly and in float32.
    """

    Settings: ClassVar[type] = NoSettings
    summary: ClassVar[str] = ""

    learns: bool = True  # False: it only acts, and has no `settings`
    compilable: ClassVar[bool] = False  # `compile` works
    precisions: ClassVar[tuple[str, ...]] = ("float32",)  # of matrix products; others need `set_matmul_dtype`
    # A class does not inherit these two, as it may do in Python what its parent did not:
    graphable: ClassVar[bool] = False  # calls of `update` with equal `update_key` run the same tensor operations
    chains: ClassVar[tuple[str, ...]] = ("plain",)  # `use_chain` takes these
    shared_state: ClassVar[tuple[str, ...]] = ()  # ends of the keys in `state_dict` whose tensors all seeds share

    dims: Dims
    settings: OffPolicySettings
    seeds: int
    device: torch.device
    grad_steps: int = 0  # critic updates done

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls.graphable = cls.__dict__.get("graphable", False)
        cls.chains = cls.__dict__.get("chains", ("plain",))

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
        """Everything that an exact continuation needs, as a flat mapping of tensors.

        A tensor has the seed axis in front, unless it has no axis at all or `shared_state` names it.
        """

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state_dict`; KeyError where something is missing."""

    @classmethod
    def has_seed_axis(cls, key: str, value: Tensor) -> bool:
        """Whether an entry of `state_dict` is [S, ...]; else all seeds share it."""
        return value.dim() > 0 and key.rpartition(".")[2] not in cls.shared_state

    # --- execution: for classes that declare it ---------------------------------------------------------------

    def update_key(self) -> tuple[int, ...]:
        """Equal for calls of `update` that run the same operations on tensors, for any numbers in them."""
        return ()

    def update_kinds(self, calls: int) -> dict[tuple[int, ...], list[int]] | None:
        """Every `update_key` among the next `calls` of `update`, with `counts` that give it; None if unknown."""
        return None

    def counts(self) -> list[int]:
        """The part of the state that an update changes in Python, which a graph does not repeat."""
        return [self.grad_steps]

    def set_counts(self, counts: Sequence[int]) -> None:
        """The inverse of `counts`, for graphs, which repeat an update's operations without calling it."""
        self.grad_steps = counts[0]

    def compile(self) -> None:
        """From now on run the functions of tensors through torch.compile."""
        raise NotImplementedError

    def set_matmul_dtype(self, dtype: torch.dtype) -> None:
        """The type that dense layers multiply in: float32 (the default) or bfloat16."""
        raise NotImplementedError

    def use_chain(self, name: str) -> None:
        """How the policy samples: one of `chains`."""
        raise NotImplementedError


def under(mapping: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose key starts with the prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in mapping.items() if key.startswith(prefix)}
