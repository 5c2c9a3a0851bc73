"""The fingerprint tells physics apart, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from dimebench.envs import fingerprint, make_vector_env, physics_fingerprint

TASKS = [
    "dm_control/cheetah-run",
    "dm_control/hopper-hop",
    "dm_control/hopper-stand",
    "dm_control/humanoid-run",
    "dm_control/walker-walk",
    "gymnasium/Hopper-v5",
    "gymnasium/InvertedPendulum-v5",  # ends within the rollout
]


@pytest.fixture(autouse=True)
def no_cache():  # type: ignore[no-untyped-def]
    fingerprint.physics_fingerprint.cache_clear()
    yield
    fingerprint.physics_fingerprint.cache_clear()


def test_stable_and_distinct() -> None:
    first = [physics_fingerprint(task) for task in TASKS]
    fingerprint.physics_fingerprint.cache_clear()
    assert [physics_fingerprint(task) for task in TASKS] == first
    assert len(set(first)) == len(TASKS)
    assert all(len(name) == 16 and int(name, 16) >= 0 for name in first)


class Shaken:
    """A vector env whose state is disturbed a little before every step, as another machine's rounding would."""

    def __init__(self, task: str, size: float) -> None:
        self.envs, self.size, self.rng = make_vector_env(task, [0]), size, np.random.default_rng(0)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.envs, name)

    def step(self, action: np.ndarray) -> Any:
        env = self.envs.environments[0]._env  # type: ignore[attr-defined]
        data = env.data if hasattr(env, "data") else env.physics.data.ptr
        data.qpos[:] *= 1 + self.size * self.rng.standard_normal(data.qpos.shape)
        data.qvel[:] *= 1 + self.size * self.rng.standard_normal(data.qvel.shape)
        return self.envs.step(action)


@pytest.mark.parametrize("task", ["dm_control/humanoid-run", "dm_control/walker-walk", "gymnasium/Walker2d-v5"])
def test_rounding_noise_is_not_physics(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = physics_fingerprint(task)
    for size, same in ((1e-15, True), (1e-13, True), (1e-6, False)):
        fingerprint.physics_fingerprint.cache_clear()
        monkeypatch.setattr(fingerprint, "make_vector_env", lambda task, _, size=size: Shaken(task, size))
        assert (physics_fingerprint(task) == plain) is same, size


def test_other_gravity_is_other_physics(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = physics_fingerprint("dm_control/walker-walk")

    def lighter(task: str, seeds: list[int]) -> Any:
        envs = make_vector_env(task, seeds)
        envs.environments[0]._env.physics.model.opt.gravity[2] *= 0.999  # type: ignore[attr-defined]
        return envs

    fingerprint.physics_fingerprint.cache_clear()
    monkeypatch.setattr(fingerprint, "make_vector_env", lighter)
    assert physics_fingerprint("dm_control/walker-walk") != plain
