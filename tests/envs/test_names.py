"""Tasks by name, and what a wrong name says."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dimebench.envs import EnvError, UnknownTaskError, known_tasks, make_vector_env, physics_fingerprint, task_spec


def test_known_tasks_are_the_librarys() -> None:
    known = known_tasks()
    assert len(set(known)) == len(known)
    for task in ("dog-run", "finger-turn_hard", "ball_in_cup-catch", "humanoid_CMU-run", "quadruped-escape"):
        assert f"dm_control/{task}" in known
    for robot in ("Ant", "Humanoid", "HalfCheetah", "Hopper", "Walker2d"):
        assert f"gymnasium/{robot}-v5" in known
    assert all(task.startswith("dm_control/") or task.endswith("-v5") for task in known)


@pytest.mark.parametrize("ask", [task_spec, physics_fingerprint, lambda task: make_vector_env(task, [0])])
def test_an_unknown_task_names_the_nearest(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(UnknownTaskError) as caught:
        ask("dm_control/dog-rum")
    assert caught.value.name == "dm_control/dog-rum"
    assert caught.value.known == known_tasks()
    assert str(caught.value).startswith("unknown task 'dm_control/dog-rum' (nearest: dm_control/dog-run")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dog-run", "unknown task 'dog-run' (nearest: dm_control/dog-run"),
        ("gymnasium/Humanoid-v9", "unknown task 'gymnasium/Humanoid-v9' (nearest: gymnasium/Humanoid-v5"),
        ("", "unknown task '' (known: dm_control/"),
        ("gymnasium/Ant-v4", "gymnasium/Ant-v4: only version 5 is supported: gymnasium/Ant-v5"),
        ("gymnasium/Ant-v2", "gymnasium/Ant-v2: only version 5 is supported: gymnasium/Ant-v5"),
        ("gymnasium/CartPole-v1", "gymnasium/CartPole-v1: not one of Gymnasium's MuJoCo tasks"),
        ("gymnasium/Pendulum-v1", "gymnasium/Pendulum-v1: not one of Gymnasium's MuJoCo tasks"),
    ],
)
def test_a_wrong_name_says_why_in_one_line(name: str, message: str) -> None:
    with pytest.raises(EnvError) as caught:
        task_spec(name)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_action_repeat_must_be_positive() -> None:
    with pytest.raises(EnvError, match="action repeat must be at least 1, not 0"):
        make_vector_env("dm_control/pendulum-swingup", [0], action_repeat=0)


CHECK_IMPORTS = """
import sys, dimebench.envs as envs
assert not {"mujoco", "dm_control", "gymnasium", "torch"} & set(sys.modules), "imported too early"
envs.known_tasks()
assert "torch" not in sys.modules
try:
    envs.make_vector_env("dm_control/quadruped-escape", [0])
except envs.EnvError as error:
    print(error)
"""


def test_imports_are_late_and_a_missing_renderer_is_named() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK_IMPORTS], capture_output=True, text=True, env=no_renderer())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("dm_control/quadruped-escape cannot be loaded: ")
    assert "MUJOCO_GL=egl" in done.stdout
    assert done.stdout.count("\n") == 1


def no_renderer() -> dict[str, str]:
    import os

    return {key: value for key, value in os.environ.items() if key != "MUJOCO_GL"}
