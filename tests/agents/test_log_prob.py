"""The tanh correction, and the log-probability of SAC's policy, as statements about densities on (-1, 1).

A density p of x becomes p(x) / (1 - tanh(x)^2) of a = tanh(x). Here that is checked on the a-axis itself, by
integrals over a, with 1 - a^2 formed from the distance of a to the nearer end: exact however near the end a lies.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, Normal, TanhTransform, TransformedDistribution

from dimebench.agents.parts.gaussian import GaussianPolicy, GaussianSample, tanh_log_det

OBS = 3
LAWS = [(0.0, 0.0), (0.0, 2.0), (0.7, -1.0), (-2.5, 0.5), (5.0, 2.0), (-9.0, -3.0), (0.3, -20.0)]  # mean, log std


def log_normal(x: Tensor, mean: float, std: float) -> Tensor:
    return -0.5 * ((x - mean) / std) ** 2 - math.log(std * math.sqrt(2 * math.pi))


class ActionAxis(NamedTuple):
    """Gauss-Legendre nodes on (-1, 1): sum f * weight is the integral of f over a."""

    x: Tensor  # artanh(a)
    weight: Tensor
    one_minus_square: Tensor  # 1 - a^2


def action_axis(mean: float, std: float) -> ActionAxis:
    """Panels where tanh(x), x ~ N(mean, std^2), has all its mass but 1e-22, half a standard deviation wide or less.

    A node is known by its side and its distance d = 1 - |a| to the nearer end: artanh|a| = log((2 - d) / d) / 2 and
    1 - a^2 = d (2 - d), without cancellation.
    """
    ends = mean + std * np.linspace(-10, 10, 41 + int(40 * std))
    ends = np.union1d(ends, [0.0]) if ends[0] < 0 < ends[-1] else ends  # the nearer end changes there
    side = np.sign(ends[:-1] + ends[1:])[:, None]
    distance = 2 / (1 + np.exp(2 * np.abs(ends)))
    unit, weight = np.polynomial.legendre.leggauss(12)
    low, width = distance[:-1, None], np.diff(distance)[:, None]
    d = low + (unit + 1) / 2 * width
    x = side * np.log((2 - d) / d) / 2
    return ActionAxis(*(torch.from_numpy(v.ravel()) for v in (x, weight / 2 * np.abs(width), d * (2 - d))))


def constant_policy(*laws: tuple[float, float]) -> GaussianPolicy:
    """One seed in float64 whose mean and log std before clipping are given, one pair per action dimension."""
    policy = GaussianPolicy(OBS, len(laws), (4,), [torch.Generator()]).double().requires_grad_(False)
    for head, values in ((policy.mean, [law[0] for law in laws]), (policy.log_std, [law[1] for law in laws])):
        head.weight.zero_()
        head.bias.copy_(torch.tensor(values))
    return policy


def sample(policy: GaussianPolicy, eps: Tensor) -> GaussianSample:
    """eps [B, A], in the policy's own precision -> the one seed's action [B, A] and log_prob [B]."""
    obs = torch.zeros(1, len(eps), OBS, dtype=eps.dtype)
    return GaussianSample(*(part[0] for part in policy.sample(obs, eps[None])))


def noise_for(x: Tensor, mean: float, log_std: float) -> Tensor:
    return ((x - mean) / math.exp(log_std))[:, None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tanh_log_det_is_accurate_out_to_where_tanh_rounds_to_one(dtype: torch.dtype) -> None:
    """log(1 - tanh(x)^2) = log 4 - 2|x| - 2 log(1 + exp(-2|x|)), where nothing cancels. The derivative is -2 tanh(x).
    Tolerance: a few roundings of the largest term, 2|x|; softplus is linear beyond 20, which leaves out 2e-9.
    """
    x = torch.cat([torch.linspace(-50, 50, 4001), torch.tensor([-20.0, 20.0, 0.0, 1e-4])]).to(dtype).requires_grad_()
    value = tanh_log_det(x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    exact = x.detach().double()
    expected = math.log(4.0) - 2 * exact.abs() - 2 * torch.log1p(torch.exp(-2 * exact.abs()))
    error = (value.detach().double() - expected).abs()
    assert (error <= 4 * torch.finfo(dtype).eps * (1 + 2 * exact.abs()) + 4.2e-9).all()
    torch.testing.assert_close(slope.double(), -2 * torch.tanh(exact), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(("mean", "log_std"), LAWS)
def test_entropy_after_the_tanh_is_the_entropy_before_it_and_the_mean_correction(mean: float, log_std: float) -> None:
    """The density of a is p(artanh a) / (1 - a^2), its entropy -int log(density) density da. By change of variables
    that is H(x) + E[log(1 - tanh(x)^2)], where H(x) = log(2 pi e std^2) / 2.
    """
    std = math.exp(log_std)
    axis = action_axis(mean, std)
    log_density = log_normal(axis.x, mean, std) - torch.log(axis.one_minus_square)
    mass = axis.weight * log_density.exp()
    eps = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    correction = (log_normal(eps, 0.0, 1.0).exp() * tanh_log_det(mean + std * eps)).sum() * 0.005
    before = 0.5 * math.log(2 * math.pi * math.e) + log_std
    assert mass.sum().item() == pytest.approx(1, abs=1e-7)
    assert -(mass * log_density).sum().item() == pytest.approx(before + correction.item(), abs=1e-6)


@pytest.mark.parametrize(("mean", "log_std"), LAWS)
def test_sac_log_prob_is_a_density_of_the_action(mean: float, log_std: float) -> None:
    """exp(log_prob) integrates over (-1, 1) to one, and its entropy there is the mean of -log_prob over the noise."""
    policy = constant_policy((mean, log_std))
    axis = action_axis(mean, math.exp(log_std))
    on_axis = sample(policy, noise_for(axis.x, mean, log_std))
    torch.testing.assert_close(on_axis.action[:, 0], torch.tanh(axis.x))
    mass = axis.weight * on_axis.log_prob.exp()
    eps = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    by_noise = -(log_normal(eps, 0.0, 1.0).exp() * sample(policy, eps[:, None]).log_prob).sum() * 0.005
    assert mass.sum().item() == pytest.approx(1, abs=1e-6)
    assert -(mass * on_axis.log_prob).sum().item() == pytest.approx(by_noise.item(), abs=1e-5)


def test_sac_entropy_is_the_mean_over_samples() -> None:
    """What the temperature sees, the mean of -log_prob over drawn actions, is the entropy on the a-axis: in float32,
    to 5 standard errors.
    """
    eps = torch.randn(100_000, 1, generator=torch.Generator().manual_seed(0))
    for mean, log_std in LAWS[:5]:
        axis = action_axis(mean, math.exp(log_std))
        log_density = log_normal(axis.x, mean, math.exp(log_std)) - torch.log(axis.one_minus_square)
        entropy = -(axis.weight * log_density.exp() * log_density).sum().item()
        surprise = -sample(constant_policy((mean, log_std)).float(), eps).log_prob
        assert surprise.mean().item() == pytest.approx(entropy, abs=5 * surprise.std().item() / math.sqrt(100_000))


def test_sac_log_prob_of_several_dimensions_factorises() -> None:
    """Independent dimensions: the log-probability is the sum of those of one dimension, and its exponential
    integrates to one over the square.
    """
    laws = ((0.7, -1.0), (-2.5, 0.5))
    first, second = (action_axis(mean, math.exp(log_std)) for mean, log_std in laws)
    one, other = (noise_for(axis.x, *law) for axis, law in zip((first, second), laws, strict=True))
    eps = torch.cartesian_prod(one[:, 0], other[:, 0])
    together = sample(constant_policy(*laws), eps).log_prob.unflatten(0, (len(one), len(other)))
    apart = [sample(constant_policy(law), noise).log_prob for law, noise in zip(laws, (one, other), strict=True)]
    torch.testing.assert_close(together, apart[0][:, None] + apart[1])
    mass = first.weight @ together.exp() @ second.weight
    assert mass.item() == pytest.approx(1, abs=1e-6)


def test_sac_log_prob_agrees_with_torch_distributions() -> None:
    """A random policy that depends on the observation, three dimensions, two seeds; torch inverts the tanh itself."""
    g = torch.Generator().manual_seed(0)
    policy = GaussianPolicy(OBS, 3, (16,), [torch.Generator().manual_seed(seed) for seed in (0, 1)]).double()
    obs, eps = 0.3 * torch.randn(2, 200, OBS, generator=g).double(), torch.randn(2, 200, 3, generator=g).double()
    mean, log_std = policy(obs)
    found = policy.sample(obs, eps)
    squashed = TransformedDistribution(Independent(Normal(mean, log_std.exp()), 1), TanhTransform())
    torch.testing.assert_close(found.log_prob, squashed.log_prob(found.action), atol=1e-6, rtol=1e-6)
    for i in range(2):
        alone = GaussianPolicy(OBS, 3, (16,), [torch.Generator().manual_seed(i)]).double()
        torch.testing.assert_close(alone.sample(obs[i : i + 1], eps[i : i + 1]).log_prob[0], found.log_prob[i])


@pytest.mark.parametrize(("asked", "used"), [(2.5, 2.0), (50.0, 2.0), (-25.0, -20.0), (1.9, 1.9), (-19.0, -19.0)])
def test_sac_log_std_is_clipped_to_its_published_range(asked: float, used: float) -> None:
    """Beyond [-20, 2] the policy is the one at the limit, actions and log-probabilities alike."""
    eps = torch.linspace(-3, 3, 13, dtype=torch.float64)[:, None]
    found = sample(constant_policy((0.4, asked)), eps)
    x = 0.4 + math.exp(used) * eps[:, 0]
    torch.testing.assert_close(found.action[:, 0], torch.tanh(x))
    expected = log_normal(eps[:, 0], 0.0, 1.0) - used - tanh_log_det(x)
    torch.testing.assert_close(found.log_prob, expected, atol=1e-6, rtol=1e-6)


def test_sac_log_prob_in_float32_survives_actions_that_round_to_one() -> None:
    """With mean 5 and the widest standard deviation many actions round to +-1; log_prob stays that of float64."""
    policy, eps = constant_policy((5.0, 2.0)), torch.linspace(-6, 6, 2001, dtype=torch.float64)[:, None]
    exact, found = sample(policy, eps), sample(policy.float(), eps.float())
    assert (found.action.abs() == 1).float().mean() > 0.3
    torch.testing.assert_close(found.log_prob.double(), exact.log_prob, atol=1e-4, rtol=1e-5)
