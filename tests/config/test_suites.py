"""Suite files: finding them, and the line for each thing that can be wrong in one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dimebench.config import Bounds, ConfigError, Suite, find_suite, list_suites, load_suite
from tests.config.conftest import SMALL, Write

ALGORITHMS = ["dime", "crossq", "sac", "random"]
TASKS = "tasks: [dm_control/dog-run]\n"
BOTH = TASKS + "algorithms: [dime]\n"
AT = "suites/small.yaml"


def refusal(text: str, write: Write) -> str:
    write(text)
    with pytest.raises(ConfigError) as caught:
        load_suite("small", algorithms=ALGORITHMS)
    return str(caught.value)


def test_a_suite_is_what_its_file_says(small: Path) -> None:
    suite = load_suite("small", algorithms=ALGORITHMS)
    assert suite.tasks == ["dm_control/walker-run", "dm_control/dog-run", "gymnasium/Ant-v5"]
    assert (suite.budget.env_steps, suite.budget.action_repeat) == (1000, 1)
    assert (suite.evaluation.interval, suite.evaluation.episodes) == (25_000, 10)
    assert suite.score.kind == "final"
    assert suite.bounds("dm_control/dog-run") == Bounds(lower=0, upper=1000)
    assert suite.bounds("gymnasium/Ant-v5") == Bounds(lower=-70.5, upper=3942)
    assert suite.settings == {"all": {"batch_size": 32}, "dime": {"diffusion_steps": 4}}
    assert suite.task_settings == {"gymnasium/Ant-v5": {"dime": {"v_max": 1600}}}


def test_a_suite_without_a_name_is_called_after_its_file(write: Write) -> None:
    write(BOTH)
    assert load_suite("small").name == "small"


def test_a_suite_that_is_called_by_name_has_the_name_of_its_file(write: Write) -> None:
    """Its results would lie under the other name, where `status suite=small` finds none."""
    line = f"{AT}:2: name: 'other' is not the file's name: leave it out, or rename the file"
    assert refusal("description: mine\nname: other\n" + BOTH, write) == line
    assert load_suite(AT).name == "other", "called by its path, it has the name that it gives itself"


def test_variants_in_a_suite_get_their_canonical_names(write: Write) -> None:
    write(TASKS + "algorithms: [dime, 'dime:utd=1e0:critic_hidden=[64, 64]']\n")
    assert load_suite("small").algorithms == ["dime", "dime:critic_hidden=[64,64]:utd=1"]


def test_a_suite_cannot_be_changed() -> None:
    suite = Suite(name="a", tasks=["dm_control/dog-run"], algorithms=["dime"])
    with pytest.raises(ValidationError, match="frozen"):
        suite.name = "b"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BOTH + "budgt: {}\n", f"{AT}:3: budgt: unknown key (nearest: budget)"),
        ("task: [dm_control/dog-run]\n", f"{AT}:1: task: unknown key (nearest: tasks)"),
        (BOTH + "zzz: 1\n", f"{AT}:3: zzz: unknown key (known: name, description, tasks, algorithms, budget, "
         "evaluation, score, settings, ...)"),
        (BOTH + "evaluation:\n  episodes: 3\n  intervall: 5\n",
         f"{AT}:5: evaluation.intervall: unknown key (nearest: interval)"),
        (BOTH + "score:\n  tasks:\n    dm_control/dog-run: {lower: 0, uper: 1}\n",
         f"{AT}:5: score.tasks.dm_control/dog-run.uper: unknown key (nearest: upper)"),
        (BOTH + "score:\n  tasks:\n    dm_control/dog-run: {lower: 0}\n",
         f"{AT}:5: score.tasks.dm_control/dog-run.upper: is missing"),
        ("description: x\n", f"{AT}: tasks: is missing"),
        (TASKS, f"{AT}: algorithms: is missing"),
        (BOTH + "budget:\n  env_steps: many\n", f"{AT}:4: budget.env_steps: must be a whole number, not 'many'"),
        (BOTH + "budget: {env_steps: '8'}\n", f"{AT}:3: budget.env_steps: must be a whole number, not '8'"),
        (BOTH + "budget: {env_steps: true}\n", f"{AT}:3: budget.env_steps: must be a whole number, not true"),
        (BOTH + "budget: {env_steps: 1.5}\n", f"{AT}:3: budget.env_steps: must be a whole number, not 1.5"),
        (BOTH + "budget: {env_steps: -5}\n", f"{AT}:3: budget.env_steps: must be at least 1, not -5"),
        (BOTH + "budget: {env_steps: 1e13}\n",
         f"{AT}:3: budget.env_steps: must be at most 1000000000000, not 10000000000000"),
        (BOTH + "budget: 5\n", f"{AT}:3: budget: must be a mapping of keys to values, not 5"),
        (BOTH + "budget:\n", f"{AT}:3: budget: must be a mapping of keys to values, not null"),
        (BOTH + "description: 5\n", f"{AT}:3: description: must be text, not 5"),
        (BOTH + "score: {upper: x}\n", f"{AT}:3: score.upper: must be a number, not 'x'"),
        (BOTH + "score: {upper: -1}\n", f"{AT}:3: score.upper: must be more than lower, 0"),
        (BOTH + "score: {kind: best}\n", f"{AT}:3: score.kind: must be 'final' or 'auc', not 'best'"),
        ("tasks: dm_control/dog-run\nalgorithms: [dime]\n",
         f"{AT}:1: tasks: must be a list, not 'dm_control/dog-run'"),
        ("tasks: []\nalgorithms: [dime]\n", f"{AT}:1: tasks: must not be empty"),
        (TASKS + "algorithms: []\n", f"{AT}:2: algorithms: must not be empty"),
        ("tasks:\n- dm_control/dog-run\n- dog-walk\nalgorithms: [dime]\n",
         f"{AT}:3: tasks[1]: 'dog-walk' is no task name: write LIBRARY/TASK, such as "
         "dm_control/dog-run or gymnasium/Ant-v5"),
        ("tasks:\n- dm_control/dog-run\n- dm_control/dog-run\nalgorithms: [dime]\n",
         f"{AT}:3: tasks[1]: dm_control/dog-run stands twice"),
        (TASKS + "algorithms:\n- dime\n- dime:utd=1\n- dime:utd=1.0\n",
         f"{AT}:5: algorithms[2]: dime:utd=1 stands twice"),
        (TASKS + "algorithms:\n- dime\n- dme\n", f"{AT}:4: algorithms[1]: unknown algorithm 'dme' (nearest: dime)"),
        (TASKS + "algorithms:\n- dime\n- crosq:utd=2\n",
         f"{AT}:4: algorithms[1]: unknown algorithm 'crosq' (nearest: crossq)"),
        (TASKS + "algorithms:\n- dime:utd\n", f"{AT}:3: algorithms[0]: dime:utd: 'utd' is not key=value"),
        (BOTH + "settings:\n  dme:\n    utd: 1\n", f"{AT}:4: settings.dme: unknown algorithm 'dme' (nearest: dime)"),
        (BOTH + "settings:\n  dime: 5\n", f"{AT}:4: settings.dime: must be a mapping of keys to values, not 5"),
        (BOTH + "settings:\n  dime:\n    a b: 5\n", f"{AT}:5: settings.dime.a b: 'a b' is no setting's name"),
        (BOTH + "task_settings:\n  dm_control/dog-run:\n    sax: {utd: 1}\n",
         f"{AT}:5: task_settings.dm_control/dog-run.sax: unknown algorithm 'sax' (nearest: sac)"),
        (BOTH + "task_settings:\n  dm_control/dog-rum:\n    sac: {utd: 1}\n",
         f"{AT}:4: task_settings.dm_control/dog-rum: is no task of this suite (nearest: dm_control/dog-run)"),
        (BOTH + "score:\n  tasks:\n    dm_control/dog-rum: {lower: 0, upper: 1}\n",
         f"{AT}:5: score.tasks.dm_control/dog-rum: is no task of this suite (nearest: dm_control/dog-run)"),
        ("name: ../x\n" + BOTH,
         f"{AT}:1: name: '../x' is no suite name: lower-case letters, digits, '.', '_' and '-'"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_file_has_its_line(write: Write, text: str, line: str) -> None:
    assert refusal(text, write) == line


@pytest.mark.parametrize(
    "name", ["..", ".", "/etc", "a/b", "a\\b", "-x", "Upper", "a b", "a\n", "", "x" * 65, "~", "é"]
)
def test_a_suite_name_never_leads_out_of_the_results(name: str) -> None:
    with pytest.raises(ValidationError):
        Suite(name=name, tasks=["dm_control/dog-run"], algorithms=["dime"])


@pytest.mark.parametrize(
    "task",
    [
        "dog-run", "dm_control/..", "dm_control/.", "dm_control/../../x", "dm_control/a/b", "dm_control/a..b",
        "Other/x", "dm_control/", "gymnasium/a b", "dm_control/a\n", "/dm_control/x", "gymnasium/" + "x" * 101,
    ],
)  # fmt: skip
def test_a_task_name_never_leads_out_of_the_results(task: str) -> None:
    with pytest.raises(ValidationError):
        Suite(name="a", tasks=[task], algorithms=["dime"])


def test_a_suite_is_found_by_name_by_path_and_among_the_shipped(small: Path, tmp_path: Path) -> None:
    assert find_suite("small") == Path("suites/small.yaml")
    assert find_suite("suites/small.yaml") == Path("suites/small.yaml")
    assert find_suite(str(tmp_path / "suites" / "small.yaml")) == tmp_path / "suites" / "small.yaml"
    assert find_suite("dmc-hard").name == "dmc-hard.yaml"
    assert find_suite("small", cwd=tmp_path) == tmp_path / "suites" / "small.yaml"


def test_a_suite_of_ones_own_hides_the_shipped_one(small: Path) -> None:
    small.rename("suites/quick.yaml")
    assert find_suite("quick") == Path("suites/quick.yaml")
    assert dict(list_suites())["quick"] == Path("suites/quick.yaml")


def test_every_suite_that_can_be_called_is_listed_once(small: Path) -> None:
    Path("suites/Not A Name.yaml").write_text(SMALL)
    Path("suites/folder.yaml").mkdir()
    names = [name for name, _ in list_suites()]
    assert names == sorted({*names})
    assert {"small", "quick", "dmc-hard", "dmc-full", "gym-mujoco"} <= {*names}
    assert not {"Not A Name", "folder"} & {*names}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dmc-hart", "unknown suite 'dmc-hart' (nearest: dmc-hard)"),
        ("DMC-HARD", "unknown suite 'DMC-HARD' (nearest: dmc-hard)"),
        ("../small", "unknown suite '../small' (nearest: small)"),
        ("zzzzz", "unknown suite 'zzzzz' (known: dmc-full, dmc-hard, gym-mujoco, learns, quick, small)"),
        ("nope.yaml", "nope.yaml: no such file (known: dmc-full, dmc-hard, gym-mujoco, learns, quick, small)"),
        ("quick.yaml", "quick.yaml: no such file; suite=quick is the suite of that name"),
        ("suites/nope.yml", "suites/nope.yml: no such file"),
        ("suites", "unknown suite 'suites' (known: dmc-full, dmc-hard, gym-mujoco, learns, quick, small)"),
    ],
)
def test_an_unknown_suite_names_those_that_exist(small: Path, name: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_suite(name)
    assert str(caught.value) == line


def test_a_directory_called_like_a_suite(small: Path) -> None:
    Path("other.yaml").mkdir()
    for name in ("other.yaml", "./other.yaml"):
        with pytest.raises(ConfigError, match=r"^other\.yaml: is a directory, not a YAML file$"):
            load_suite(name)
