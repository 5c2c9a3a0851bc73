"""One table of names: every spelling that files use means one task, and a misspelt one is named."""

from __future__ import annotations

import pytest

from dimebench.envs import known_tasks
from dimebench.errors import UsageError
from dimebench.importing.tasks import full_task, resolve, spelled


@pytest.mark.parametrize(
    ("names", "task"),
    [
        ("dog-run dog_run Dog-Run dmc/dog-run dmc_dog_run DMC-dog-run dm_control/dog_run", "dm_control/dog-run"),
        ("dog-run-v0 dm_control/dog-run-v0", "dm_control/dog-run"),
        ("finger-turn_hard finger_turn_hard finger-turn-hard", "dm_control/finger-turn_hard"),
        ("cup-catch ball-in-cup-catch ball_in_cup_catch", "dm_control/ball_in_cup-catch"),
        ("humanoid_CMU-run humanoid-cmu-run", "dm_control/humanoid_CMU-run"),
        ("Ant-v4 Ant_v4 ant-v4 gym/Ant-v4 gymnasium/Ant-v4", "gymnasium/Ant-v4"),
        ("Walker2d-v3", "gymnasium/Walker2d-v3"),
        ("Humanoid-v5", "gymnasium/Humanoid-v5"),
        ("myo-reach-hard myo_reach_hard myosuite/myo-reach-hard myoHandReachRandom-v0", "myosuite/myo-reach-hard"),
        ("myo-obj-hold myoHandObjHoldFixed-v0", "myosuite/myo-obj-hold"),
        ("h1-run-v0 h1_run_v0", "humanoid_bench/h1-run-v0"),
        ("mine/My-Task.v2", "mine/My-Task.v2"),
    ],
)  # fmt: skip
def test_every_spelling_means_one_task(names: str, task: str) -> None:
    assert {name: full_task(name) for name in names.split()} == dict.fromkeys(names.split(), task)


def test_every_known_task_is_known_by_each_of_its_spellings() -> None:
    for task in known_tasks():
        short = task.partition("/")[2]
        for name in (task, short, short.replace("-", "_"), spelled(short)):
            assert full_task(name) == task, name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("dog-rnu", " (nearest: dog-run)"),
        ("dm_control/dog-rnu", " (nearest: dm_control/dog-run)"),
        ("finger-turn", " (nearest: finger-turn_hard, finger-turn_easy, finger-spin)"),
        ("Ant", " (nearest: gymnasium/Ant-v5, gymnasium/Ant-v4, gymnasium/Ant-v3, gymnasium/Ant-v2)"),
        ("myo-reech", " (nearest: myo-reach"),
        ("myosuite/myo-reech", " (nearest: myosuite/myo-reach"),
        ("zzzzz", " (known: acrobot-swingup, "),
    ],
)
def test_a_misspelt_task_is_named_with_the_nearest(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve([name], problem)
    assert str(caught.value).startswith(f"a.csv: unknown task '{name}'{hint}")


def test_unknown_tasks_beside_known_ones_are_left_out_unless_they_may_be_misspelt() -> None:
    assert resolve(["dog_run", "Isaac-Lift-v0"], problem) == {"dog_run": "dm_control/dog-run", "Isaac-Lift-v0": ""}
    with pytest.raises(UsageError, match=r"'dog-rnu' \(nearest: dog-run\): --rename-task dog-rnu=NAME says which"):
        resolve(["dog_walk", "dog-rnu"], problem)
    renamed = {"dog-rnu": "dog-run", "finger-turn": ""}
    found = resolve(["dog_walk", "dog-rnu", "finger-turn"], problem, renamed=renamed)
    assert found == {"dog_walk": "dm_control/dog-walk", "dog-rnu": "dm_control/dog-run", "finger-turn": ""}
    with pytest.raises(UsageError, match=r"--rename-task dog: no such task there \(nearest: dog-walk\)"):
        resolve(["dog-walk"], problem, renamed={"dog": "dog-run"})


def problem(name: str) -> str:
    return f"a.csv: unknown task '{name}'"


def test_a_suite_asks_only_for_what_may_be_one_of_its_tasks() -> None:
    only = ["dm_control/dog-run"]
    assert resolve(["dog-run", "finger-turn"], problem, only)["finger-turn"] == ""
    with pytest.raises(UsageError, match="'dog-rnu'"):
        resolve(["dog-run", "dog-rnu"], problem, only)
