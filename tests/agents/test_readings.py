"""Settings that offer the other reading of paper and code, and what the Gaussian control keeps of DIME."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import torch
from torch.nn.functional import softplus

from dimebench.agents.base import Batch, Noise, under
from dimebench.agents.dime import DIME, CriticSettings
from dimebench.agents.dime_gaussian import GaussianDIME
from dimebench.agents.parts.categorical import expected_value, project
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.actor_critic import ActorCritic
from tests.agents.learners import DIMS, GAUSSIAN, LEARNERS, draw, make, streams, train

ROWS = 7


def observations(seeds: int) -> torch.Tensor:
    return torch.randn(seeds, ROWS, DIMS.obs, generator=torch.Generator().manual_seed(1))


def first_update(agent: ActorCritic[Any], seeds: list[int]) -> tuple[Batch, Noise]:
    """A call's batch and noise, as far as its first critic update goes."""
    batch, noise = draw(agent, streams(seeds))
    return batch.split(agent.settings.batch_size)[0], under(noise, "0.next.")


def test_defaults_are_the_codes_own() -> None:
    """DIME's authors ignore their `deterministic` flag and hold the running cost alone to 4 per dimension."""
    dime = load_algorithm("dime").Settings()
    assert (dime.evaluation_actions, dime.temperature_cost, dime.target_cost_per_dim) == ("sample", "running", 4.0)
    assert load_algorithm("dime-gaussian").Settings().evaluation_actions == "sample"
    for name in ("sac", "crossq"):
        assert load_algorithm(name).Settings().evaluation_actions == "mean"


@pytest.mark.parametrize("name", LEARNERS)
def test_mean_actions_do_not_depend_on_the_noise_and_sampled_ones_do(name: str) -> None:
    obs, source = observations(2), streams([0, 1])
    for reading in ("mean", "sample"):
        agent = make(name, [0, 1], evaluation_actions=reading)
        train(agent, streams([0, 1]), 4)
        one, other = (agent.evaluate(obs, source.normal("act", agent.policy_noise(ROWS))) for _ in range(2))
        assert torch.equal(one, other) == (reading == "mean")
        assert one.abs().max() <= 1


@pytest.mark.parametrize("name", GAUSSIAN)
def test_a_gaussians_mean_action_is_tanh_of_its_mean(name: str) -> None:
    agent, obs = make(name, [0, 1], evaluation_actions="mean"), observations(2)
    noise = streams([0, 1]).normal("act", agent.policy_noise(ROWS))
    assert torch.equal(agent.evaluate(obs, noise), torch.tanh(agent.policy(obs)[0]))


def test_dimes_mean_action_follows_the_chain_without_noise() -> None:
    agent, obs = make("dime", [0, 1], evaluation_actions="mean"), observations(2)
    train(agent, streams([0, 1]), 6)
    x, prepared = torch.zeros(2, ROWS, DIMS.act), agent.policy.score.prepare(obs, agent.policy.steps)
    for n in range(agent.policy.steps):
        eta = agent.policy.step_sizes()[:, n, None]
        x = x + eta * (-x / agent.policy.prior_std**2 + agent.policy.score(n, x, prepared))
    noise = streams([0, 1]).normal("act", agent.policy_noise(ROWS))
    torch.testing.assert_close(agent.evaluate(obs, noise), torch.tanh(x), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("reading", ["running", "bound"])
def test_the_temperature_holds_the_cost_that_it_is_told_to(reading: str) -> None:
    agent = make("dime", [0, 1, 2], temperature_cost=reading, target_cost_per_dim=1.5)
    part, first = first_update(agent, [0, 1, 2])
    sample = agent.actor_sample(part.obs, first)
    cost = sample.running_cost if reading == "running" else sample.running_cost + sample.terminal_cost
    expected = -(cost.mean(-1) - 1.5 * DIMS.act)  # alpha is 1: d/d(log alpha) of -alpha (cost - target)
    agent.update_actor(part, sample)
    torch.testing.assert_close(agent.log_alpha.grad, expected, atol=1e-5, rtol=1e-5)


def test_the_control_keeps_all_of_dime_but_the_actor() -> None:
    for name in ("update_critic", "critic_objective", "actor_objective", "steps", "descend"):
        assert getattr(GaussianDIME, name) is getattr(DIME, name)
    assert make("dime-gaussian", [0]).gradient_clips == make("dime", [0]).gradient_clips
    dime, control = DIME.Settings(), GaussianDIME.Settings()
    assert [f.name for f in fields(CriticSettings)] == [f.name for f in fields(GaussianDIME.Settings)][:-3]
    for field in fields(CriticSettings):
        assert getattr(control, field.name) == getattr(dime, field.name)
    assert control.actor_hidden == dime.score_hidden
    assert control.target_entropy_per_dim == -1.0


def test_the_controls_losses_are_dimes_with_log_pi_for_the_cost() -> None:
    """Written out once more from the definitions, one seed and one critic at a time."""
    agent = make("dime-gaussian", [0, 1], alpha_init=0.3, utd=1, policy_delay=1)
    batch, noise = draw(agent, streams([0, 1]))
    before = {key: value.clone() for key, value in agent.critics.state_dict().items()}
    metrics = agent.update_critic(batch, agent.target_sample(batch.next_obs, {"eps": noise["0.next.eps"]}))
    after = {key: value.clone() for key, value in agent.critics.state_dict().items()}
    agent.critics.load_state_dict(before)
    with torch.no_grad():
        next_sample = agent.policy.sample(batch.next_obs, noise["0.next.eps"])
        obs = torch.cat([batch.obs, batch.next_obs], 1)
        logits = agent.critics(obs, torch.cat([batch.action, next_sample.action], 1), training=True)
    rows = batch.obs.shape[1]
    for seed in range(2):
        value = 0.99 * (1 - batch.terminated[seed])[:, None]
        support = batch.reward[seed][:, None] + value * (agent.atoms - 0.3 * next_sample.log_prob[seed][:, None])
        p = torch.softmax(logits[seed], -1)
        target = sum(project(p[None, c, rows:], support[None], agent.atoms)[0] for c in range(2)) / 2
        now = p[:, :rows]
        loss = sum(
            (-(target * now[c].log()).sum(-1) + 0.005 * (now[c] * now[c].log()).sum(-1)).mean() for c in (0, 1)
        )
        torch.testing.assert_close(metrics["critic_loss"][seed], loss, atol=1e-4, rtol=1e-4)

    agent.critics.load_state_dict(after)
    with torch.no_grad():
        sample = agent.policy.sample(batch.obs, noise["0.actor.eps"])
        q = expected_value(agent.critics(batch.obs, sample.action), agent.atoms)
    metrics = agent.update_actor(batch, agent.actor_sample(batch.obs, {"eps": noise["0.actor.eps"]}))
    torch.testing.assert_close(metrics["actor_loss"], (0.3 * sample.log_prob - q.mean(1)).mean(-1))
    torch.testing.assert_close(metrics["entropy"], -sample.log_prob.mean(-1))
    gradient = 0.3 * (-sample.log_prob.mean(-1) + DIMS.act)  # of alpha (entropy - target) in log alpha
    torch.testing.assert_close(agent.log_alpha.grad, gradient, atol=1e-5, rtol=1e-5)


def test_mass_at_ends_tells_that_the_atoms_do_not_reach_far_enough() -> None:
    for v_max, clipped in ((0.01, True), (200.0, False)):
        agent = make("dime", [0, 1], v_min=-v_max, v_max=v_max)
        part, noise = first_update(agent, [0, 1])
        share = agent.update_critic(part, agent.target_sample(part.next_obs, noise))["mass_at_ends"]
        assert share.shape == (2,)
        assert bool((share > 0.5).all()) == clipped


@pytest.mark.parametrize("start", [1e-6, 0.1, 20.0, 1e4])
def test_step_size_and_friction_start_where_they_are_told_to(start: float) -> None:
    agent = make("dime", [0], step_size=start, friction=start)
    for parameter in (agent.policy.dt, agent.policy.friction):
        torch.testing.assert_close(softplus(parameter), torch.full_like(parameter, start), rtol=1e-5, atol=0)
