"""Gaussian-DIME: DIME with a tanh-Gaussian actor in the place of the diffusion, the paper's own ablation.

It tells what diffusion buys: the critics, their targets, UTD, delays, optimisers and the clip of the actor's
gradient are DIME's, unchanged; the Gaussian's log-probability takes the place of the diffusion's costs, exactly
where the bound on the entropy was.

| here                  | DIME                                 | source                                        |
|-----------------------|--------------------------------------|-----------------------------------------------|
| log pi(a|s)           | running + terminal cost, a bound     | the paper's ablation, arXiv 2502.02316        |
| target entropy -|A|   | target running cost 4 |A|            | SAC's; the paper prints no value              |
| 3 x 256, GELU         | the score network's layers           | the paper: same implementation details        |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Len
from torch import Tensor

from dimebench.agents.base import Metrics, Noise, NoiseShapes
from dimebench.agents.dime import DIME, CriticSettings
from dimebench.agents.parts.diffusion import gelu
from dimebench.agents.parts.gaussian import GaussianPolicy, GaussianSample
from dimebench.agents.sac import gaussian_compiled_functions, temperature_loss
from dimebench.agents.updates.actor_critic import ActorCritic


@dataclass(frozen=True)
class GaussianDIMESettings(CriticSettings):
    """Defaults: DIME's, and SAC's target entropy."""

    actor_hidden: Annotated[tuple[int, ...], Len(1)] = (256, 256, 256)  # as wide and deep as DIME's score network
    target_entropy_per_dim: float = -1.0  # times |A|: target entropy -|A|; the paper does not print its own
    evaluation_actions: Literal["sample", "mean"] = "sample"  # as DIME is evaluated


class GaussianDIME(DIME):
    """S seeds of Gaussian-DIME."""

    Settings: ClassVar[type] = GaussianDIMESettings
    summary: ClassVar[str] = "DIME with a tanh-Gaussian actor, all else equal: the control for what diffusion buys"
    graphable: ClassVar[bool] = True
    chains: ClassVar[tuple[str, ...]] = ("plain",)

    def _policy(self, generators: Sequence[torch.Generator]) -> Any:
        return GaussianPolicy(self.dims.obs, self.dims.act, self.settings.actor_hidden, generators, gelu)

    def policy_noise(self, rows: int) -> NoiseShapes:
        return {"eps": (rows, self.dims.act)}

    def use_chain(self, name: str) -> None:
        """It has none."""

    @torch.no_grad()
    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        return self.policy.act(obs, **noise)

    def target_sample(self, next_obs: Tensor, noise: Noise) -> GaussianSample:  # type: ignore[override]
        with torch.no_grad():
            return self.policy.sample(next_obs, **noise)

    def actor_sample(self, obs: Tensor, noise: Noise) -> GaussianSample:  # type: ignore[override]
        return self.policy.sample(obs, **noise)

    def compiled_functions(self) -> list[tuple[Any, str]]:
        return [*gaussian_compiled_functions(self), *ActorCritic.compiled_functions(self)]

    def update_temperature(self, sample: Any) -> Metrics:
        """SAC's: alpha (entropy - target)."""
        entropy = -sample.log_prob.detach().mean(-1)
        target = self.settings.target_entropy_per_dim * self.dims.act
        self._descend_alpha(temperature_loss(self.log_alpha, entropy, target))
        return {"entropy": entropy, "alpha": self.log_alpha.detach().exp()}
