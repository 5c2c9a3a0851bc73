"""DIME's policy: N Euler-Maruyama steps of a learned diffusion from a wide Gaussian, squashed by tanh.

Source: the authors' code (ALRhub/DIME, commit 7082bb7) and the paper, arXiv 2502.02316. The raw step n = 0 .. N-1
is the time input, and the reverse process that the log-ratio compares with has no learned drift.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dimebench.agents.parts.gaussian import normal_log_prob, tanh_log_det
from dimebench.agents.parts.networks import Generators, Linear, float32_linspace, product_type, stacked_product

Step = Callable[..., Tensor]  # `denoise`, as it is or compiled
SCORE_CLIP = 1e4  # the authors clip the score network's output here


def gelu(x: Tensor) -> Tensor:
    """GELU in its tanh approximation (flax's default)."""
    return F.gelu(x, approximate="tanh")


def cosine_schedule(steps: int) -> Tensor:
    """c(n) for n = 0 .. N-1: the share of the base step size that each step takes, [N]."""
    n = torch.arange(steps, dtype=torch.float64)
    phase = math.pi / 2 * (1.008 - (steps - n) / steps) / 1.008
    return ((1 - 0.001) * torch.cos(phase).square() + 0.001).float()


class ScoreNetwork(nn.Module):
    """f(n, x, s): Fourier features of n -> time embedding; concat(x, s, embedding) -> dense layers -> A outputs."""

    frequencies: Tensor

    def __init__(
        self, obs: int, act: int, hidden: Sequence[int], frequencies: int, embedding: int, generators: Generators
    ) -> None:
        super().__init__()
        stack = (len(generators),)
        self.parts = (act, obs, embedding)
        self.register_buffer("frequencies", float32_linspace(0.1, 100.0, frequencies))
        self.phase = nn.Parameter(torch.zeros(*stack, 1, frequencies))
        self.time1 = Linear(stack, 2 * frequencies, embedding, generators)
        self.time2 = Linear(stack, embedding, embedding, generators)
        sizes = [sum(self.parts), *hidden]
        self.first = Linear(stack, sizes[0], sizes[1], generators)
        self.layers = nn.ModuleList(Linear(stack, i, o, generators) for i, o in pairwise(sizes[1:]))
        self.out = Linear(stack, sizes[-1], act, generators)
        nn.init.constant_(self.out.weight, 1e-8)  # the policy starts as the noising chain itself

    def time_embedding(self, steps: int) -> Tensor:
        """The embedding of n = 0 .. N-1, [S, N, E]: it depends on n alone, so N rows serve a whole batch."""
        n = torch.arange(steps, dtype=torch.float32, device=self.frequencies.device)
        angle = n[:, None] * self.frequencies + self.phase
        features = torch.cat([torch.sin(angle), torch.cos(angle)], -1)
        embedding: Tensor = self.time2(gelu(self.time1(features)))
        return embedding

    def prepare(self, obs: Tensor, steps: int) -> Prepared:
        """What of the network's work a chain leaves unchanged, done once for all its steps.

        In bfloat16, without gradients, the rounding of the weights as well (with gradients each step rounds anew, so
        that those add up in float32).
        """
        base, time = self.unchanged(obs, steps)
        dense = self.dense()
        if not torch.is_grad_enabled():
            dense = [p.to(product_type(obs, self.first.dtype)) for p in dense]
        return Prepared(base, time, dense, self.first.dtype)

    def unchanged(self, obs: Tensor, steps: int) -> tuple[Tensor, Tensor]:
        """The first layer's W concat(x, s, e) = Wx x + Ws s + We e: Ws s + bias [S, B, H] and We e [S, N, H]."""
        _, of_obs, of_time = self.first.weight.split(self.parts, dim=-2)
        base = stacked_product(obs, of_obs, self.first.bias, self.first.dtype)
        return base, self.time_embedding(steps) @ of_time

    def dense(self) -> list[Tensor]:
        """What a step multiplies with: Wx [S, A, H], then weight and bias of each further layer."""
        of_x = self.first.weight.split(self.parts, dim=-2)[0]
        return [of_x, *(p for layer in [*self.layers, self.out] for p in (layer.weight, layer.bias))]

    def forward(self, n: int, x: Tensor, prepared: Prepared) -> Tensor:
        """f(n, x, s) [S, B, A] for x [S, B, A] and `prepared` from the observations."""
        return score(x, prepared.base, prepared.time[:, n : n + 1], prepared.dense, prepared.dtype)


class Prepared(NamedTuple):
    """A score network made ready for one chain."""

    base: Tensor  # Ws s + bias [S, B, H]
    time: Tensor  # We e [S, N, H]
    dense: list[Tensor]  # Wx [S, A, H], then weight and bias of each further layer
    dtype: torch.dtype  # of the products


def score(x: Tensor, base: Tensor, time: Tensor, dense: Sequence[Tensor], dtype: torch.dtype) -> Tensor:
    """The score network of one step, without what `ScoreNetwork.prepare` has done: x [S, B, A], time [S, 1, H].

    Between layers numbers stay in the type of the products: GELU computes in float32 and rounds, as a copy would.
    """
    h = stacked_product(x.to(product_type(x, dtype)), dense[0], base + time, dtype)
    for weight, bias in zip(dense[1::2], dense[2::2], strict=True):
        h = stacked_product(gelu(h), weight, bias, dtype)
    return h.to(x.dtype).clamp(-SCORE_CLIP, SCORE_CLIP)


def denoise(
    x: Tensor, moved: Tensor, eta: Tensor, base: Tensor, time: Tensor, dense: Sequence[Tensor], dtype: torch.dtype
) -> Tensor:
    """One step of the chain, x_n to x_{n+1}: `moved` [S, B, A] is what x_n becomes without the score's part."""
    return torch.addcmul(moved, eta, score(x, base, time, dense, dtype))


class DiffusionSample(NamedTuple):
    action: Tensor  # [S, B, A] in (-1, 1)
    running_cost: Tensor  # [S, B]
    terminal_cost: Tensor  # [S, B]

    @property
    def cost(self) -> Tensor:
        """[S, B]; its negative is one sample of the lower bound on the policy's entropy."""
        return self.running_cost + self.terminal_cost


class DiffusionPolicy(nn.Module):
    """The diffusion policy of S seeds. Trained: the score network, the base step size dt, the friction."""

    schedule: Tensor

    def __init__(self, score: ScoreNetwork, steps: int, prior_std: float, step_size: float, friction: float) -> None:
        super().__init__()
        self.score, self.steps, self.prior_std = score, steps, prior_std
        seeds, act = len(score.phase), score.parts[0]
        self.dt = nn.Parameter(torch.full((seeds, 1), inverse_softplus(step_size)))
        self.friction = nn.Parameter(torch.full((seeds, act), inverse_softplus(friction)))
        self.register_buffer("schedule", cosine_schedule(steps))

    def step_sizes(self) -> Tensor:
        """eta_n = softplus(dt) c(n) / softplus(friction), [S, N, A]."""
        delta = F.softplus(self.dt) * self.schedule  # [S, N]
        return delta[:, :, None] / F.softplus(self.friction)[:, None, :]

    def sample(self, obs: Tensor, x0: Tensor, eps: Tensor, step: Step = denoise) -> DiffusionSample:
        """Run the chain from x_0 = prior_std * x0 with the step noise eps, and weigh it against the reverse chain.

        obs [S, B, O]; x0 [S, B, A] and eps [S, N, B, A] standard normal. Differentiable through all N steps.

            x_{n+1} = mean_n + scale_n eps_n     mean_n = x_n + eta_n (-x_n / prior_std^2 + f(n, x_n, s))
            back_n  = x_{n+1} - eta_n x_{n+1} / prior_std^2                       scale_n = sqrt(2 eta_n)
            log_w   = sum_n log N(x_n; back_n, scale_n) - log N(x_{n+1}; mean_n, scale_n)

        Both densities of a step have the same scale, and (x_{n+1} - mean_n) / scale_n is eps_n, so a step adds
        (eps_n^2 - ((x_n - back_n) / scale_n)^2) / 2 to log_w, summed over dimensions.
        """
        eta, keep, scale = self.coefficients()
        noise = scale * eps  # [S, N, B, A]
        base, time, dense, dtype = self.score.prepare(obs, self.steps)
        x = self.prior_std * x0
        path = [x]
        per_step = zip(keep.unbind(1), noise.unbind(1), eta.unbind(1), time.split(1, dim=1), strict=True)
        for keep_n, noise_n, eta_n, time_n in per_step:
            x = step(x, keep_n * x + noise_n, eta_n, base, time_n, dense, dtype)
            path.append(x)
        return self.weigh(x0, eps, torch.stack(path, 1), x, keep, scale)

    def coefficients(self) -> tuple[Tensor, Tensor, Tensor]:
        """Of x_{n+1} = keep_n x_n + eta_n f(n, x_n, s) + scale_n eps_n: eta, keep and scale, [S, N, 1, A] each."""
        eta = self.step_sizes().unsqueeze(2)
        return eta, 1.0 - eta / self.prior_std**2, torch.sqrt(2.0 * eta)

    def weigh(self, x0: Tensor, eps: Tensor, path: Tensor, x: Tensor, keep: Tensor, scale: Tensor) -> DiffusionSample:
        """The action at the end of a path x_0 .. x_N [S, N + 1, B, A], and its costs; `x` is x_N."""
        residual = (path[:, :-1] - keep * path[:, 1:]) / scale
        return self.costs(x0, x, 0.5 * (eps.square() - residual.square()).sum((1, 3)))

    def costs(self, x0: Tensor, x: Tensor, log_w: Tensor) -> DiffusionSample:
        """The action from x_N [S, B, A], and its costs from the log ratio [S, B]."""
        running_cost = -(log_w + tanh_log_det(x).sum(-1))
        terminal_cost = normal_log_prob(x0, math.log(self.prior_std)).sum(-1)
        return DiffusionSample(torch.tanh(x), running_cost, terminal_cost)


def inverse_softplus(y: float) -> float:
    """log(exp(y) - 1) for y > 0."""
    return y + math.log(-math.expm1(-y))
