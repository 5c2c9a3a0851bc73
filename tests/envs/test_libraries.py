"""Libraries are found by name, loaded late, and say themselves what the rest of the package knows of them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import dimebench
from dimebench.envs import (
    EnvError,
    UnknownTaskError,
    known_libraries,
    known_tasks,
    library_of,
    loaded_libraries,
    make_vector_env,
    physics_fingerprint,
    task_spec,
)
from tests.envs.package import install_here
from tests.envs.test_save_restore import Walk, assert_same


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package is there for this process and those that it starts; it was not when this process began."""
    install_here(tmp_path / "site", monkeypatch)


@pytest.mark.usefixtures("installed")
def test_a_package_adds_a_library_while_the_process_runs() -> None:
    assert known_libraries() == [
        "dm_control",
        "gymnasium",
        "absent",
        "broken",
        "frail",
        "line",
        "misnamed",
        "strange",
    ]
    assert list(loaded_libraries()) == ["dm_control", "gymnasium", "absent", "frail", "line"]
    assert known_tasks("line") == ["line/reach", "line/dance", "line/stuck"]
    assert {"dm_control/dog-run", "gymnasium/Ant-v5", "line/reach"} <= set(known_tasks())
    assert library_of("gymnasium/Ant-v5").prefix == "gymnasium", "nobody takes a built-in prefix"
    spec = task_spec("line/reach", action_repeat=3)
    assert (spec.obs_dim, spec.act_dim, spec.max_episode_steps) == (2, 1, 3)
    assert len({physics_fingerprint(task) for task in ("line/reach", "frail/reach")}) == 2


def test_a_package_that_is_gone_is_forgotten() -> None:
    with pytest.raises(UnknownTaskError, match="unknown task 'line/reach'"):
        task_spec("line/reach")


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("task", "line"),
    [
        ("absent/x", "absent cannot be imported: No module named 'a_simulator_that_is_not_there'"),
        (
            "broken/x",
            "environment library 'broken' (a_package_that_is_not_there:Nothing) cannot be loaded: "
            "No module named 'a_package_that_is_not_there'",
        ),
        ("strange/x", "environment library 'strange' (line_tasks:Point) is not a Library class"),
        ("misnamed/x", "environment library 'misnamed' (line_tasks:Line) says that its prefix is 'line'"),
        ("line/stuck", "line/stuck cannot be loaded: the simulator's licence has run out"),
        ("line/dansce", "unknown task 'line/dansce' (nearest: line/dance)"),
    ],
)
def test_what_cannot_be_used_is_one_line_where_it_is_asked_for(task: str, line: str) -> None:
    with pytest.raises(EnvError) as caught:
        task_spec(task)
    assert str(caught.value) == line
    if "cannot be imported" in line:
        with pytest.raises(EnvError, match=re.escape(line)):
            known_tasks(task.partition("/")[0])


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_step_tells_success(workers: int) -> None:
    seeds = np.random.SeedSequence(0).spawn(3)
    reach = make_vector_env("line/reach", seeds, workers=workers)
    dance = make_vector_env("line/dance", seeds, workers=workers)
    reach.reset()
    dance.reset()
    action = np.zeros((3, 1), np.float32)
    for step in range(1, 6):
        assert reach.step(action).success.tolist() == [int(step == 3)] * 3
        assert dance.step(action).success.tolist() == [-1] * 3
    assert reach.step(action, [1]).success.tolist() == [-1, 0, -1], "those left out say nothing"
    reach.close()
    dance.close()


def test_builtin_libraries_have_no_notion_of_success() -> None:
    for task in ("dm_control/pendulum-swingup", "gymnasium/Reacher-v5"):
        envs = make_vector_env(task, [0])
        envs.reset()
        assert envs.step(np.zeros((1, envs.spec.act_dim), np.float32)).success.tolist() == [-1]


@pytest.mark.usefixtures("installed")
def test_a_library_without_mujoco_saves_and_restores_by_itself() -> None:
    here, there = make_vector_env("line/reach", [0, 1]), make_vector_env("line/reach", [2, 3], workers=1)
    here.reset()
    walk = Walk(here)
    walk.to(5)
    there.restore(here.save())
    assert_same(Walk(there, 5, walk.over).to(12), walk.to(12))
    there.close()
    frail = make_vector_env("frail/reach", [0])
    frail.reset()
    with pytest.raises(EnvError, match=r"^frail/reach: tasks of frail cannot be saved or resumed$"):
        frail.save()


def test_adapters_know_what_others_ask() -> None:
    dmc, gym = library_of("dm_control/dog-run"), library_of("gymnasium/Ant-v5")
    assert dmc.bounds("dm_control/dog-run") == (0.0, 1000.0)
    assert gym.bounds("gymnasium/Ant-v5") is None
    assert [task for task in known_tasks() if library_of(task).needs_gl(task)] == ["dm_control/quadruped-escape"]
    assert dmc.body("dm_control/dog-run") == dmc.body("dm_control/dog-walk") != dmc.body("dm_control/hopper-hop")
    assert dmc.footprint("dm_control/dog-run").task > dmc.footprint("dm_control/hopper-hop").task
    assert gym.current("gymnasium/Ant-v4") == "gymnasium/Ant-v5"
    for library in (dmc, gym):
        assert library.resumable
        assert library.packages[0] == "mujoco"


LATE = """
import sys
from dimebench.envs import known_libraries, loaded_libraries, library_of, task_spec
known = loaded_libraries().values()
facts = [(each.prefix, each.packages, each.bounds("x/y"), each.needs_gl("x/y")) for each in known]
assert not {"mujoco", "dm_control", "gymnasium"} & set(sys.modules), "imported too early"
task_spec("gymnasium/Reacher-v5")
assert "dm_control" not in sys.modules, "of no concern"
"""


def test_a_library_is_imported_when_a_task_of_it_is_asked_for() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_nothing_outside_an_adapter_names_a_library() -> None:
    """Docstrings, comments and examples in messages may: no import, and no string to compare a task with."""
    package = Path(dimebench.__file__).parent
    adapters = package / "envs" / "libraries"
    found = [
        f"{file.relative_to(package)}:{node.lineno}"
        for file in package.rglob("*.py")
        if adapters not in file.parents and file != package / "store" / "provenance.py"  # versions, by name
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom | ast.Constant) and _names_a_library(node)
    ]
    assert found == []


def _names_a_library(node: ast.Import | ast.ImportFrom | ast.Constant) -> bool:
    if isinstance(node, ast.Constant):
        return (
            isinstance(node.value, str)
            and re.match(r"(dm_control|dm-control|gymnasium)(/|$)", node.value) is not None
        )
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    return any(name.partition(".")[0] in ("dm_control", "gymnasium") for name in names)
