"""What the training loop asks of an algorithm, and the update schedule that the actor-critic algorithms share.

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
from torch import Tensor, nn

from dimebench.agents.networks import pack, pack_gradients

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
    def update_noise(self) -> NoiseShapes:
        """Noise for the next call of `update`."""

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


class ActorCritic(Agent):
    """UTD critic updates per call, an actor and temperature update after every `policy_delay`-th of them.

    Metrics are those of a call's last critic update and last actor update.

    Subclasses add their networks ("policy" among them) and an "alpha" optimiser, and give the updates. Besides what
    every learner has, their settings hold `policy_delay`, `alpha_init` and `evaluation_actions`.
    """

    def __init__(self, dims: Dims, settings: Any, generators: Sequence[torch.Generator], device: str) -> None:
        self.dims, self.settings, self.device = dims, settings, torch.device(device)
        self.seeds = len(generators)
        self.grad_steps = 0
        self.modules: dict[str, nn.Module] = {}
        self.arenas: dict[str, nn.Parameter] = {}  # each network's parameters as one tensor [S, P]
        self.optimizers: dict[str, torch.optim.Adam] = {}
        self.log_alpha = nn.Parameter(torch.log(torch.full((self.seeds,), settings.alpha_init, device=self.device)))

    def _add(self, name: str, module: nn.Module, lr: float = 0.0, beta1: float = 0.9) -> None:
        """A network of this agent, and with a learning rate Adam over all its parameters at once."""
        self.modules[name] = module.to(self.device)
        self.arenas[name] = pack(module, self.seeds)
        if lr:
            self.optimizers[name] = self._adam(self.arenas[name], lr, beta1)

    @staticmethod
    def _adam(parameter: nn.Parameter, lr: float, beta1: float) -> torch.optim.Adam:
        return torch.optim.Adam([parameter], lr=lr, betas=(beta1, 0.999), eps=1e-8, fused=True)

    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor:
        """With `evaluation_actions: mean` the policy's actions without noise, else actions as in training."""
        if self.settings.evaluation_actions == "mean":
            noise = {name: torch.zeros_like(eps) for name, eps in noise.items()}
        return self.act(obs, noise)

    @abstractmethod
    def update_critic(self, batch: Batch, noise: Noise) -> Metrics:
        """One update of the critics on a batch [S, batch_size, ...]."""

    @abstractmethod
    def update_actor(self, batch: Batch, noise: Noise) -> Metrics:
        """The actor's update, and the temperature's after it."""

    def _actor_updates(self) -> list[int]:
        """Which of the next call's critic updates (0-based) an actor update follows."""
        s = self.settings
        return [i for i in range(s.utd) if (self.grad_steps + i + 1) % s.policy_delay == 0]

    def update_noise(self) -> NoiseShapes:
        one = self.policy_noise(self.settings.batch_size)
        shapes = {f"{i}.next.{name}": shape for i in range(self.settings.utd) for name, shape in one.items()}
        return shapes | {f"{i}.actor.{name}": shape for i in self._actor_updates() for name, shape in one.items()}

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        metrics: Metrics = {}
        actor_updates = self._actor_updates()
        for i, part in enumerate(batch.split(self.settings.batch_size)):
            metrics |= self.update_critic(part, under(noise, f"{i}.next."))
            self.grad_steps += 1
            if i in actor_updates:
                metrics |= self.update_actor(part, under(noise, f"{i}.actor."))
        return metrics

    def _descend(self, name: str, loss: Tensor) -> None:
        """One Adam step of network `name` on the loss [S].

        Parameters of different seeds are disjoint: the gradient of the sum is each seed's own.
        """
        grads = torch.autograd.grad(loss.sum(), list(self.modules[name].parameters()))
        arena = self.arenas[name]
        arena.grad = self._treat(name, pack_gradients(grads, arena))
        self.optimizers[name].step()

    def _treat(self, name: str, grads: Tensor) -> Tensor:
        """What happens to a network's gradients [S, P] before the optimiser sees them; nothing by default."""
        return grads

    def _descend_alpha(self, loss: Tensor) -> None:
        """One Adam step of log alpha on the loss [S]."""
        (self.log_alpha.grad,) = torch.autograd.grad(loss.sum(), [self.log_alpha])
        self.optimizers["alpha"].step()

    def diverged(self) -> Tensor:
        finite = [torch.isfinite(arena).all(1) for arena in self.arenas.values()]
        return ~torch.stack([*finite, torch.isfinite(self.log_alpha)]).all(0)

    def policy_state(self) -> dict[str, Tensor]:
        return {f"policy.{key}": value.detach() for key, value in self.modules["policy"].state_dict().items()}

    def state_dict(self) -> dict[str, Tensor]:
        state = {"log_alpha": self.log_alpha.detach(), "grad_steps": torch.tensor(self.grad_steps)}
        for name, module in self.modules.items():
            state |= {f"{name}.{key}": value.detach() for key, value in module.state_dict().items()}
        for name, optimizer in self.optimizers.items():
            for i, slots in optimizer.state_dict()["state"].items():
                state |= {f"optimizer.{name}.{i}.{slot}": value for slot, value in slots.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.log_alpha.copy_(state["log_alpha"])
        self.grad_steps = int(state["grad_steps"])
        for name, module in self.modules.items():
            module.load_state_dict(dict(under(state, f"{name}.")))
        for name, optimizer in self.optimizers.items():
            whole = optimizer.state_dict()
            whole["state"] = {}
            for key, value in under(state, f"optimizer.{name}.").items():
                index, slot = key.split(".")
                whole["state"].setdefault(int(index), {})[slot] = value.clone()
            optimizer.load_state_dict(whole)


def under(mapping: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries whose key starts with the prefix, without it."""
    return {key.removeprefix(prefix): value for key, value in mapping.items() if key.startswith(prefix)}
