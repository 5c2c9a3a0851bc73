"""The parts that the algorithms are made of, each against a plain statement of what it computes."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal
from torch.distributions.transforms import TanhTransform

from dimebench.agents.base import NoSettings
from dimebench.agents.parts.categorical import (
    _spread,
    _spread_dense,
    expected_value,
    log_probs,
    project,
    shifted_atoms,
)
from dimebench.agents.parts.diffusion import DiffusionPolicy, ScoreNetwork, cosine_schedule, gelu
from dimebench.agents.parts.gaussian import GaussianPolicy, tanh_log_det
from dimebench.agents.parts.networks import MLP, Linear, lecun_normal
from dimebench.agents.parts.renorm import BatchRenorm, RenormSettings
from dimebench.agents.random import Random
from dimebench.agents.registry import UnknownAlgorithmError, built_in_algorithms, known_algorithms, load_algorithm
from tests.agents.learners import DIMS, make, streams, train

SEEDS, BATCH, OBS, ACT, STEPS = 2, 5, 4, 3, 6


def generators(count: int = SEEDS) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


@pytest.fixture
def policy() -> DiffusionPolicy:
    score = ScoreNetwork(OBS, ACT, (8, 7), 6, 5, generators())
    policy = DiffusionPolicy(score, STEPS, prior_std=2.5, step_size=0.1, friction=1.0)
    torch.manual_seed(0)
    with torch.no_grad():  # away from the near-zero start, so that every term counts
        for p in policy.parameters():
            p.add_(0.1 * torch.randn_like(p))
    return policy.double()


def test_diffusion_costs_are_the_log_ratio_of_both_chains(policy: DiffusionPolicy) -> None:
    torch.manual_seed(1)
    obs = torch.randn(SEEDS, BATCH, OBS).double()
    x0 = torch.randn(SEEDS, BATCH, ACT).double()
    eps = torch.randn(SEEDS, STEPS, BATCH, ACT).double()
    sample = policy.sample(obs, x0, eps)

    prepared = policy.score.prepare(obs, STEPS)
    x = 2.5 * x0
    log_w = torch.zeros(SEEDS, BATCH).double()
    for n in range(STEPS):
        eta = policy.step_sizes()[:, n : n + 1]
        mean = x + eta * (-x / 2.5**2 + policy.score(n, x, prepared))
        x_next = mean + torch.sqrt(2 * eta) * eps[:, n]
        back = x_next + eta * (-x_next / 2.5**2)
        scale = torch.sqrt(2 * eta)
        log_w += (Normal(back, scale).log_prob(x) - Normal(mean, scale).log_prob(x_next)).sum(-1)
        x = x_next
    running = -(log_w + torch.log(1 - torch.tanh(x).square()).sum(-1))
    torch.testing.assert_close(sample.action, torch.tanh(x))
    torch.testing.assert_close(sample.running_cost, running)
    torch.testing.assert_close(sample.terminal_cost, Normal(0.0, 2.5).log_prob(2.5 * x0).sum(-1))


def test_score_network_is_an_mlp_on_the_concatenation(policy: DiffusionPolicy) -> None:
    score, x, obs = policy.score, torch.randn(SEEDS, BATCH, ACT).double(), torch.randn(SEEDS, BATCH, OBS).double()
    n = 4
    embedding = score.time_embedding(STEPS)[:, n : n + 1].expand(-1, BATCH, -1)
    h = gelu(score.first(torch.cat([x, obs, embedding], -1)))
    for layer in score.layers:
        h = gelu(layer(h))
    torch.testing.assert_close(score(n, x, score.prepare(obs, STEPS)), score.out(h))


def test_policy_starts_as_the_noising_chain() -> None:
    score = ScoreNetwork(OBS, ACT, (8,), 6, 5, generators())
    out = score(0, torch.randn(SEEDS, BATCH, ACT), score.prepare(torch.randn(SEEDS, BATCH, OBS), STEPS))
    assert out.abs().max() < 1e-6


def test_schedule_falls_from_one_end_to_the_other() -> None:
    c = cosine_schedule(16)
    assert c.shape == (16,)
    assert (c.diff() < 0).all()  # large steps first
    assert 0.99 < c[0] < 1.0
    assert 0.0 < c[-1] < 0.02


def test_tanh_log_det_is_exact_where_the_plain_form_is_and_finite_beyond() -> None:
    x = torch.linspace(-5, 5, 101).double()
    torch.testing.assert_close(tanh_log_det(x), torch.log(1 - torch.tanh(x).square()))
    far = tanh_log_det(torch.tensor([-200.0, 200.0]))
    torch.testing.assert_close(far, torch.full((2,), 2 * math.log(2.0) - 400.0))


def test_gaussian_log_prob_is_that_of_the_squashed_normal() -> None:
    policy = GaussianPolicy(OBS, ACT, (8,), generators())
    obs, eps = torch.randn(SEEDS, BATCH, OBS), torch.randn(SEEDS, BATCH, ACT)
    mean, log_std = policy(obs)
    sample = policy.sample(obs, eps)
    x = mean + log_std.exp() * eps
    expected = Normal(mean, log_std.exp()).log_prob(x) - TanhTransform().log_abs_det_jacobian(x, torch.tanh(x))
    torch.testing.assert_close(sample.log_prob, expected.sum(-1), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(policy.sample(obs, torch.zeros_like(eps)).action, torch.tanh(mean))


@given(st.integers(0, 2**31), st.integers(2, 60))
@settings(max_examples=40, deadline=None)
def test_projection_keeps_mass_and_mean(seed: int, count: int) -> None:
    g = torch.Generator().manual_seed(seed)
    atoms = torch.linspace(-10, 10, count, dtype=torch.float64)
    probs = torch.softmax(torch.randn(2, 4, count, generator=g).double(), -1)
    support = 20 * torch.rand(2, 4, count, generator=g).double() - 10  # within the ends
    projected = project(probs, support, atoms)
    assert (projected >= 0).all()
    torch.testing.assert_close(projected.sum(-1), torch.ones(2, 4).double())
    torch.testing.assert_close((projected * atoms).sum(-1), (probs * support).sum(-1))


def test_projection_leaves_mass_on_atoms_where_it_is() -> None:
    atoms = torch.linspace(-4, 4, 9)
    probs = torch.softmax(torch.randn(1, 3, 9), -1)
    assert torch.equal(project(probs, atoms.expand(1, 3, 9), atoms), probs)
    below = project(probs, torch.full((1, 3, 9), -99.0), atoms)
    above = project(probs, torch.full((1, 3, 9), 99.0), atoms)
    torch.testing.assert_close(below[..., 0], torch.ones(1, 3))
    torch.testing.assert_close(above[..., -1], torch.ones(1, 3))


def test_both_ways_to_spread_mass_agree() -> None:
    probs = torch.softmax(torch.randn(2, 4, 9), -1)
    b = torch.cat([8 * torch.rand(2, 4, 7), torch.tensor([0.0, 8.0]).expand(2, 4, 2)], -1)
    torch.testing.assert_close(_spread_dense(probs, b), _spread(probs, b))


def test_a_terminated_transition_ignores_the_next_state_and_its_cost() -> None:
    atoms = torch.linspace(-4, 4, 9)
    reward, alpha = torch.tensor([[1.5]]), torch.tensor([7.0])
    support = shifted_atoms(atoms, reward, torch.tensor([[1.0]]), torch.tensor([[1e6]]), alpha, 0.99)
    assert torch.equal(support, torch.full((1, 1, 9), 1.5))


def test_log_probs_have_the_floor_of_the_source() -> None:
    logits = torch.tensor([[0.0, -200.0, 3.0]])
    expected = torch.log(torch.softmax(logits.double(), -1) + 1e-15)
    torch.testing.assert_close(log_probs(logits).double(), expected, atol=1e-6, rtol=1e-6)
    assert expected_value(logits, torch.tensor([1.0, 2.0, 3.0])).shape == (1,)


def test_lecun_normal_is_truncated_with_the_right_variance() -> None:
    weight = lecun_normal((1,), 400, 500, generators(1))
    assert abs(weight.std().item() * 20 - 1) < 0.01  # sqrt(400) = 20
    assert weight.abs().max() <= 2 / 20 / 0.8796 + 1e-6


def test_stacked_layers_are_the_layers_one_by_one() -> None:
    layer = Linear((2, 3), 4, 5, generators(2))
    x = torch.randn(2, 3, 7, 4)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(layer(x)[i, j], x[i, j] @ layer.weight[i, j] + layer.bias[i, j])


@pytest.mark.parametrize("forwards", [0, 20])
def test_batch_renorm_has_finite_gradients_for_a_constant_feature(forwards: int) -> None:
    norm = BatchRenorm((1,), 3, RenormSettings(warmup=10))
    torch.manual_seed(0)
    for _ in range(forwards):
        norm(torch.randn(1, 8, 3), training=True)
    norm.set_steps(forwards)
    x = torch.randn(1, 8, 3)
    x[..., 1] = 0.0  # a dead unit
    x.requires_grad_(True)
    norm(x, training=True).square().sum().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_batch_renorm_in_evaluation_uses_running_statistics_and_changes_nothing() -> None:
    norm = BatchRenorm((1,), 3, RenormSettings())
    norm(3 + 2 * torch.randn(1, 64, 3), training=True)
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    x = torch.randn(1, 5, 3)
    expected = (x - norm.running_mean) / torch.sqrt(norm.running_var + 1e-3)
    torch.testing.assert_close(norm(x, training=False), expected)
    assert all(torch.equal(value, before[key]) for key, value in norm.state_dict().items())


def test_mlp_normalises_its_input_and_after_each_activation() -> None:
    net = MLP((1,), 4, (6, 5), 2, torch.relu, generators(1), RenormSettings())
    assert net.renorm is not None
    assert [norm.scale.shape[-1] for norm in net.renorm] == [4, 6, 5]


def test_actor_gradients_lose_nan_and_are_clipped_element_by_element() -> None:
    gradient_clips = make("dime", [0]).gradient_clips
    grads = torch.tensor([[float("nan"), float("inf"), -float("inf"), 0.5, -3.0]])
    assert torch.equal(gradient_clips["policy"](grads), torch.tensor([[0.0, 1.0, -1.0, 0.5, -1.0]]))
    assert "critics" not in gradient_clips


def test_temperature_moves_towards_the_target() -> None:
    agent = make("sac", [0], target_entropy_per_dim=100.0)  # far more entropy wanted than there is
    train(agent, streams([0]), 3)
    assert agent.log_alpha.item() > 0
    agent = make("dime", [0], target_cost_per_dim=-1e6)  # far less cost wanted: cost is worth more
    train(agent, streams([0]), 3)
    assert agent.log_alpha.item() > 0


def test_random_actions_are_uniform() -> None:
    agent = Random(DIMS, NoSettings(), generators(1), "cpu")
    noise = {"eps": torch.randn(1, 50_000, DIMS.act, generator=generators(1)[0])}
    actions = agent.act(torch.zeros(1, 50_000, DIMS.obs), noise)
    assert actions.abs().max() <= 1.0
    assert abs(actions.mean()) < 0.01
    assert abs(actions.var() - 1 / 3) < 0.01


def test_full_size_defaults_are_the_published_ones() -> None:
    dime = load_algorithm("dime").Settings()
    assert (dime.diffusion_steps, dime.critic_hidden, dime.atoms) == (16, (2048, 2048), 101)
    assert (dime.utd, dime.policy_delay, dime.batch_size) == (2, 3, 256)
    crossq, sac = load_algorithm("crossq").Settings(), load_algorithm("sac").Settings()
    assert (crossq.critic_hidden, crossq.utd, crossq.policy_delay) == ((2048, 2048), 1, 3)
    assert (sac.critic_hidden, sac.tau, sac.learning_rate) == ((256, 256), 0.005, 3e-4)


def test_unknown_algorithm_names_those_that_exist() -> None:
    with pytest.raises(UnknownAlgorithmError) as caught:
        load_algorithm("dimee")
    assert caught.value.known == known_algorithms()
    assert known_algorithms()[: len(built_in_algorithms())] == built_in_algorithms()
