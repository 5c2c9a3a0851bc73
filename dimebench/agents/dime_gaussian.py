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
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Len

from dimebench.agents.base import Batch, Dims, Metrics, Noise
from dimebench.agents.dime import CategoricalCritics, CriticSettings
from dimebench.agents.parts.diffusion import gelu
from dimebench.agents.parts.gaussian import GaussianPolicy, GaussianSample
from dimebench.agents.sac import SoftActor


@dataclass(frozen=True)
class GaussianDIMESettings(CriticSettings):
    """Defaults: DIME's, and SAC's target entropy."""

    actor_hidden: Annotated[tuple[int, ...], Len(1)] = (256, 256, 256)  # as wide and deep as DIME's score network
    target_entropy_per_dim: float = -1.0  # times |A|: target entropy -|A|; the paper does not print its own
    evaluation_actions: Literal["sample", "mean"] = "sample"  # as DIME is evaluated


class GaussianDIME(CategoricalCritics[GaussianSample], SoftActor):
    """S seeds of Gaussian-DIME: a Gaussian actor on DIME's critics.

    The actor steps on DIME's loss, its gradients clipped as DIME's are; the temperature on SAC's.
    """

    Settings: ClassVar[type] = GaussianDIMESettings
    summary: ClassVar[str] = "DIME with a tanh-Gaussian actor, all else equal: the control for what diffusion buys"
    graphable: ClassVar[bool] = True
    settings: GaussianDIMESettings

    def __init__(
        self, dims: Dims, s: GaussianDIMESettings, generators: Sequence[torch.Generator], device: str
    ) -> None:
        super().__init__(dims, s, generators, device)
        self.policy = GaussianPolicy(dims.obs, dims.act, s.actor_hidden, generators, gelu)
        self.add_networks(self.policy, s, generators)
        self.target_entropy = s.target_entropy_per_dim * dims.act

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        """`utd` critic updates, each on its slice of the batch; after every `policy_delay`-th one of the actor."""
        metrics: Metrics = {}
        for step in self.steps(batch, noise):
            metrics |= self.update_critic(step.batch, step.next_sample())  # DIME's; a' of the actor as it is
            if step.updates_actor:
                metrics |= self.update_actor(step.batch, step.sample())
        return metrics
