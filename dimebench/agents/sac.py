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
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Ge, Gt, Interval, Len
from torch import Tensor

from dimebench.agents.base import Batch, Dims, Metrics, Noise, NoiseShapes
from dimebench.agents.parts.gaussian import GaussianPolicy, GaussianSample
from dimebench.agents.parts.networks import Critics
from dimebench.agents.updates.actor_critic import ActorCritic
from dimebench.agents.updates.adam import Adam
from dimebench.agents.updates.paths import for_gpu


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


def gaussian_compiled_functions(agent: Any) -> list[tuple[Any, str]]:
    """What a compiler is given of a learner with a Gaussian policy; on a CPU acting gains less than it takes."""
    acting = [(agent.policy, "act")] if for_gpu(agent.device) else []
    return [*acting, (agent, "target_sample"), (agent, "actor_sample")]


class SAC(ActorCritic):
    """S seeds of soft actor-critic."""

    Settings: ClassVar[type] = SACSettings
    summary: ClassVar[str] = "soft actor-critic: tanh-Gaussian policy, two critics with Polyak targets"
    graphable: ClassVar[bool] = True

    def __init__(self, dims: Dims, settings: Any, generators: Sequence[torch.Generator], device: str) -> None:
        super().__init__(dims, settings, generators, device)
        self._build(settings, generators)
        self.policy: GaussianPolicy = self.modules["policy"]  # type: ignore[assignment]
        self.critics: Critics = self.modules["critics"]  # type: ignore[assignment]
        self.target_entropy = settings.target_entropy_per_dim * dims.act

    def _build(self, s: SACSettings, generators: Sequence[torch.Generator]) -> None:
        inputs = self.dims.obs + self.dims.act
        policy = GaussianPolicy(self.dims.obs, self.dims.act, s.actor_hidden, generators)
        self._add("policy", policy, s.learning_rate)
        self._add("critics", Critics(inputs, s.critic_hidden, 1, generators, renorm=None), s.learning_rate)
        self._add("target_critics", Critics(inputs, s.critic_hidden, 1, generators, renorm=None))
        self.modules["target_critics"].load_state_dict(self.modules["critics"].state_dict())
        self.optimizers["alpha"] = Adam([self.log_alpha], s.learning_rate, beta1=0.9)

    def policy_noise(self, rows: int) -> NoiseShapes:
        return {"eps": (rows, self.dims.act)}

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        return self.policy.act(obs, noise["eps"])

    def target_sample(self, next_obs: Tensor, noise: Noise) -> GaussianSample:
        with torch.no_grad():
            return self.policy.sample(next_obs, noise["eps"])

    def actor_sample(self, obs: Tensor, noise: Noise) -> GaussianSample:
        return self.policy.sample(obs, noise["eps"], training=True)

    def compiled_functions(self) -> list[tuple[Any, str]]:
        return [*gaussian_compiled_functions(self), *super().compiled_functions()]

    def q_values(self, batch: Batch, next_action: Tensor) -> tuple[Tensor, Tensor]:
        """Q of the batch by the live critics and of (s', a') by the target critics, [S, C, B] each."""
        with torch.no_grad():
            next_q = self.modules["target_critics"](batch.next_obs, next_action).squeeze(-1)
        return self.critics(batch.obs, batch.action, training=True).squeeze(-1), next_q

    def critic_objective(self, batch: Batch, next_sample: GaussianSample) -> tuple[Tensor, Metrics]:
        q, next_q = self.q_values(batch, next_sample.action)
        alpha, gamma = self.log_alpha.detach().exp(), self.settings.gamma
        target = td_target(next_q, next_sample.log_prob, batch.reward, batch.terminated, alpha, gamma)
        return critic_loss(q, target), {"q_mean": q.detach().mean((1, 2))}

    @torch.no_grad()
    def update_targets(self) -> None:
        self.stores["target_critics"].approach(self.stores["critics"], self.settings.tau)

    def actor_objective(self, obs: Tensor, sample: GaussianSample) -> tuple[Tensor, Metrics]:
        q = self.critics.of_action(obs, sample.action).squeeze(-1)
        return actor_loss(q, sample.log_prob, self.log_alpha.detach().exp()), {}

    def update_temperature(self, sample: GaussianSample) -> Metrics:
        entropy = -sample.log_prob.detach().mean(-1)
        linear_in = self.settings.temperature_loss_in
        self._descend_alpha(temperature_loss(self.log_alpha, entropy, self.target_entropy, linear_in))
        return {"entropy": entropy, "alpha": self.log_alpha.detach().exp()}
