"""Every task that we name, against the library that it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest

from dimebench.envs import EnvError, SerialVectorEnv, known_tasks, make_vector_env, task_spec

SEED = 7
DM_CONTROL = [task for task in known_tasks() if task.startswith("dm_control/")]
GYMNASIUM = [task for task in known_tasks() if task.startswith("gymnasium/")]


class OwnDMControl:
    """The suite's environment, its observation concatenated in alphabetical order of the keys."""

    def __init__(self, task: str) -> None:
        from dm_control import suite

        domain, _, name = task.removeprefix("dm_control/").partition("-")
        self.env = suite.load(domain, name, task_kwargs={"random": SEED})
        spec = self.env.action_spec()
        self.high = np.where(spec.maximum > 1e9, 1.0, spec.maximum)  # lqr has no bounds
        self.low = np.where(spec.minimum < -1e9, -1.0, spec.minimum)

    def reset(self) -> np.ndarray:
        return self._flat(self.env.reset().observation)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        middle, half = (self.high + self.low) / 2, (self.high - self.low) / 2
        time_step = self.env.step(middle + half * action)
        return self._flat(time_step.observation), time_step.reward, time_step.discount == 0, time_step.last()

    def _flat(self, parts: dict[str, Any]) -> np.ndarray:
        return np.concatenate([np.ravel(parts[key]) for key in sorted(parts)]).astype(np.float32)


class OwnGymnasium:
    """Gymnasium's environment with all its usual wrappers."""

    def __init__(self, task: str) -> None:
        self.env = gymnasium.make(task.removeprefix("gymnasium/"))
        space = self.env.action_space
        assert isinstance(space, gymnasium.spaces.Box)
        self.high = space.high.astype(np.float64)
        self.low = -self.high

    def reset(self) -> np.ndarray:
        return self.env.reset(seed=SEED)[0].astype(np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool]:
        obs, reward, terminated, truncated, _ = self.env.step(self.high * action)
        return obs.astype(np.float32), float(reward), terminated, terminated or truncated


@pytest.fixture(params=[*DM_CONTROL, *GYMNASIUM])
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def envs(task: str) -> Iterator[SerialVectorEnv]:
    """New for every test; cheap, as the library's model files are read once per task."""
    try:
        envs = make_vector_env(task, [SEED])
    except EnvError as error:
        if "MUJOCO_GL" in str(error):
            pytest.skip(str(error))
        raise
    yield envs
    envs.close()


def test_rollout_is_the_librarys_own_flattened(task: str, envs: SerialVectorEnv) -> None:
    own = OwnDMControl(task) if task in DM_CONTROL else OwnGymnasium(task)
    obs = envs.reset()
    assert obs.dtype == np.float32
    assert np.isfinite(obs).all()
    np.testing.assert_array_equal(obs[0], own.reset())
    actions = np.random.default_rng(0).uniform(-1, 1, (4, 1, envs.spec.act_dim)).astype(np.float32)
    for action in actions:
        result = envs.step(action)
        own_obs, own_reward, own_terminated, own_over = own.step(action[0].astype(np.float64))
        if (own.low != -own.high).any():  # the rescaled action differs in its last bit
            np.testing.assert_allclose(result.obs[0], own_obs, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(result.reward[0], own_reward, rtol=1e-5)
        else:
            np.testing.assert_array_equal(result.obs[0], own_obs)
            assert result.reward[0] == np.float32(own_reward)
        assert result.reward.dtype == np.float32
        assert result.terminated[0] == own_terminated
        assert (result.terminated | result.truncated)[0] == own_over
        if own_over:
            break


@pytest.mark.parametrize(
    "name",
    [
        "dm_control/cheetah-run",
        "dm_control/dog-fetch",
        "dm_control/humanoid-run",
        "dm_control/quadruped-fetch",
    ],
)
def test_whole_episodes_are_dm_controls_with_frames_that_nobody_observes(name: str) -> None:
    """Two frames per env step: dm_control observes both, ours only the second."""
    own, envs = OwnDMControl(name), make_vector_env(name, [SEED], action_repeat=2)
    np.testing.assert_array_equal(envs.reset()[0], own.reset())
    over = False
    rng = np.random.default_rng(3)
    while not over:
        action = rng.uniform(-1, 1, (1, envs.spec.act_dim)).astype(np.float32)
        if name == "dm_control/quadruped-fetch":  # where the bounds are not -1 and 1, the extremes alone are exact
            action = np.sign(action)
        result = envs.step(action)
        frames = [own.step(action[0].astype(np.float64)) for _ in range(2)]
        obs, _, _, over = frames[-1]
        np.testing.assert_array_equal(result.obs[0], obs)
        assert result.reward[0] == np.float32(frames[0][1] + frames[1][1])
        assert (result.terminated | result.truncated)[0] == over
    np.testing.assert_array_equal(envs.reset()[0], own.reset())


def test_spec_describes_the_vector_env(task: str, envs: SerialVectorEnv) -> None:
    spec = task_spec(task)
    assert spec == envs.spec
    assert spec.name == task
    assert sum(size for _, size in spec.obs_layout) == spec.obs_dim == envs.reset().shape[1]
    keys = [key for key, _ in spec.obs_layout]
    assert len(set(keys)) == len(keys)
    if task in DM_CONTROL:
        assert keys == sorted(keys)


def test_a_reseeded_vector_env_is_as_good_as_a_new_one(task: str, envs: SerialVectorEnv) -> None:
    """Nothing of earlier episodes survives: not in the model that tasks edit, not in lqr's, drawn from the seed."""
    actions = np.random.default_rng(1).uniform(-1, 1, (2, 1, envs.spec.act_dim)).astype(np.float32)
    seed = np.random.SeedSequence(3)
    new = make_vector_env(task, [seed])
    envs.reset()
    envs.reseed([seed])
    for _ in range(2):
        np.testing.assert_array_equal(envs.reset(), new.reset())
        for action in actions:
            np.testing.assert_array_equal(envs.step(action).obs, new.step(action).obs)
    new.close()


def test_a_restored_vector_env_continues_to_the_bit(task: str, envs: SerialVectorEnv) -> None:
    actions = np.random.default_rng(2).uniform(-0.2, 0.2, (5, 1, envs.spec.act_dim)).astype(np.float32)  # none falls
    other = make_vector_env(task, [SEED + 1])
    envs.reset()
    for action in actions[:2]:
        envs.step(action)
    np.testing.assert_array_equal(other.restore(envs.save()), envs.reset([]))
    for action in actions[2:]:
        here, there = envs.step(action), other.step(action)
        np.testing.assert_array_equal(here.obs, there.obs)
        np.testing.assert_array_equal(here.reward, there.reward)
    np.testing.assert_array_equal(envs.reset(), other.reset())
    other.close()
