"""A seed's numbers do not depend on the seeds that train beside it."""

from __future__ import annotations

import pytest
import torch

from tests.agents.learners import DIMS, LEARNERS, draw, make, streams, train

SEEDS = [3, 11, 4]
UPDATES = 12


@pytest.mark.parametrize("batch_size", [5, 16])
@pytest.mark.parametrize("name", LEARNERS)
def test_seed_result_does_not_depend_on_its_neighbours(name: str, batch_size: int) -> None:
    """To rounding: products and reductions of one seed and of several take different paths in torch's kernels."""
    together = make(name, SEEDS, batch_size=batch_size)
    metrics_together = train(together, streams(SEEDS), 6)
    for i, seed in enumerate(SEEDS):
        alone = make(name, [seed], batch_size=batch_size)
        metrics_alone = train(alone, streams([seed]), 6)
        for a, b in zip(metrics_alone, metrics_together, strict=True):
            assert a.keys() == b.keys()
            for key in a:
                torch.testing.assert_close(a[key][0], b[key][i], rtol=1e-4, atol=1e-4)
        for key, arena in alone.arenas.items():
            off = (arena[0] - together.arenas[key][i]).abs() > 2e-5  # Adam magnifies rounding of tiny gradients
            assert off.float().mean() < 0.02, key


@pytest.mark.parametrize("name", LEARNERS)
def test_different_seeds_start_from_different_parameters(name: str) -> None:
    agent = make(name, SEEDS)
    for arena in agent.arenas.values():
        assert not torch.equal(arena[0], arena[1])


@pytest.mark.parametrize("name", LEARNERS)
def test_a_diverged_seed_leaves_its_neighbours_alone(name: str) -> None:
    healthy, sick = make(name, SEEDS), make(name, SEEDS)
    with torch.no_grad():
        sick.arenas["policy"][1] = float("nan")
        sick.arenas["critics"][1] = float("nan")
    train(healthy, streams(SEEDS), UPDATES)
    train(sick, streams(SEEDS), UPDATES)
    for key, arena in sick.arenas.items():
        assert torch.equal(arena[[0, 2]], healthy.arenas[key][[0, 2]])
        assert not torch.isfinite(arena[1]).all()


@pytest.mark.parametrize("name", LEARNERS)
def test_restored_learner_continues_with_the_same_bits(name: str) -> None:
    source = streams(SEEDS)
    original = make(name, SEEDS)
    train(original, source, 7)
    state = {key: value.clone() for key, value in original.state_dict().items()}
    drawn = source.state_dict()
    expected = train(original, source, 5)

    restored = make(name, [50, 51, 52])
    restored.load_state_dict(state)
    again = streams(SEEDS)
    again.load_state_dict(drawn)
    assert restored.grad_steps == 7 * restored.settings.utd
    for a, b in zip(train(restored, again, 5), expected, strict=True):
        assert all(torch.equal(a[key], b[key]) for key in b)
    final = original.state_dict()
    assert final.keys() == restored.state_dict().keys()
    assert all(torch.equal(value, final[key]) for key, value in restored.state_dict().items())


@pytest.mark.parametrize("name", LEARNERS)
def test_network_parameters_are_views_of_the_arena(name: str) -> None:
    agent = make(name, SEEDS)
    for key, module in agent.modules.items():
        arena = agent.arenas[key]
        assert arena.shape[0] == len(SEEDS)
        assert arena.shape[1] % 64 == 0
        storage = arena.untyped_storage().data_ptr()
        assert all(p.untyped_storage().data_ptr() == storage for p in module.parameters())


@pytest.mark.parametrize("name", LEARNERS)
def test_actor_updates_follow_every_third_critic_update_or_the_settings(name: str) -> None:
    agent = make(name, [0], utd=2, policy_delay=3)
    source = streams([0])
    with_actor = []
    for _ in range(6):
        shapes = agent.update_noise()
        batch, noise = draw(agent, source)
        metrics = agent.update(batch, noise)
        with_actor.append("actor_loss" in metrics)
        assert ("actor_loss" in metrics) == any(".actor." in key for key in shapes)
    # critic updates 3, 6, 9, 12 of 12, in calls 2, 3, 5, 6
    assert with_actor == [False, True, True, False, True, True]
    assert agent.grad_steps == 12


@pytest.mark.parametrize("name", LEARNERS)
def test_actions_lie_in_the_box_and_depend_on_noise(name: str) -> None:
    agent, source = make(name, SEEDS), streams(SEEDS)
    obs = torch.randn(len(SEEDS), 4, DIMS.obs)
    first = agent.act(obs, source.normal("act", agent.policy_noise(4)))
    second = agent.act(obs, source.normal("act", agent.policy_noise(4)))
    assert first.shape == (len(SEEDS), 4, DIMS.act)
    assert first.abs().max() <= 1.0
    assert not torch.equal(first, second)
