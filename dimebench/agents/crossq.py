"""CrossQ (Bhatt et al., ICLR 2024, arXiv 1902.05605): SAC without target networks, with wide BatchRenorm critics.

| here            | source (the authors' JAX code, built on SBX)                                           |
|-----------------|----------------------------------------------------------------------------------------|
| `CrossQ.q_values`| `update_critic`: one joint training-mode forward of the live critics over [s; s']      |
| losses          | those of SAC, the minimum over critics in both                                         |
| `BatchRenorm`   | `renorm.py`; also in the actor, which runs in training mode in its own update only     |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Interval, Len
from torch import Tensor

from dimebench.agents.base import Batch
from dimebench.agents.parts.gaussian import GaussianPolicy
from dimebench.agents.parts.networks import Critics
from dimebench.agents.parts.renorm import RenormSettings
from dimebench.agents.sac import SAC
from dimebench.agents.updates.adam import Adam


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


class CrossQ(SAC):
    """S seeds of CrossQ: SAC's losses and updates with another critic pass and normalised networks."""

    Settings: ClassVar[type] = CrossQSettings
    summary: ClassVar[str] = "SAC without target networks: wide critics with BatchRenorm, one joint forward"
    graphable: ClassVar[bool] = True

    def _build(self, s: CrossQSettings, generators: Sequence[torch.Generator]) -> None:  # type: ignore[override]
        renorm = RenormSettings(momentum=s.renorm_momentum, warmup=s.renorm_warmup)
        obs, act = self.dims.obs, self.dims.act
        policy = GaussianPolicy(obs, act, s.actor_hidden, generators, renorm=renorm)
        self._add("policy", policy, s.learning_rate, s.beta1)
        self._add("critics", Critics(obs + act, s.critic_hidden, 1, generators, renorm), s.learning_rate, s.beta1)
        self.optimizers["alpha"] = Adam([self.log_alpha], s.learning_rate, beta1=0.9)

    def q_values(self, batch: Batch, next_action: Tensor) -> tuple[Tensor, Tensor]:
        """One forward over [s; s'], [a; a']: both halves share the batch statistics; s' only makes the target."""
        both_obs = torch.cat([batch.obs, batch.next_obs], 1)
        both_actions = torch.cat([batch.action, next_action], 1)
        q, next_q = self.critics(both_obs, both_actions, training=True).squeeze(-1).chunk(2, dim=-1)
        return q, next_q

    def update_targets(self) -> None:
        """There are none."""
