"""The diffusion policy's entropy bound against entropies that are known by other means.

Write q(x_0, .., x_N) for the density of the forward path and r(x_0, .., x_{N-1} | x_N) for the reverse kernels. Then

    -(running + terminal) = log r(x_0, .., x_{N-1} | x_N) - log q(x_0, .., x_N) + log(1 - tanh(x_N)^2)

so its mean is the entropy of tanh(x_N) less the mean of KL(q(x_0, .., x_{N-1} | x_N) || r), which is never negative.
A score that ignores x leaves every x_n Gaussian, and then all of this has a closed form.
"""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from dimebench.agents.dime import DIMESettings
from dimebench.agents.parts.diffusion import DiffusionPolicy, DiffusionSample, ScoreNetwork

SEEDS, OBS, ACT = 3, 4, 2
IGNORING_X = ("zero", "constant", "blind")  # "blind" depends on the observation and on n
OBSERVATION = torch.randn(8, 1, OBS, dtype=torch.float64, generator=torch.Generator().manual_seed(7))  # one per seed


def make_policy(score: str, steps: int, prior_std: float, step_size: Tensor, friction: Tensor) -> DiffusionPolicy:
    """A policy in float64 with the given softplus(dt) [S, 1] and softplus(friction) [S, A].

    score: one of IGNORING_X, or "curved", which depends on x as well; another network for each seed.
    """
    seeds, act = friction.shape
    generators = [torch.Generator().manual_seed(seed) for seed in range(seeds)]
    net = ScoreNetwork(OBS, act, (16, 16), 6, 5, generators)
    policy = DiffusionPolicy(net, steps, prior_std, 0.1, 1.0).double().requires_grad_(False)
    for of_seed, weight in zip(generators, net.out.weight, strict=True):
        weight.normal_(generator=of_seed)
    if score == "blind":
        net.first.weight[:, :act] = 0.0
    if score in ("zero", "constant"):
        net.out.weight.zero_()
        net.out.bias[:] = torch.arange(1.0, act + 1) * (score == "constant")
    policy.dt.copy_(step_size + torch.log(-torch.expm1(-step_size)))
    policy.friction.copy_(friction + torch.log(-torch.expm1(-friction)))
    return policy


def one_dimension(score: str, steps: int, prior_std: float, step_size: float, seeds: int = 1) -> DiffusionPolicy:
    ones = torch.ones(seeds, 1, dtype=torch.float64)
    return make_policy(score, steps, prior_std, step_size * ones, ones)


def varied(score: str, steps: int = 5) -> DiffusionPolicy:
    """Seeds and dimensions with step sizes and frictions of their own."""
    step_size = torch.tensor([[0.1], [0.5], [2.0]]).double()
    return make_policy(score, steps, 2.0, step_size, torch.tensor([[1.0, 0.5], [3.0, 1.0], [0.7, 2.0]]).double())


def step_sizes(policy: DiffusionPolicy) -> Tensor:
    """eta_n = softplus(dt) c(n) / softplus(friction) with the cosine schedule c, as specified, [S, N, A]."""
    n = torch.arange(policy.steps, dtype=torch.float64)
    c = 0.999 * torch.cos(math.pi / 2 * (1.008 - (policy.steps - n) / policy.steps) / 1.008) ** 2 + 0.001
    return c[:, None] * (F.softplus(policy.dt) / F.softplus(policy.friction))[:, None, :]


def drifts(policy: DiffusionPolicy) -> Tensor:
    """c_n, the values of a score that ignores x, [S, N, A]."""
    seeds, act = policy.friction.shape
    prepared = policy.score.prepare(OBSERVATION[:seeds], policy.steps)
    anywhere = torch.full((seeds, 1, act), 0.3, dtype=torch.float64)
    return torch.cat([policy.score(n, anywhere, prepared) for n in range(policy.steps)], 1)


def entropy_and_bound(policy: DiffusionPolicy) -> tuple[Tensor, Tensor]:
    """The entropy of x_N and the mean bound on it, before the tanh, for a score that ignores x; both [S, A].

    With k = 1 - eta / p^2, p the prior's standard deviation, a step makes the mean k m + eta c and the variance
    k^2 v + 2 eta. It adds half of E[eps^2] - E[(x_n - k x_{n+1})^2] / (2 eta) to the bound, where
    x_n - k x_{n+1} = (1 - k^2) x_n - k eta c - k sqrt(2 eta) eps.
    """
    p2 = policy.prior_std**2
    mean, var = torch.zeros_like(policy.friction), torch.full_like(policy.friction, p2)
    bound = 0.5 * torch.log(2 * math.pi * math.e * var)
    for eta, c in zip(step_sizes(policy).unbind(1), drifts(policy).unbind(1), strict=True):
        k = 1 - eta / p2
        residual = ((1 - k**2) * mean - k * eta * c) ** 2 + (1 - k**2) ** 2 * var + k**2 * 2 * eta
        bound = bound + 0.5 * (1 - residual / (2 * eta))
        mean, var = k * mean + eta * c, k**2 * var + 2 * eta
    return 0.5 * torch.log(2 * math.pi * math.e * var), bound


def log_det(x: Tensor) -> Tensor:
    """log(1 - tanh(x)^2) = -2 log cosh x."""
    return math.log(4.0) - 2 * x.abs() - 2 * torch.log1p(torch.exp(-2 * x.abs()))


def bound_of(sample: DiffusionSample) -> Tensor:
    return -(sample.running_cost + sample.terminal_cost)


def mean_bound(policy: DiffusionPolicy) -> Tensor:
    """The mean over the noise of the bound before the tanh, [S], by `sample` itself and free of Monte-Carlo error.

    For a score that ignores x it is the mean of a quadratic function of D standard normals. That is the function's
    average over the 2D points +-sqrt(D) e_i: they have the same mean and covariance.
    """
    seeds, act = policy.friction.shape
    size = act * (policy.steps + 1)
    points = math.sqrt(size) * torch.eye(size, dtype=torch.float64)
    noise = torch.cat([points, -points]).unflatten(1, (-1, act)).transpose(0, 1).expand(seeds, -1, -1, -1)
    sample = policy.sample(OBSERVATION[:seeds].expand(-1, 2 * size, -1), noise[:, 0], noise[:, 1:])
    x = policy.prior_std * noise[:, 0]  # [S, 2D, A]
    eta, drift = step_sizes(policy)[:, :, None], drifts(policy)[:, :, None]  # [S, N, 1, A]
    for n in range(policy.steps):
        pull = drift[:, n] - x / policy.prior_std**2
        x = x + eta[:, n] * pull + torch.sqrt(2 * eta[:, n]) * noise[:, n + 1]
    torch.testing.assert_close(sample.action, torch.tanh(x), atol=1e-5, rtol=1e-5)
    return (bound_of(sample) - log_det(x).sum(-1)).mean(-1)


def gap(policy: DiffusionPolicy) -> Tensor:
    """The entropy of x_N less the bound, [S]."""
    return entropy_and_bound(policy)[0].sum(-1) - mean_bound(policy)


@pytest.mark.parametrize("score", IGNORING_X)
@pytest.mark.parametrize("steps", [1, 2, 5, 16])
def test_mean_bound_is_the_closed_form_where_every_marginal_is_gaussian(score: str, steps: int) -> None:
    """Where the score ignores x, x_{n+1} is affine in x_n and eps_n: means and variances follow a recursion, and so
    do the entropy of x_N and the mean log-ratios. Tolerance: the schedule is stored in float32.
    """
    policy = varied(score, steps)
    entropy, bound = entropy_and_bound(policy)
    torch.testing.assert_close(mean_bound(policy), bound.sum(-1), atol=1e-6, rtol=1e-6)
    assert (bound < entropy).all()


@pytest.mark.parametrize("score", IGNORING_X)
def test_gap_is_the_kl_divergence_from_the_forward_to_the_reverse_path(score: str) -> None:
    """Both paths into x_N ~ q are Gaussian vectors (x_N, .., x_0), between which torch knows the divergence."""
    policy = varied(score)
    divergences = torch.zeros(SEEDS, ACT).double()
    for i in [(s, a) for s in range(SEEDS) for a in range(ACT)]:
        eta, drift = step_sizes(policy)[i[0], :, i[1]], drifts(policy)[i[0], :, i[1]]
        keep, scale = 1 - eta / policy.prior_std**2, torch.sqrt(2 * eta)
        path = linear_chain(torch.tensor(0.0), torch.tensor(policy.prior_std), keep, eta * drift, scale)
        mean, covariance = path.mean.flip(0), path.covariance_matrix.flip(0, 1)
        back = linear_chain(mean[0], covariance[0, 0].sqrt(), keep.flip(0), 0 * eta, scale.flip(0))
        divergences[i] = kl_divergence(MultivariateNormal(mean, covariance), back)
    torch.testing.assert_close(gap(policy), divergences.sum(-1), atol=1e-6, rtol=1e-6)


def linear_chain(mean: Tensor, std: Tensor, keep: Tensor, shift: Tensor, scale: Tensor) -> MultivariateNormal:
    """(y_0, .., y_N) where y_0 ~ N(mean, std^2) and y_{n+1} = keep_n y_n + shift_n + scale_n eps_n."""
    unit = torch.eye(len(keep) + 1, dtype=torch.float64)
    means, rows = [mean.double()], [std * unit[0]]
    for n in range(len(keep)):
        means.append(keep[n] * means[-1] + shift[n])
        rows.append(keep[n] * rows[-1] + scale[n] * unit[n + 1])
    return MultivariateNormal(torch.stack(means), scale_tril=torch.stack(rows))


@given(
    steps=st.integers(1, 20),
    prior_std=st.floats(0.2, 10),
    pull=st.floats(1e-3, 2.5),  # eta_0 / prior_std^2; above 2 the variance of the chain explodes
    friction=st.floats(0.1, 10),
    drift=st.floats(-3, 3),
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_bound_never_exceeds_the_entropy_whatever_the_settings(
    steps: int, prior_std: float, pull: float, friction: float, drift: float
) -> None:
    """A divergence is never negative, so neither is the gap: for any N, step size, friction, prior and drift."""
    step_size = torch.tensor([[pull * friction * prior_std**2]]).double()
    policy = make_policy("constant", steps, prior_std, step_size, torch.tensor([[friction]]).double())
    policy.score.out.bias.fill_(drift)
    entropy, expected = entropy_and_bound(policy)
    bound = mean_bound(policy)
    torch.testing.assert_close(bound, expected.sum(-1), atol=1e-5, rtol=1e-5)
    assert bound <= entropy.sum(-1) + 1e-6 * (1 + bound.abs())  # the schedule is stored in float32


def test_bound_of_the_noising_chain_becomes_tight_as_the_step_size_goes_to_zero() -> None:
    """Without a score the prior is the equilibrium of the noising, and the reverse kernels are wrong by the step's
    finite size alone: with u_n = eta_n / p^2, the gap is sum_n u_n^3 / 4 up to a relative error of order sum_n u_n.
    Half the step size, an eighth of the gap.
    """
    gaps = []
    for step_size in (0.08, 0.04, 0.02):
        policy = one_dimension("zero", 6, 2.5, step_size)
        pull = step_sizes(policy) / 2.5**2
        gaps.append(gap(policy).item())
        assert gaps[-1] == pytest.approx(pull.pow(3).sum().item() / 4, rel=8 * pull.sum().item())
    assert gaps[0] / gaps[1] == pytest.approx(8, rel=0.15)
    assert gaps[1] / gaps[2] == pytest.approx(8, rel=0.1)


def over_a_fixed_time(score: str, steps: int) -> DiffusionPolicy:
    """A prior of 1.5 and eta_n that sum to 2, whatever N is."""
    return one_dimension(score, steps, 1.5, 2.0 / step_sizes(one_dimension(score, steps, 1.5, 1.0)).sum().item())


def test_bound_of_the_noising_chain_becomes_tight_as_the_steps_become_many() -> None:
    """Over a fixed time u_n is of order 1/N, and so is v_n / p^2 - 1. Each of N steps adds a gap of order u_n^3, all
    together one of order 1/N^2: twice the steps, a quarter of the gap.
    """
    gaps = [gap(over_a_fixed_time("zero", steps)).item() for steps in (30, 60, 120)]
    assert gaps[2] < 1e-4
    assert gaps[0] / gaps[1] == pytest.approx(4, rel=0.1)
    assert gaps[1] / gaps[2] == pytest.approx(4, rel=0.05)


def test_bound_of_a_constant_drift_stays_below_the_entropy_in_the_limit() -> None:
    """The reverse chain has no learned drift. A drift c = 1 moves the mean to m(t) = p^2 (1 - exp(-t / p^2)), the
    true reverse drift differs from the one used by 1 - 2 m(t) / p^2, and the gap tends to the time integral of a
    quarter of its square, with an error of order 1/N.
    """
    p2, s = 1.5**2, 2.0 / 1.5**2
    limit = p2 / 4 * (2 * (1 - math.exp(-2 * s)) - 4 * (1 - math.exp(-s)) + s)
    errors = [gap(over_a_fixed_time("constant", steps)).item() - limit for steps in (30, 60, 120)]
    assert abs(errors[2]) < 0.02 * limit
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(2, rel=0.05)


def test_untrained_policy_has_the_costs_and_entropy_of_the_noising_chain() -> None:
    """At the start the score is zero to 1e-7, so x_N ~ N(0, v_N). Per dimension terminal is minus the prior's entropy
    and -(running + terminal) the closed form plus E[log(1 - tanh(x_N)^2)], an integral in one dimension. In float32,
    with DIME's own settings, to 5 standard errors.
    """
    s, rows, g = DIMESettings(), 50_000, torch.Generator().manual_seed(0)
    net = ScoreNetwork(OBS, ACT, (16, 16), 6, 5, [torch.Generator()])
    policy = DiffusionPolicy(net, s.diffusion_steps, s.prior_std, s.step_size, s.friction)
    x0, eps = torch.randn(1, rows, ACT, generator=g), torch.randn(1, s.diffusion_steps, rows, ACT, generator=g)
    with torch.no_grad():
        sample = policy.sample(OBSERVATION[:1].float().expand(-1, rows, -1), x0, eps)
    chain = one_dimension("zero", s.diffusion_steps, s.prior_std, s.step_size)  # at a friction of 1, the default
    entropy, bound = entropy_and_bound(chain)
    variance = torch.exp(2 * entropy).item() / (2 * math.pi * math.e)
    x = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    correction = ((Normal(0 * x, math.sqrt(variance)).log_prob(x).exp() * log_det(x)).sum() * 0.02).item()
    terminal = -0.5 * math.log(2 * math.pi * math.e * s.prior_std**2)
    running = -(bound.item() + correction) - terminal
    assert (terminal, running) == pytest.approx((-2.335, 2.857), abs=5e-4)
    for cost, expected in ((sample.terminal_cost, terminal), (sample.running_cost, running)):
        error = 5 * cost.std().item() / math.sqrt(rows)
        assert cost.mean().item() == pytest.approx(ACT * expected, abs=error)
    expected_steps = step_sizes(chain).expand(-1, -1, ACT)
    torch.testing.assert_close(policy.step_sizes().double(), expected_steps, atol=0, rtol=1e-5)
    assert 0 < entropy.item() - bound.item() < 1e-5


def test_bound_of_a_nonlinear_score_stays_below_the_entropy_by_quadrature() -> None:
    """In one dimension a grid carries the density through the chain, q_{n+1}(y) = int q_n(x) N(y; mean_n(x)) dx.
    It gives the entropy of x_N, and the mean log-ratio of each step as a double integral. For four random networks
    `sample` agrees to 5 standard errors and the bound stays below the entropy.
    """
    policy, rows, g = one_dimension("curved", 4, 1.5, 0.4, seeds=4), 40_000, torch.Generator().manual_seed(0)
    noise = torch.randn(4, 5, rows, 1, generator=g).double()
    sample = policy.sample(OBSERVATION[:4].expand(-1, rows, -1), noise[:, 0], noise[:, 1:])
    x = torch.linspace(-20, 20, 601, dtype=torch.float64)
    dx, prepared = x[1] - x[0], policy.score.prepare(OBSERVATION[:4], 4)
    density = Normal(0 * x, 1.5).log_prob(x).exp().expand(4, -1)
    bound = 0.5 * math.log(2 * math.pi * math.e * 1.5**2) * torch.ones(4).double()
    for n in range(4):
        eta = step_sizes(policy)[0, n]
        mean = x + eta * (policy.score(n, x.expand(4, -1)[..., None], prepared)[..., 0] - x / 1.5**2)
        ahead = Normal(mean[..., None], torch.sqrt(2 * eta)).log_prob(x)  # [S, x, y]
        behind = Normal(x + eta * (-x / 1.5**2), torch.sqrt(2 * eta)).log_prob(x[:, None])  # [x, y]
        joint = density[..., None] * ahead.exp()
        bound += (joint * (behind - ahead)).sum((1, 2)) * dx**2
        density = joint.sum(1) * dx
    torch.testing.assert_close(density.sum(-1) * dx, torch.ones(4).double())
    entropy = -torch.special.xlogy(density, density).sum(-1) * dx
    correction = (density * log_det(x)).sum(-1) * dx
    error = bound_of(sample).std(-1) / math.sqrt(rows)
    assert ((bound_of(sample).mean(-1) - bound - correction).abs() < 5 * error).all()
    assert (bound < entropy - 0.02).all()


@pytest.mark.parametrize("act", [1, 2])
def test_bound_is_the_logarithm_of_an_importance_weight_of_the_action_box(act: int) -> None:
    """exp(-(running + terminal)) is r(path | x_N) (1 - tanh(x_N)^2) / q(path), with mean int da = 2^A: for any score
    whatever, because r is normalised. (By Jensen the mean bound is then at most A log 2, the entropy of a uniform
    action.) To 5 standard errors.
    """
    rows, g = 40_000, torch.Generator().manual_seed(0)
    ones = torch.ones(4, act, dtype=torch.float64)
    policy = make_policy("curved", 3, 2.5, 0.1 * ones[:, :1], ones)
    noise = torch.randn(4, 4, rows, act, generator=g).double()
    sample = policy.sample(OBSERVATION[:4].expand(-1, rows, -1), noise[:, 0], noise[:, 1:])
    weight = bound_of(sample).exp()
    assert ((weight.mean(-1) - 2**act).abs() < 5 * weight.std(-1) / math.sqrt(rows)).all()
    assert (weight.std(-1) / math.sqrt(rows) < 0.03 * 2**act).all()  # the standard error says something
    assert (bound_of(sample).mean(-1) < act * math.log(2.0)).all()


def test_bound_of_a_seed_is_that_of_the_seed_alone() -> None:
    """Networks, step sizes, frictions and observations differ by seed, and no seed's numbers enter another's."""
    together, rows = varied("curved"), 10
    noise = torch.randn(SEEDS, 6, rows, ACT, generator=torch.Generator().manual_seed(0)).double()
    sample = together.sample(OBSERVATION[:SEEDS].expand(-1, rows, -1), noise[:, 0], noise[:, 1:])
    for i in range(SEEDS):
        alone = make_policy("curved", 5, 2.0, torch.ones(1, 1).double(), torch.ones(1, ACT).double())
        for of_one, of_all in zip(alone.parameters(), together.parameters(), strict=True):
            of_one.copy_(of_all[i : i + 1])
        single = alone.sample(OBSERVATION[i : i + 1].expand(-1, rows, -1), noise[i : i + 1, 0], noise[i : i + 1, 1:])
        torch.testing.assert_close(bound_of(single)[0], bound_of(sample)[i])
