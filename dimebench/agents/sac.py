"""SAC: soft actor-critic (Haarnoja et al. 2018, arXiv 1812.05905), as the CrossQ authors' code computes it.

| here                 | the CrossQ authors' code (JAX, built on SBX)                             |
|----------------------|--------------------------------------------------------------------------|
| `td_target`          | `update_critic`: soft value of s' by the minimum of the target critics   |
| `critic_loss`        | `update_critic`: 0.5 * mean of squares, summed over critics              |
| `actor_loss`         | `update_actor`: minimum over critics                                     |
| `temperature_loss`   | `update_temperature`: on alpha itself, not on its logarithm              |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Interval, Len
from torch import Tensor

from dimebench.agents.base import Batch, Dims, Metrics, Noise
from dimebench.agents.parts.gaussian import GaussianPolicy, GaussianSample
from dimebench.agents.parts.networks import Critics
from dimebench.agents.updates.gaussian_actor import GaussianActor


@dataclass(frozen=True)
class SACSettings:
    """Defaults: the common published baseline (SBX, Stable-Baselines3, SimBa)."""

    learning_rate: Annotated[float, Gt(0)] = 3e-4  # actor, critics and alpha; the CrossQ code has 1e-3 on Gym
    batch_size: Annotated[int, Ge(1)] = 256
    utd: Annotated[int, Ge(1)] = 1  # critic updates per env step
    policy_delay: Annotated[int, Ge(1)] = 1  # critic updates per actor update
    learning_starts: Annotated[int, Ge(1)] = 5_000  # env steps of uniform random actions
    replay_capacity: Annotated[int, Ge(1)] = 1_000_000  # transitions per seed
    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    tau: Annotated[float, Interval(gt=0, le=1)] = 0.005  # Polyak averaging of the target critics
    actor_hidden: Annotated[tuple[int, ...], Len(1)] = (256, 256)
    critic_hidden: Annotated[tuple[int, ...], Len(1)] = (256, 256)
    alpha_init: Annotated[float, Gt(0)] = 1.0
    target_entropy_per_dim: float = -1.0  # times |A|: target entropy -|A|
    temperature_loss_in: Literal["alpha", "log_alpha"] = "alpha"  # what it is linear in; SBX and SB3: log_alpha
    evaluation_actions: Literal["sample", "mean"] = "mean"  # tanh of the Gaussian's mean


def td_target(
    next_q: Tensor, next_log_prob: Tensor, reward: Tensor, terminated: Tensor, alpha: Tensor, gamma: float
) -> Tensor:
    """r + gamma (1 - terminated) (min_c Q_c(s', a') - alpha log pi(a'|s')), cut from the gradient.

    next_q [S, C, B]; next_log_prob, reward, terminated [S, B]; alpha [S]. Returns [S, B].
    """
    value = next_q.amin(1) - alpha[:, None] * next_log_prob
    return (reward + gamma * (1.0 - terminated) * value).detach()


def critic_loss(q: Tensor, target: Tensor) -> Tensor:
    """0.5 * mean over the batch of (Q_c - target)^2, summed over critics: q [S, C, B], target [S, B] -> [S]."""
    return 0.5 * (q - target[:, None]).square().mean(-1).sum(-1)


def actor_loss(q: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """mean over the batch of alpha log pi(a|s) - min_c Q_c(s, a): q [S, C, B], log_prob [S, B] -> [S]."""
    return (alpha[:, None] * log_prob - q.amin(1)).mean(-1)


def temperature_loss(log_alpha: Tensor, entropy: Tensor, target: float, linear_in: str = "alpha") -> Tensor:
    """alpha (entropy - target), all [S]; the entropy is the last actor update's, cut from the gradient.

    With linear_in="log_alpha" it is log alpha (entropy - target), as in SBX and Stable-Baselines3.
    """
    factor = log_alpha.exp() if linear_in == "alpha" else log_alpha
    return factor * (entropy.detach() - target)


class SoftActor(GaussianActor):
    """What CrossQ takes over from SAC, the actor's objective and its update; Gaussian-DIME the latter alone."""

    linear_in: str = "alpha"  # `temperature_loss`
    critics: Critics
    target_entropy: float

    def update_actor(self, batch: Batch, sample: GaussianSample) -> Metrics:
        """The actor steps against the critics just updated; then the temperature, on the entropy of that sample."""
        loss = self.actor_objective(batch.obs, sample)
        self.descend("policy", loss)
        entropy = -sample.log_prob.detach().mean(-1)
        self.descend_alpha(temperature_loss(self.log_alpha, entropy, self.target_entropy, self.linear_in))
        return {"actor_loss": loss.detach(), "entropy": entropy, "alpha": self.alpha}

    def actor_objective(self, obs: Tensor, sample: GaussianSample) -> Tensor:
        q = self.critics.of_action(obs, sample.action).squeeze(-1)  # [S, C, B]
        return actor_loss(q, sample.log_prob, self.alpha)


class SAC(SoftActor):
    """S seeds of soft actor-critic."""

    Settings: ClassVar[type] = SACSettings
    summary: ClassVar[str] = "soft actor-critic: tanh-Gaussian policy, two critics with Polyak targets"
    graphable: ClassVar[bool] = True
    settings: SACSettings

    def __init__(self, dims: Dims, s: SACSettings, generators: Sequence[torch.Generator], device: str) -> None:
        super().__init__(dims, s, generators, device)
        inputs = dims.obs + dims.act
        self.policy = GaussianPolicy(dims.obs, dims.act, s.actor_hidden, generators)
        self.critics = Critics(inputs, s.critic_hidden, 1, generators, renorm=None)
        self.target_critics = Critics(inputs, s.critic_hidden, 1, generators, renorm=None)
        self.target_critics.load_state_dict(self.critics.state_dict())
        self.add("policy", self.policy, s.learning_rate)
        self.add("critics", self.critics, s.learning_rate)
        self.add("target_critics", self.target_critics)
        self.add_temperature(s.learning_rate)
        self.target_entropy, self.linear_in = s.target_entropy_per_dim * dims.act, s.temperature_loss_in

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        """`utd` critic updates, each on its slice of the batch; after every `policy_delay`-th one of the actor."""
        metrics: Metrics = {}
        for step in self.steps(batch, noise):
            metrics |= self.update_critic(step.batch, step.next_sample())  # a' of the actor as it is
            if step.updates_actor:
                metrics |= self.update_actor(step.batch, step.sample())
        return metrics

    def update_critic(self, batch: Batch, next_sample: GaussianSample) -> Metrics:
        """The critics step towards the target; then the target critics follow them."""
        metrics = super().update_critic(batch, next_sample)
        self.approach("target_critics", "critics", self.settings.tau)
        return metrics

    def critic_objective(self, batch: Batch, next_sample: GaussianSample) -> tuple[Tensor, Metrics]:
        """The target by the target critics at (s', a'), the loss by the live ones at (s, a)."""
        with torch.no_grad():
            next_q = self.target_critics(batch.next_obs, next_sample.action).squeeze(-1)  # [S, C, B]
        q = self.critics(batch.obs, batch.action, training=True).squeeze(-1)  # [S, C, B]
        gamma = self.settings.gamma
        target = td_target(next_q, next_sample.log_prob, batch.reward, batch.terminated, self.alpha, gamma)
        return critic_loss(q, target), {"q_mean": q.detach().mean((1, 2))}
