"""What the actor-critic algorithms share of an update: which samples it needs when. The order is on their pages."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from dimebench.agents.base import Batch, Metrics, Noise, NoiseShapes, under
from dimebench.agents.parts.paths import for_gpu
from dimebench.agents.updates.execution import ExecutableAgent


class Sample(Protocol):
    """What a policy samples: a named tuple of tensors [S, B, ...]."""

    @property
    def action(self) -> Tensor: ...
    @property
    def cost(self) -> Tensor: ...  # [S, B]; its negative is a sample of the policy's entropy, or of a bound on it
    def __iter__(self) -> Iterator[Tensor]: ...


S = TypeVar("S", bound=Sample)


@dataclass(frozen=True)
class UpdateStep(Generic[S]):
    """One critic update of a call of `update`, and what follows it."""

    batch: Batch  # [S, batch_size, ...]
    _next_samples: list[S]
    _sample: S | None
    _join: Callable[[], None]

    @property
    def updates_actor(self) -> bool:
        """Whether an actor update follows: after every `policy_delay`-th critic update."""
        return self._sample is not None

    def next_sample(self) -> S:
        """a' at s', of the actor as it is, cut from the gradient. To be called once: what is used up is freed."""
        return self._next_samples.pop(0)

    def sample(self) -> S:
        """a at s, for the actor's own update: the gradient flows."""
        assert self._sample is not None
        self._join()
        return self._sample


class ActorCritic(ExecutableAgent, Generic[S]):
    """UTD critic updates per call, an actor and temperature update after every `policy_delay`-th of them.

    Subclasses add their networks ("policy" and "critics" among them) and the temperature, and write down the samples,
    the objectives and the update. Metrics are those of a call's last critic update and last actor update.
    """

    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor:
        """With `evaluation_actions: mean` the policy's actions without noise, else actions as in training."""
        if self.settings.evaluation_actions == "mean":
            noise = {name: torch.zeros_like(eps) for name, eps in noise.items()}
        return self.act(obs, noise)

    # --- what an algorithm computes: functions of tensors, which may be compiled ------------------------------

    @abstractmethod
    def target_sample(self, next_obs: Tensor, noise: Noise) -> S:
        """a' of the current actor at s' and what it costs, [S, B, ...], cut from the gradient."""

    @abstractmethod
    def actor_sample(self, obs: Tensor, noise: Noise) -> S:
        """The same at s, for the actor's own update: the gradient flows."""

    @abstractmethod
    def critic_objective(self, batch: Batch, next_sample: S) -> tuple[Tensor, Metrics]:
        """The critics' loss [S] on a batch [S, batch_size, ...], a' from `target_sample`."""

    @abstractmethod
    def actor_objective(self, obs: Tensor, sample: S) -> Tensor:
        """The actor's loss [S] against the critics just updated, a from `actor_sample`."""

    def update_critic(self, batch: Batch, next_sample: S) -> Metrics:
        """The critics step towards the target; without target critics it is their own."""
        loss, metrics = self.critic_objective(batch, next_sample)
        self.descend("critics", loss)
        return {"critic_loss": loss.detach(), **metrics}

    # --- what it needs when -----------------------------------------------------------------------------------

    def update_noise(self, ahead: int = 0) -> NoiseShapes:
        one = self.policy_noise(self.settings.batch_size)
        shapes = {f"{i}.next.{name}": shape for i in range(self.settings.utd) for name, shape in one.items()}
        return shapes | {f"{i}.actor.{name}": s for i in self.actor_updates(ahead) for name, s in one.items()}

    def steps(self, batch: Batch, noise: Noise) -> Iterator[UpdateStep[S]]:
        """The critic updates of one call, in order, each with its slice of the batch.

        Every sample is of the actor as it is at that step. Those that can be are drawn early: a' for all critic
        updates until the actor changes at once; a during the critics' update, which does not change the actor.
        """
        actor_updates = self.actor_updates()
        next_samples: list[S] = []
        for i, part in enumerate(batch.split(self.settings.batch_size)):
            if not next_samples:  # the actor has changed
                last = next((j for j in actor_updates if j >= i), self.settings.utd - 1)
                next_samples += self._target_samples(batch, noise, i, last + 1)
            drawn = under(noise, f"{i}.actor.")
            sample = self.aside(self.actor_sample, part.obs, drawn) if i in actor_updates else None
            yield UpdateStep(part, next_samples, sample, self.join)
            self.grad_steps += 1

    def _target_samples(self, batch: Batch, noise: Noise, first: int, last: int) -> list[S]:
        """a' for critic updates `first` to `last` - 1, sampled together: one per update."""
        rows = self.settings.batch_size
        drawn = [under(noise, f"{i}.next.") for i in range(first, last)]
        together = {
            name: torch.cat([d[name] for d in drawn], -2) if len(drawn) > 1 else drawn[0][name] for name in drawn[0]
        }
        sample = self.target_sample(batch.next_obs[:, first * rows : last * rows], together)
        parts: Iterator[tuple[Tensor, ...]] = zip(*(field.split(rows, dim=1) for field in sample), strict=True)
        if for_gpu(self.device) and len(drawn) > 1:  # laid out as one alone: compiled code is for one layout
            parts = (tuple(t.clone(memory_format=torch.contiguous_format) for t in part) for part in parts)
        return [type(sample)(*part) for part in parts]  # a named tuple takes its fields
