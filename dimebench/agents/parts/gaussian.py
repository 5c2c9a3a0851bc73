"""The tanh-squashed diagonal Gaussian policy of SAC and CrossQ, and the tanh correction that DIME shares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dimebench.agents.parts.networks import MLP, Activation, Generators, Linear, relu
from dimebench.agents.parts.renorm import RenormSettings

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0  # SAC's code and every one since


def normal_log_prob(eps: Tensor, log_std: Tensor | float) -> Tensor:
    """log N(mean + std eps; mean, std^2), element by element: exact however small std is relative to the mean."""
    return -0.5 * eps.square() - log_std - 0.5 * math.log(2 * math.pi)


def tanh_log_det(x: Tensor) -> Tensor:
    """log(1 - tanh(x)^2), element by element, in the form that never takes the logarithm of zero."""
    return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


class GaussianSample(NamedTuple):
    action: Tensor  # [S, B, A] in (-1, 1)
    log_prob: Tensor  # [S, B] log pi(action | obs), the tanh correction included

    @property
    def cost(self) -> Tensor:
        """[S, B]; its negative is one sample of the policy's entropy."""
        return self.log_prob


class GaussianPolicy(nn.Module):
    """pi(a|s): a = tanh(mean(s) + std(s) * eps); log std clipped to [-20, 2] (SAC, Haarnoja et al. 2018)."""

    def __init__(
        self, obs_dim: int, act_dim: int, hidden: Sequence[int], generators: Generators,
        activation: Activation = relu, renorm: RenormSettings | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        stack = (len(generators),)
        self.trunk = MLP(stack, obs_dim, hidden, None, activation, generators, renorm)
        self.mean = Linear(stack, hidden[-1], act_dim, generators)
        self.log_std = Linear(stack, hidden[-1], act_dim, generators)

    def forward(self, obs: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """obs [S, B, O] -> mean and log std before the tanh, [S, B, A] each."""
        if self.trunk.written_out:
            mean, log_std = self.trunk.through([self.mean, self.log_std], obs)
        else:
            features = self.trunk(obs, training)
            mean, log_std = self.mean(features), self.log_std(features)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)

    def act(self, obs: Tensor, eps: Tensor) -> Tensor:
        """The action of `sample` alone."""
        mean, log_std = self(obs)
        return torch.tanh(mean + log_std.exp() * eps)

    def sample(self, obs: Tensor, eps: Tensor, training: bool = False) -> GaussianSample:
        """The action for standard normal eps [S, B, A], and its log-probability; eps = 0 gives tanh(mean)."""
        mean, log_std = self(obs, training)
        x = mean + log_std.exp() * eps
        log_prob = normal_log_prob(eps, log_std) - tanh_log_det(x)
        return GaussianSample(torch.tanh(x), log_prob.sum(-1))
