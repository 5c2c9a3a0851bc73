"""The actor of SAC, CrossQ and Gaussian-DIME: how a tanh-Gaussian policy acts and samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dimebench.agents.base import Noise, NoiseShapes
from dimebench.agents.parts.gaussian import GaussianPolicy, GaussianSample
from dimebench.agents.parts.paths import for_gpu
from dimebench.agents.updates.actor_critic import ActorCritic


class GaussianActor(ActorCritic[GaussianSample]):
    """An algorithm with a tanh-Gaussian policy; BatchRenorm in it trains in the actor's own update alone."""

    policy: GaussianPolicy

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
        """On a CPU acting gains less than compiling it takes."""
        acting = [(self.policy, "act")] if for_gpu(self.device) else []
        return [*acting, (self, "target_sample"), (self, "actor_sample"), *super().compiled_functions()]
