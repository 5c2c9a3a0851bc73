"""Random streams: one per environment, from its seed alone."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from dm_control import suite

from dimebench.envs import EnvError, SerialVectorEnv, make_vector_env

TASKS = ["dm_control/finger-turn_hard", "dm_control/lqr-lqr_2_1", "dm_control/quadruped-run", "gymnasium/Hopper-v5"]


def rollout(envs: SerialVectorEnv, actions: np.ndarray) -> list[np.ndarray]:
    """Observations and rewards of actions [n, S, A], resetting what ends."""
    arrays = [envs.reset()]
    for action in actions:
        result = envs.step(action)
        arrays += [result.obs, result.reward]
        over = np.flatnonzero(result.terminated | result.truncated)
        if over.size:
            arrays.append(envs.reset(over))
    return arrays


def draw_actions(seeds: int, act_dim: int, steps: int = 40) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (steps, seeds, act_dim)).astype(np.float32)


@pytest.mark.parametrize("task", TASKS)
def test_a_seeds_bits_do_not_depend_on_its_neighbours(task: str) -> None:
    seeds = np.random.SeedSequence(11).spawn(3)
    together, again, alone = (
        make_vector_env(task, seeds),
        make_vector_env(task, seeds),
        make_vector_env(task, [seeds[1]]),
    )
    actions = draw_actions(3, together.spec.act_dim)
    first = rollout(together, actions)
    for a, b in zip(first, rollout(again, actions), strict=True):
        np.testing.assert_array_equal(a, b)
    mine = rollout(alone, actions[:, 1:2])
    if task.startswith("dm_control"):  # no episode ends: the lists run in parallel
        for a, b in zip(first, mine, strict=True):
            np.testing.assert_array_equal(a[1], b[0])
    else:
        np.testing.assert_array_equal(first[0][1], mine[0][0])
        np.testing.assert_array_equal(first[1][1], mine[1][0])
    assert not np.array_equal(first[0][0], first[0][1])


def test_streams_of_a_seed_sequence_differ_by_their_key() -> None:
    parent = np.random.SeedSequence(0)
    train, evaluation = parent.spawn(2)
    for task in ("dm_control/reacher-easy", "gymnasium/Reacher-v5"):
        obs = make_vector_env(task, [train, evaluation, np.random.SeedSequence(0, spawn_key=(0,))]).reset()
        assert not np.array_equal(obs[0], obs[1])
        np.testing.assert_array_equal(obs[0], obs[2])


def test_an_integer_seeds_as_the_library_does() -> None:
    own = suite.load("reacher", "easy", task_kwargs={"random": 42}).reset().observation
    obs = make_vector_env("dm_control/reacher-easy", [42]).reset()[0]
    np.testing.assert_array_equal(obs, np.concatenate([own[key] for key in sorted(own)]).astype(np.float32))
    gym_own, _ = gymnasium.make("Reacher-v5").reset(seed=42)
    np.testing.assert_array_equal(
        make_vector_env("gymnasium/Reacher-v5", [42]).reset()[0], gym_own.astype(np.float32)
    )


@pytest.mark.parametrize("task", TASKS)
def test_evaluation_streams_repeat_after_reseeding(task: str) -> None:
    envs = make_vector_env(task, [0, 1])
    rollout(envs, draw_actions(2, envs.spec.act_dim, steps=5))
    seeds = np.random.SeedSequence(4).spawn(2)
    envs.reseed(seeds)
    first = [envs.reset(), envs.reset()]
    envs.reseed(seeds)
    np.testing.assert_array_equal([envs.reset(), envs.reset()], first)
    assert not np.array_equal(first[0], first[1])


def test_bad_seeds_are_refused_in_one_line() -> None:
    for task in ("dm_control/pendulum-swingup", "gymnasium/Reacher-v5"):
        with pytest.raises(EnvError, match=r"^seed -1: must [^\n]+$"):
            make_vector_env(task, [-1])
        with pytest.raises(EnvError, match="at least one seed"):
            make_vector_env(task, [])
        with pytest.raises(EnvError, match="1 seeds for 2 environments"):
            make_vector_env(task, [0, 1]).reseed([0])
