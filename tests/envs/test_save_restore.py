"""A restored vector env continues to the bit, wherever it was saved."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.envs import EnvError, SerialVectorEnv, make_vector_env

TASKS = [
    "dm_control/dog-run",
    "dm_control/humanoid-run",
    "dm_control/hopper-hop",
    "dm_control/finger-turn_hard",
    "dm_control/fish-swim",
    "dm_control/quadruped-run",
    "dm_control/cheetah-run",
    "dm_control/ball_in_cup-catch",
    "gymnasium/Ant-v5",
    "gymnasium/Humanoid-v5",
    "gymnasium/Hopper-v5",
    "gymnasium/HalfCheetah-v5",
    "gymnasium/Walker2d-v5",
]
SEEDS = np.random.SeedSequence(1).spawn(1)
State = dict[str, np.ndarray]


class Walk:
    """Steps a vector env with actions that depend on the step's number alone; resets what has ended before it."""

    def __init__(self, envs: SerialVectorEnv, step: int = 0, over: np.ndarray | None = None) -> None:
        self.envs, self.step = envs, step
        self.over = np.zeros(len(envs), bool) if over is None else over.copy()  # [S]

    def to(self, stop: int) -> list[np.ndarray]:
        """Everything that came out on the way to step `stop`."""
        seen = []
        while self.step < stop:
            if self.over.any():
                seen.append(self.envs.reset(np.flatnonzero(self.over)))
            shape = (len(self.envs), self.envs.spec.act_dim)
            action = np.random.default_rng(self.step).uniform(-1, 1, shape).astype(np.float32)
            result = self.envs.step(action)
            seen += [result.obs, result.reward, result.terminated, result.truncated]
            self.over = result.terminated | result.truncated
            self.step += 1
        return seen


def assert_same(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def episode_length(task: str) -> int:
    """Steps until the first episode of SEEDS ends."""
    if task.startswith("dm_control/"):
        return 1000
    envs = make_vector_env(task, SEEDS)
    envs.reset()
    walk = Walk(envs)
    while not walk.over.any():
        walk.to(walk.step + 1)
    return walk.step


@pytest.mark.parametrize("task", TASKS)
def test_continues_to_the_bit_in_a_fresh_vector_env(task: str) -> None:
    end = episode_length(task)
    envs = make_vector_env(task, SEEDS)
    envs.reset()
    walk = Walk(envs)
    saves: list[tuple[int, np.ndarray, State]] = []
    seen: list[list[np.ndarray]] = []
    for stop in (0, 3, end - 3, end):  # just reset; within the episode; near its end; ended and not yet reset
        seen.append(walk.to(stop))
        saves.append((stop, walk.over, envs.save()))
    seen.append(walk.to(end + 6))
    assert saves[-1][1].any(), "the episode was to end here"

    fresh = make_vector_env(task, [99])
    for i, (stop, over, state) in enumerate(saves):
        fresh.restore(state)
        again = Walk(fresh, stop, over)
        if i == 1:
            assert_same(again.to(13), seen[2][: 4 * 10])
        elif i == 2:  # across the end, the reset and into the next episode
            assert_same(again.to(end + 6), seen[3] + seen[4])
        else:
            assert_same(again.to(stop + 3), seen[i + 1][: 4 * 3 + (i == 3)])


@functools.cache
def two_vector_envs(task: str) -> tuple[SerialVectorEnv, SerialVectorEnv]:
    return make_vector_env(task, [0, 1]), make_vector_env(task, [2, 3])


@pytest.mark.parametrize("task", ["dm_control/finger-turn_hard", "dm_control/lqr-lqr_2_1", "gymnasium/Humanoid-v5"])
@settings(max_examples=8, deadline=None)
@given(instant=st.integers(0, 70), seed=st.integers(0, 2**32 - 1))
def test_any_instant_will_do(task: str, instant: int, seed: int) -> None:
    """Both pair have lived before, on other streams: what they did leaves no trace."""
    envs, other = two_vector_envs(task)
    envs.reseed(np.random.SeedSequence(seed).spawn(2))
    envs.reset()
    walk = Walk(envs)
    walk.to(instant)
    obs = other.restore(envs.save())
    np.testing.assert_array_equal(obs, envs.reset([]))
    assert_same(Walk(other, instant, walk.over).to(instant + 8), walk.to(instant + 8))
    np.testing.assert_array_equal(other.reset(), envs.reset())


@pytest.mark.parametrize("task", ["dm_control/cheetah-run", "gymnasium/Ant-v5"])
def test_a_save_leaves_no_trace_and_can_be_used_twice(task: str) -> None:
    plain, saved = make_vector_env(task, [0]), make_vector_env(task, [0])
    assert_same([plain.reset()], [saved.reset()])
    plain_walk, saved_walk = Walk(plain), Walk(saved)
    assert_same(plain_walk.to(5), saved_walk.to(5))
    state = saved.save()
    after = plain_walk.to(15)
    assert_same(saved_walk.to(15), after)
    for _ in range(2):
        saved.restore(state)
        assert_same(Walk(saved, 5).to(15), after)


@pytest.mark.parametrize("task", ["dm_control/fish-swim", "gymnasium/Hopper-v5"])
def test_a_vector_env_that_was_never_reset_can_be_saved(task: str) -> None:
    new = make_vector_env(task, [5])
    other = make_vector_env(task, [6])
    other.reset()
    other.restore(new.save())
    with pytest.raises(EnvError, match="reset it first"):
        Walk(other).to(1)
    np.testing.assert_array_equal(other.reset(), new.reset())


CONTINUE = """
import sys, numpy as np
from dimebench.envs import make_vector_env
from tests.envs.test_save_restore import Walk
task, state, seen = sys.argv[1:]
envs = make_vector_env(task, [0])
with np.load(state, allow_pickle=False) as file:
    envs.restore(dict(file))
np.savez(seen, *Walk(envs, 5).to(15))
"""


@pytest.mark.parametrize("task", ["dm_control/dog-run", "gymnasium/Humanoid-v5"])
def test_continues_to_the_bit_in_another_process(task: str, tmp_path: Path) -> None:
    envs = make_vector_env(task, SEEDS)
    envs.reset()
    walk = Walk(envs)
    walk.to(5)
    state, seen = tmp_path / "state.npz", tmp_path / "seen.npz"
    np.savez(state, **envs.save())  # type: ignore[arg-type]
    here = walk.to(15)
    done = subprocess.run(
        [sys.executable, "-c", CONTINUE, task, str(state), str(seen)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    with np.load(seen, allow_pickle=False) as file:
        assert_same([file[name] for name in file.files], here)


def test_what_does_not_fit_is_refused_in_one_line() -> None:
    envs = make_vector_env("dm_control/walker-walk", [0])
    envs.reset()
    state = envs.save()
    others = {
        "task dm_control/walker-walk there, dm_control/walker-run here": make_vector_env(
            "dm_control/walker-run", [0]
        ),
        "action_repeat 1 there, 2 here": make_vector_env("dm_control/walker-walk", [0], action_repeat=2),
        "seeds 1 there, 2 here": make_vector_env("dm_control/walker-walk", [0, 1]),
    }
    for message, other in others.items():
        with pytest.raises(EnvError) as caught:
            other.restore(state)
        assert str(caught.value) == f"saved environment state does not fit: {message}"
    for broken in ({}, state | {"0.physics": state["0.physics"][:-1]}, {"header": state["header"]}):
        with pytest.raises(EnvError, match=r"^[^\n]+$"):
            envs.restore(broken)
