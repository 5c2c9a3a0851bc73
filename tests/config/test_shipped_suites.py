"""The suites that are shipped: loadable, written out for the reader, and as the papers have them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dimebench.agents.registry import known_algorithms, load_algorithm
from dimebench.config import list_suites, load_suite, load_yaml

FOLDER = Path(__file__).parents[2] / "suites"
ALGORITHMS = ["dime", "crossq", "sac", "random"]
SHIPPED = ["dmc-full", "dmc-hard", "gym-mujoco", "learns", "quick"]
FULL_SIZE = ["dmc-full", "dmc-hard", "gym-mujoco"]


def test_these_suites_are_shipped(tmp_path: Path) -> None:
    assert {*SHIPPED} <= {name for name, _ in list_suites(tmp_path)}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_suite_loads_under_its_own_name(name: str) -> None:
    suite = load_suite(str(FOLDER / f"{name}.yaml"), algorithms=known_algorithms())
    assert suite.name == name
    extra = ["dime-gaussian"] if name == "learns" else []
    assert suite.algorithms == [ALGORITHMS[0], *extra, *ALGORITHMS[1:]]
    assert suite.description


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_suite_writes_its_protocol_out(name: str) -> None:
    data = load_yaml(FOLDER / f"{name}.yaml")
    assert {*data["budget"]} == {"env_steps", "action_repeat"}
    assert {*data["evaluation"]} == {"interval", "episodes"}
    assert "kind" in data["score"]


@pytest.mark.parametrize("name", FULL_SIZE)
def test_the_protocol_at_full_size(name: str) -> None:
    suite = load_suite(str(FOLDER / f"{name}.yaml"))
    assert (suite.budget.env_steps, suite.budget.action_repeat) == (1_000_000, 1)
    assert (suite.evaluation.interval, suite.evaluation.episodes) == (25_000, 10)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_figure_has_a_comment(name: str) -> None:
    """Where a figure comes from stands beside it, or above the block that it belongs to."""
    commented = True
    for line in (FOLDER / f"{name}.yaml").read_text().splitlines():
        if not line.strip() or re.fullmatch(r"\S+:", line):
            commented = False
        commented = commented or "#" in line
        if re.search(r":\s*\[?-?\d", line):
            assert commented, line


def test_the_quickstart_sets_no_algorithm_back() -> None:
    """What the algorithms share is set for all of them at once; an algorithm's own section holds its own settings."""
    suite = load_suite(str(FOLDER / "quick.yaml"), algorithms=known_algorithms())
    fields = {name: {*load_algorithm(name).Settings.__dataclass_fields__} for name in suite.algorithms}
    for name in suite.algorithms:
        others = set().union(*(fields[other] for other in suite.algorithms if other != name))
        assert not {*suite.settings.get(name, {})} & others


def test_dmc_hard_and_dmc_full_hold_the_published_tasks() -> None:
    hard, full = (load_suite(str(FOLDER / f"{name}.yaml")).tasks for name in ("dmc-hard", "dmc-full"))
    assert len(hard) == 7
    assert len(full) == 15
    assert full[:7] == hard
    assert "dm_control/finger-turn_hard" in full
    assert "dm_control/acrobot-swingup" in full


def test_gym_scores_are_normalised_task_by_task() -> None:
    suite = load_suite(str(FOLDER / "gym-mujoco.yaml"))
    assert {*suite.score.tasks} == {*suite.tasks}
    assert suite.bounds("gymnasium/Humanoid-v5").upper == 5165
    for name in ("dime", "dime-gaussian"):
        assert suite.settings[name] == {"v_min": -1600, "v_max": 1600}
    assert suite.settings["crossq"]["learning_rate"] == 1e-3
