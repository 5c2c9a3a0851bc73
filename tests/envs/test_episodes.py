"""How episodes begin and end, and what an action does."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest
from dm_control import suite

from dimebench.envs import EnvError, SerialVectorEnv, make_vector_env, task_spec


def actions(envs: SerialVectorEnv, n: int, seed: int = 0) -> np.ndarray:
    """[n, S, A] float32 in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1, 1, (n, len(envs), envs.spec.act_dim)).astype(np.float32)


@pytest.mark.parametrize("task", ["dm_control/pendulum-swingup", "gymnasium/HalfCheetah-v5", "gymnasium/Reacher-v5"])
def test_a_time_limit_truncates(task: str) -> None:
    envs = make_vector_env(task, [0])
    envs.reset()
    limit = envs.spec.max_episode_steps
    assert limit == (50 if "Reacher" in task else 1000)
    for i, action in enumerate(actions(envs, limit)):
        result = envs.step(action)
        assert not result.terminated[0]
        assert result.truncated[0] == (i == limit - 1)


def test_a_fallen_hopper_terminates() -> None:
    envs = make_vector_env("gymnasium/Hopper-v5", [0])
    envs.reset()
    for action in actions(envs, 200):
        result = envs.step(action)
        if result.terminated[0]:
            break
    assert result.terminated[0]
    assert not result.truncated[0]


def test_a_zero_discount_terminates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only lqr ends this way, and only after converging: here it is told that it has."""
    envs = make_vector_env("dm_control/lqr-lqr_2_1", [0])
    assert envs.spec.max_episode_steps is None
    envs.reset()
    monkeypatch.setattr(type(envs.environments[0]._env.task), "_TERMINAL_TOL", np.inf)  # type: ignore[attr-defined]
    result = envs.step(np.zeros((1, 1), np.float32))
    assert result.terminated[0]
    assert not result.truncated[0]


def test_the_last_observation_is_the_terminal_one() -> None:
    envs = make_vector_env("gymnasium/Hopper-v5", [5])
    own = gymnasium.make("Hopper-v5")
    np.testing.assert_array_equal(envs.reset()[0], own.reset(seed=5)[0].astype(np.float32))
    for action in actions(envs, 200):
        result = envs.step(action)
        own_obs, _, own_terminated, _, _ = own.step(action[0].astype(np.float64))
        if result.terminated[0]:
            break
    assert own_terminated
    np.testing.assert_array_equal(result.obs[0], own_obs.astype(np.float32))
    fresh = envs.reset([0])
    assert not np.array_equal(fresh, result.obs)
    np.testing.assert_array_equal(fresh[0], own.reset()[0].astype(np.float32))


@pytest.mark.parametrize("task", ["dm_control/cheetah-run", "gymnasium/Hopper-v5"])
def test_no_step_without_a_running_episode(task: str) -> None:
    envs = make_vector_env(task, [0])
    action = np.zeros((1, envs.spec.act_dim), np.float32)
    with pytest.raises(EnvError, match=f"{task}: step without a running episode"):
        envs.step(action)
    envs.reset()
    over = False
    for action in actions(envs, 1000):
        result = envs.step(action)
        over = bool((result.terminated | result.truncated)[0])
        if over:
            break
    assert over
    with pytest.raises(EnvError, match="reset it first"):
        envs.step(action)
    envs.reset()
    envs.step(action)
    envs.reseed([1])
    with pytest.raises(EnvError, match="reset it first"):
        envs.step(action)


@pytest.mark.parametrize("task", ["dm_control/walker-walk", "gymnasium/Walker2d-v5"])
def test_action_repeat_sums_rewards(task: str) -> None:
    once, thrice = make_vector_env(task, [0]), make_vector_env(task, [0], action_repeat=3)
    np.testing.assert_array_equal(once.reset(), thrice.reset())
    for action in actions(once, 4):
        parts = [once.step(action) for _ in range(3)]
        whole = thrice.step(action)
        np.testing.assert_array_equal(whole.obs, parts[-1].obs)
        np.testing.assert_allclose(whole.reward, sum(part.reward for part in parts), rtol=1e-6)


def test_action_repeat_stops_at_the_end_of_an_episode() -> None:
    task = "gymnasium/Reacher-v5"  # 50 steps
    assert task_spec(task, action_repeat=4).max_episode_steps == 13
    envs = make_vector_env(task, [0], action_repeat=4)
    envs.reset()
    steps = actions(envs, 13)
    truncated = [envs.step(action).truncated[0] for action in steps[:-1]]
    assert not any(truncated)
    single = make_vector_env(task, [0])
    single.reset()
    for action in np.repeat(steps[:-1], 4, axis=0):
        single.step(action)
    parts = [single.step(steps[-1]) for _ in range(2)]
    last = envs.step(steps[-1])
    assert last.truncated[0]
    np.testing.assert_array_equal(last.obs, parts[-1].obs)
    np.testing.assert_allclose(last.reward, parts[0].reward + parts[1].reward, rtol=1e-6)


@pytest.mark.parametrize("extreme", [-1.0, 1.0])
def test_actions_reach_the_tasks_own_bounds(extreme: float) -> None:
    envs = make_vector_env("dm_control/quadruped-run", [0])
    own = suite.load("quadruped", "run", task_kwargs={"random": 0})
    spec = own.action_spec()
    assert set(spec.maximum) == {0.8, 1.0, 1.1}
    bounds = spec.maximum if extreme > 0 else spec.minimum
    envs.reset()
    own.reset()
    for _ in range(5):
        obs = envs.step(np.full((1, 12), extreme, np.float32)).obs
        parts = own.step(bounds).observation
    np.testing.assert_allclose(obs[0], np.concatenate([np.ravel(parts[k]) for k in sorted(parts)]), rtol=1e-4)
    control = envs.environments[0]._env.physics.control()  # type: ignore[attr-defined]
    np.testing.assert_allclose(control, bounds, rtol=1e-15)
    assert (control >= spec.minimum).all()
    assert (control <= spec.maximum).all()


def test_the_middle_of_the_action_range_is_the_middle_of_the_bounds() -> None:
    envs = make_vector_env("dm_control/quadruped-run", [0])
    envs.reset()
    envs.step(np.zeros((1, 12), np.float32))
    env = envs.environments[0]._env  # type: ignore[attr-defined]
    spec = env.action_spec()
    np.testing.assert_allclose(env.physics.control(), (spec.maximum + spec.minimum) / 2)


def test_an_action_outside_the_range_is_refused_and_rounding_is_not() -> None:
    envs = make_vector_env("dm_control/cheetah-run", [0, 1])
    envs.reset()
    zero = np.zeros((2, 6), np.float32)
    for bad in (1.01, -1.5, np.nan, np.inf):
        action = zero.copy()
        action[1, 3] = bad
        with pytest.raises(EnvError, match=r"dm_control/cheetah-run: action .* is outside \[-1, 1\]"):
            envs.step(action)
    with pytest.raises(EnvError, match=r"actions have shape \(6,\), expected \(2, 6\)"):
        envs.step(zero[0])
    envs.step(np.full((2, 6), np.nextafter(np.float32(1), np.float32(2))))
    assert (envs.environments[0]._env.physics.control() == 1.0).all()  # type: ignore[attr-defined]


def test_results_belong_to_the_caller() -> None:
    envs = make_vector_env("dm_control/reacher-easy", [0, 1])
    first = envs.reset()
    kept = first.copy()
    result = envs.step(actions(envs, 1)[0])
    kept_result = result.obs.copy()
    again = envs.reset([1])
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(result.obs, kept_result)
    np.testing.assert_array_equal(again[0], result.obs[0])
    assert not np.array_equal(again[1], result.obs[1])
    again[:] = 0
    np.testing.assert_array_equal(envs.reset([])[0], result.obs[0])


def test_diverged_physics_is_an_error_naming_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for task in ("dm_control/walker-walk", "gymnasium/Hopper-v5"):
        envs = make_vector_env(task, [0])
        envs.reset()
        envs.step(actions(envs, 1)[0])
        env = envs.environments[0]._env  # type: ignore[attr-defined]
        data = env.physics.data.ptr if task.startswith("dm_control") else env.data
        data.qvel[:] = 1e12
        with pytest.raises(EnvError, match=f"{task}: physics diverged: [^\n]+$"):
            envs.step(actions(envs, 1)[0])
        assert np.isfinite(envs.reset()).all()
        envs.step(actions(envs, 1)[0])
    assert list(tmp_path.iterdir()) == []  # MuJoCo's own MUJOCO_LOG.TXT
