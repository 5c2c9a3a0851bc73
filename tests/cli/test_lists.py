"""`status`, `suites`, `algos` and `show`: lines for people, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.cli.calls import TASK, Answer, Call, cell, refused

SHIPPED = ["dmc-full", "dmc-hard", "gym-mujoco", "learns", "quick"]


def parsed(answer: Answer) -> Any:
    """What a --json answer says; nothing else may be said."""
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)


def told(answer: Answer) -> list[str]:
    """The lines of an answer, spaces between columns as one."""
    assert (answer.code, answer.err) == (0, "")
    assert "\x1b" not in answer.out
    assert all(line == line.rstrip() for line in answer.lines)
    return [" ".join(line.split()) for line in answer.lines]


def test_status_tells_a_line_per_cell(dimebench: Call, results: Path) -> None:
    file = cell(results, "sac") / "seed-001" / "run.json"
    content = json.loads(file.read_text())
    content |= {"status": "interrupted", "progress": content["progress"] | {"env_step": 30}}
    file.write_text(json.dumps(content))
    assert told(dimebench("status")) == [
        "tiny: 8 runs of 4 algorithms on 1 task, 7 finished, 1 interrupted",
        "algorithm task seeds finished other env steps",
        "crossq cartpole-balance 2 2 60",
        "dime cartpole-balance 2 2 60",
        "random cartpole-balance 2 2 60",
        "sac cartpole-balance 2 1 1 interrupted 30 of 60",
    ]
    assert told(dimebench("status", "suite=tiny")) == told(dimebench("status"))


def test_status_for_programs_is_every_run_json_with_its_path(dimebench: Call, results: Path) -> None:
    runs = parsed(dimebench("status", "--json"))
    assert len(runs) == 8
    for run in runs:
        path, held_by = Path(run.pop("path")), run.pop("held_by")
        assert held_by is None  # nobody trains
        assert path == cell(Path("results"), run["variant"]) / f"seed-{run['seed']:03d}"
        assert run == json.loads((path / "run.json").read_text())
    assert parsed(dimebench("status", "--json", "suite=tiny")) == parsed(dimebench("status", "--json"))


def test_suites_are_those_shipped_and_ones_own(dimebench: Call, place: Path) -> None:
    (place / "suites" / "torn.yaml").write_text("tasks: [dm_control/dog-run\n")
    lines = told(dimebench("suites"))
    assert lines[0] == "suite tasks env steps what it is"
    assert [line.split()[0] for line in lines[1:]] == [*SHIPPED, "tiny", "torn"]
    assert lines[6] == "tiny 1 60 Small enough for a test"
    assert lines[7].startswith("torn cannot be used: suites/torn.yaml:2: malformed YAML: ")

    rows = {row["name"]: row for row in parsed(dimebench("suites", "--json"))}
    assert list(rows) == [*SHIPPED, "tiny", "torn"]
    assert rows["tiny"] == {
        "name": "tiny",
        "path": "suites/tiny.yaml",
        "tasks": 1,
        "env_steps": 60,
        "algorithms": ["dime", "crossq", "sac", "random"],
        "description": "Small enough for a test",
    }
    assert rows["torn"].keys() == {"name", "path", "error"}


def test_algos_are_told_with_what_they_are(dimebench: Call) -> None:
    lines = told(dimebench("algos"))
    assert lines[0] == "algorithm what it is source"
    assert [line.split()[0] for line in lines[1:6]] == ["dime", "dime-gaussian", "crossq", "sac", "random"]
    assert lines[5] == "random uniform random actions, the floor dimebench.agents.random:Random"
    rows = parsed(dimebench("algos", "--json"))
    assert [row["name"] for row in rows[:5]] == ["dime", "dime-gaussian", "crossq", "sac", "random"]
    assert all(set(row) == {"name", "summary", "source"} and all(row.values()) for row in rows)


def test_show_of_a_suite_is_its_whole_protocol(dimebench: Call) -> None:
    lines = told(dimebench("show", "tiny"))
    assert lines[:6] == [
        "suite tiny",
        "path suites/tiny.yaml",
        "description Small enough for a test",
        f"tasks {TASK}",
        "algorithms dime, crossq, sac, random",
        "budget.env_steps 60",
    ]
    assert "settings.all.critic_hidden 16, 16" in lines
    facts = parsed(dimebench("show", "tiny", "--json"))
    assert facts["evaluation"] == {"interval": 30, "episodes": 1}
    assert facts["settings"]["dime"]["diffusion_steps"] == 1
    assert parsed(dimebench("show", "suites/tiny.yaml", "--json")) == facts


def test_show_of_an_algorithm_is_its_settings_with_their_sources(dimebench: Call) -> None:
    lines = told(dimebench("show", "dime"))
    assert lines[0] == "algorithm dime"
    assert "diffusion_steps 16 N; the paper's ablation: 2 is poor, 16 and 32 alike" in lines
    assert "critic_hidden 2048, 2048" in lines
    facts = parsed(dimebench("show", "dime", "--json"))
    assert facts["settings"]["critic_hidden"] == [2048, 2048]
    assert told(dimebench("show", "random"))[-1] == "source dimebench.agents.random:Random"


def test_show_of_a_variant_has_its_settings_applied(dimebench: Call) -> None:
    facts = parsed(dimebench("show", "dime:utd=4:diffusion_steps=8", "--json"))
    assert facts["algorithm"] == "dime:diffusion_steps=8:utd=4"
    assert (facts["settings"]["utd"], facts["settings"]["diffusion_steps"]) == (4, 8)


def test_show_of_a_task_is_its_sizes(dimebench: Call) -> None:
    lines = told(dimebench("show", TASK))
    assert lines == [
        f"task {TASK}",
        "observation 5",
        "action 1",
        "env steps per episode 1000",
        "observation order.position 3",
        "observation order.velocity 2",
    ]
    facts = parsed(dimebench("show", TASK, "--json"))
    assert facts["observation order"] == {"position": 3, "velocity": 2}
    assert dimebench("show", "dog-run").out == dimebench("show", "dm_control/dog-run").out


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("dmie", "unknown suite, algorithm or task 'dmie' (nearest: dime)"),
        ("tinny", "unknown suite, algorithm or task 'tinny' (nearest: tiny)"),
        ("dog-rnu", "unknown suite, algorithm or task 'dog-rnu' (nearest: dog-run)"),
        ("tiny.yaml", "tiny.yaml: no such file; suite=tiny is the suite of that name"),
        ("dime:utd", "dime:utd: 'utd' is not key=value"),
        ("dime:udt=3", "dime.udt: unknown setting (nearest: utd)"),
        ("dime:utd=0", "dime.utd=0: must be at least 1"),
        (
            "gymnasium/CartPole-v1",
            "gymnasium/CartPole-v1: not one of Gymnasium's MuJoCo tasks with continuous (Box) actions",
        ),
    ],
)
def test_show_of_what_is_not_there_names_the_nearest(name: str, line: str, dimebench: Call) -> None:
    refused(dimebench("show", name), line)
    refused(dimebench("show", name, "--json"), line)


def test_show_of_an_unknown_task_names_the_nearest_once(dimebench: Call) -> None:
    answer = dimebench("show", "dm_control/dog-rnu")
    assert answer.err.startswith("dimebench: unknown task 'dm_control/dog-rnu' (nearest: dm_control/dog-run")
    assert (answer.code, answer.err.count("nearest"), answer.err.count("known:")) == (2, 1, 0)


def test_a_terminal_gets_a_table_with_names_as_they_are(
    dimebench: Call, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def at(width: int, *words: str) -> list[str]:
        terminal = Console(force_terminal=True, width=width, highlight=False, markup=False, color_system=None)
        monkeypatch.setattr("dimebench.cli.common.output.console", terminal)
        answer = dimebench(*words)
        assert (answer.code, answer.err) == (0, "")
        assert max(map(len, answer.lines)) <= width
        return answer.lines

    long = "sac:mode=[bold]:smile:actor_hidden=[1024,1024]:critic_hidden=[2048,2048]"
    for file in cell(results, "sac").glob("seed-*/run.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"variant": long, "suite": "other"}))
    wide, narrow = at(200, "status"), at(80, "status")
    assert [line.split()[:2] for line in wide[1:] if line.startswith("other")] == [["other", long]]
    folded = [line.split()[line.startswith("other")] for line in narrow[3:] if line[:5] in ("other", "     ")]
    assert "".join(folded) == long
    assert all(part[-1] in ":=,_]" for part in folded), "names are folded at their joints"
    assert "diffusion_steps" in " ".join(at(80, "show", "dime"))
    for words in (["suites"], ["algos"], ["show", "dmc-hard"]):
        words_whole = set(" ".join(dimebench(*words).lines).split())
        assert set(" ".join(at(80, *words)).split()) - words_whole - {"─" * 80} == set()


def test_tasks_of_two_libraries_with_one_name_keep_their_library() -> None:
    from dimebench.config.names import shown_tasks

    tasks = ["dm_control/dog-run", "mine/dog-run", "dm_control/dog-walk"]
    assert list(shown_tasks(tasks).values()) == ["dm_control/dog-run", "mine/dog-run", "dog-walk"]


def test_status_names_the_traceback_of_a_failed_run(dimebench: Call, results: Path) -> None:
    file = cell(results, "sac") / "seed-001" / "run.json"
    content = json.loads(file.read_text()) | {"status": "failed", "reason": "RuntimeError: boom"}
    file.write_text(json.dumps(content))
    line = f"failed: sac on {TASK} seed 1: RuntimeError: boom"
    assert dimebench("status").lines[-1] == line
    details = cell(Path("results"), "sac") / "checkpoints" / content["block"] / "error.txt"
    details.parent.mkdir(parents=True, exist_ok=True)
    details.write_text("Traceback")
    assert dimebench("status").lines[-1] == f"{line} (traceback: {details})"
