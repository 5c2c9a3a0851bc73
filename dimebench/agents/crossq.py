"""CrossQ (Bhatt et al., ICLR 2024, arXiv 1902.05605): SAC without target networks, with wide BatchRenorm critics.

| here               | source (the authors' JAX code, built on SBX)                                        |
|--------------------|-------------------------------------------------------------------------------------|
| `critic_objective` | `update_critic`: one joint training-mode forward of the live critics over [s; s']   |
| losses             | those of SAC, the minimum over critics in both                                      |
| `BatchRenorm`      | `renorm.py`; also in the actor, which runs in training mode in its own update only  |
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
from dimebench.agents.parts.renorm import RenormSettings
from dimebench.agents.sac import SoftActor, critic_loss, td_target


@dataclass(frozen=True)
class CrossQSettings:
    """Defaults: the authors' settings for dm_control."""

    learning_rate: Annotated[float, Gt(0)] = 8e-4  # actor, critics and alpha; 1e-3 on Gym
    beta1: Annotated[float, Interval(ge=0, lt=1)] = 0.5  # Adam's, of actor and critics; alpha's stays 0.9
    batch_size: Annotated[int, Ge(1)] = 256
    utd: Annotated[int, Ge(1)] = 1  # critic updates per env step
    policy_delay: Annotated[int, Ge(1)] = 3  # critic updates per actor update
    learning_starts: Annotated[int, Ge(1)] = 5_000  # env steps of uniform random actions
    replay_capacity: Annotated[int, Ge(1)] = 1_000_000  # transitions per seed
    gamma: Annotated[float, Interval(ge=0, le=1)] = 0.99
    actor_hidden: Annotated[tuple[int, ...], Len(1)] = (256, 256)
    critic_hidden: Annotated[tuple[int, ...], Len(1)] = (2048, 2048)
    renorm_momentum: Annotated[float, Interval(ge=0, lt=1)] = 0.99
    renorm_warmup: Annotated[int, Ge(0)] = 100_000  # training-mode forwards with plain batch statistics
    alpha_init: Annotated[float, Gt(0)] = 1.0
    target_entropy_per_dim: float = -1.0  # times |A|: target entropy -|A|
    temperature_loss_in: Literal["alpha", "log_alpha"] = "alpha"  # what it is linear in; SBX and SB3: log_alpha
    evaluation_actions: Literal["sample", "mean"] = "mean"  # tanh of the Gaussian's mean


class CrossQ(SoftActor):
    """S seeds of CrossQ: SAC's losses with another critic pass, normalised networks and no target critics."""

    Settings: ClassVar[type] = CrossQSettings
    summary: ClassVar[str] = "SAC without target networks: wide critics with BatchRenorm, one joint forward"
    graphable: ClassVar[bool] = True
    settings: CrossQSettings

    def __init__(self, dims: Dims, s: CrossQSettings, generators: Sequence[torch.Generator], device: str) -> None:
        super().__init__(dims, s, generators, device)
        renorm = RenormSettings(momentum=s.renorm_momentum, warmup=s.renorm_warmup)
        self.policy = GaussianPolicy(dims.obs, dims.act, s.actor_hidden, generators, renorm=renorm)
        self.critics = Critics(dims.obs + dims.act, s.critic_hidden, 1, generators, renorm)
        self.add("policy", self.policy, s.learning_rate, s.beta1)
        self.add("critics", self.critics, s.learning_rate, s.beta1)
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

    def critic_objective(self, batch: Batch, next_sample: GaussianSample) -> tuple[Tensor, Metrics]:
        """One forward over [s; s'], [a; a']: both halves share the batch statistics; s' only makes the target."""
        both_obs = torch.cat([batch.obs, batch.next_obs], 1)  # [S, 2B, O]
        both_actions = torch.cat([batch.action, next_sample.action], 1)
        q, next_q = self.critics(both_obs, both_actions, training=True).squeeze(-1).chunk(2, dim=-1)  # [S, C, B] each
        gamma = self.settings.gamma
        target = td_target(next_q, next_sample.log_prob, batch.reward, batch.terminated, self.alpha, gamma)
        return critic_loss(q, target), {"q_mean": q.detach().mean((1, 2))}
