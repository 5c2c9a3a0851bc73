"""The parts of `bench` that decide: which env steps count how much, and what MuJoCo alone is asked to do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dimebench.bench.cells import Figure
from dimebench.bench.physics import simulator
from dimebench.envs import task_spec
from dimebench.planning.clock import by_schedule


def test_env_steps_with_an_actor_update_weigh_as_often_as_they_come() -> None:
    warm, period = [9.0, 9.0, 9.0], [1.0, 1.0, 4.0]
    slow = [1.0, 50.0, 4.0]  # another process had the core
    assert by_schedule([*warm, *period, *slow, *period], period=3) == 2.0


def test_the_fraction_is_the_floors_time_over_ours() -> None:
    assert Figure(seeds=2, seconds=0.5, floor_seconds=0.25).to_json() == {
        "env_steps_per_s": 4.0,
        "seconds_per_env_step": 0.5,
        "floor_seconds_per_env_step": 0.25,
        "fraction_of_floor": 0.5,
    }
    assert Figure(seeds=2, seconds=0.5, floor_seconds=None).fraction is None


@pytest.mark.parametrize(
    ("task", "control_timestep"), [("dm_control/walker-run", 0.025), ("gymnasium/HalfCheetah-v5", 0.05)]
)
def test_the_physics_alone_takes_all_of_mujocos_steps(task: str, control_timestep: float) -> None:
    pure = simulator(task, action_repeat=2)
    assert pure is not None
    for _ in range(3):
        assert pure.step(np.full(task_spec(task).act_dim, 0.5, np.float32)) > 0
    assert math.isclose(pure._data.time, 3 * 2 * control_timestep)
    assert (pure._data.ctrl == 0.5).all(), "bounds of these tasks are -1 and 1"
