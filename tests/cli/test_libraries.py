"""Tasks of another package's environment library, and libraries by the names that other tools give them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dimebench.store import read_evals, read_runs
from tests.cli.calls import Call, process, refused
from tests.envs.package import install, install_here

SUITE = """\
tasks: [line/reach, frail/reach]
algorithms: [random]
budget: {env_steps: 20}
evaluation: {interval: 10, episodes: 2}
score: {lower: -10, upper: 0}
"""


def test_a_suite_of_another_packages_tasks_is_trained(place: Path) -> None:
    env = {"PYTHONPATH": f"{install(place / 'site')}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    (place / "suites" / "line.yaml").write_text(SUITE)
    answer = process("run", "suite=line", "--seeds", "1", "--workers", "1", cwd=place, env=env)
    assert (answer.code, answer.trouble) == (0, "")
    runs = {run.task: run for run in read_runs(place / "results")}
    assert {task: set(read_evals([run])["success"]) for task, run in runs.items()} == {
        "line/reach": {True},
        "frail/reach": {False},
    }


def test_doctor_says_which_library_cannot_be_imported(
    dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dimebench import doctor

    install_here(place / "site", monkeypatch)
    for check in ("rendering", "device", "versions"):
        monkeypatch.setattr(doctor, check, lambda: iter(()))
    monkeypatch.setattr(doctor, "resume", lambda make: iter(()))
    answer = dimebench("doctor", "suite=tiny", "--json")
    found = {check["name"]: check["detail"] for check in json.loads(answer.out) if check["group"] == "library"}
    assert answer.code == 3
    assert found["line"] == "3 tasks"
    assert found["absent"] == "absent cannot be imported: No module named 'a_simulator_that_is_not_there'"


def test_an_unknown_library_is_an_unknown_task(dimebench: Call, place: Path) -> None:
    refused(dimebench("show", "dmcontrol/dog-run"), "unknown task 'dmcontrol/dog-run' (nearest: dm_control/dog-run)")


@pytest.mark.parametrize(
    ("family", "task", "full"),
    [
        ("dmc", "dog-run", "dm_control/dog-run"),
        ("gym", "Ant-v4", "gymnasium/Ant-v4"),
        ("myosuite", "myo-key-turn", "myosuite/myo-key-turn"),
    ],
)
def test_curves_are_imported_under_the_librarys_own_name(
    family: str, task: str, full: str, dimebench: Call, place: Path
) -> None:
    (place / "curves.csv").write_text(
        f"algorithm,env_suite,task,seed,env_step,score\nSAC,{family},{task},0,1000,0.5\n"
    )
    assert dimebench("import", "curves.csv").code == 0
    assert [run.task for run in read_runs(place / "results")] == [full]
    assert (place / "results" / f"external-{full.split('/')[0]}").is_dir()


def test_a_misspelt_task_of_a_library_is_refused(dimebench: Call, place: Path) -> None:
    (place / "curves.csv").write_text("algorithm,env_suite,task,seed,env_step,score\nSAC,dmc,dog-rum,0,1000,50.0\n")
    answer = dimebench("import", "curves.csv")
    assert answer.code == 2
    assert answer.err.startswith("dimebench: curves.csv: unknown task 'dmc/dog-rum' (nearest: dm_control/dog-run")
