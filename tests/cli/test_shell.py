"""The command line as shells see it: help in groups, the start, completion of words."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from dimebench.cli.main import COMMANDS, app
from dimebench.cli.shell import known
from dimebench.cli.shell.completion import complete, suggestions
from dimebench.cli.shell.help import GROUPS, START
from tests.cli.calls import Call, process, refused

NAMES = [command.__name__.rstrip("_") for command in COMMANDS]


@pytest.fixture(scope="module")
def tree() -> Any:
    return typer.main.get_command(app)


def test_every_command_stands_in_one_group_with_a_line_that_fits() -> None:
    assert sorted(name for group in GROUPS.values() for name in group) == sorted(NAMES)
    assert all(len(text) <= 80 - 4 - max(map(len, NAMES)) for group in GROUPS.values() for text in group.values())


def test_help_fits_80_columns_and_names_no_types(dimebench: Call, monkeypatch: pytest.MonkeyPatch, tree: Any) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for name in ["", *NAMES]:
        lines = dimebench(*[name] * bool(name), "--help").lines
        assert max(map(len, lines)) <= 80, name
        assert not [line for line in lines if re.search(r"<\w+|\b(TEXT|INTEGER|FLOAT|PATH|BOOLEAN)\b.*\[", line)], (
            name
        )
        assert not [line for line in lines if line.endswith("...") and not line.startswith("Usage")], name
    for name, command in tree.commands.items():
        for each in command.params:
            assert getattr(each, "is_flag", False) or each.metavar, f"{name} {each.name}: say what its value is"


def test_the_start_is_five_short_lines(dimebench: Call) -> None:
    answer = dimebench()
    assert (answer.code, answer.err, answer.out) == (2, "", START + "\n")
    assert len(answer.lines) == 5
    assert max(map(len, answer.lines)) < 80
    assert dimebench("-V").out == dimebench("--version").out


@pytest.fixture
def asked(tree: Any, place: Path) -> Any:
    """What completion offers for a line in a folder with the suite `tiny` and a run of a variant."""
    run = place / "results" / "tiny" / "dime@utd-1" / "dm_control" / "dog-run" / "seed-000"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"variant": "dime:utd=1"}))
    (place / "suites" / "torn.yaml").write_text("tasks: [")
    return lambda line: suggestions(tree, line.split(" "))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("comp", ["compare"]),
        ("run suite=ti", ["suite=tiny"]),
        ("run suite=tiny task=", ["task=cartpole-balance"]),
        ("run task=dm_control/dog-r", ["task=dm_control/dog-run"]),
        ("run algo=dime,s", ["algo=dime,sac"]),
        ("run algo=dime:diff", ["algo=dime:diffusion_steps="]),
        ("run algo=sac,dime:utd=1:diff", ["algo=sac,dime:utd=1:diffusion_steps="]),
        ("run dime.diff", ["dime.diffusion_steps="]),
        ("plan budget.env", ["budget.env_steps="]),
        ("run suite=tiny suite", []),
        ("compare d", ["dime:utd=1"]),
        ("compare --results nowhere d", []),
        ("compare paper:SimbaV2@", []),
        ("cancel algo=", ["algo=dime:utd=1"]),
        ("status suite=", ["suite=tiny"]),
        ("rm ", ["dime:utd=1", "suite=", "task="]),
        ("mv dime:utd=1 task=", ["task=dog-run"]),
        ("rm suite=tiny task=dm_control/d", ["task=dm_control/dog-run"]),
        ("report --style icm", ["icml"]),
        ("plan --rate cro", ["crossq="]),
        ("show cart", ["cartpole-swingup", "cartpole-balance"]),
        ("compare --axis w", ["wall_time"]),
        ("compare --axis=w", ["--axis=wall_time"]),
        ("report --formats svg,pn", ["svg,png"]),
        ("--debug run --until", ["--until-decided"]),
        ("run suite=torn task=", []),
        ("bogus ", []),
    ],
)
def test_words_are_completed(line: str, found: list[str], asked: Any) -> None:
    assert asked(line) == found


@pytest.mark.parametrize("name", ["dime", "dime-gaussian", "crossq", "sac", "random"])
def test_settings_are_read_from_the_source_as_they_are(name: str) -> None:
    from dataclasses import fields

    from dimebench.agents.registry import load_algorithm

    assert known.settings(name) == [each.name for each in fields(load_algorithm(name).Settings)]


def test_values_that_are_offered_are_taken(tree: Any) -> None:
    options = {text: each for command in tree.commands.values() for each in command.params for text in each.opts}
    assert not known.VALUES.keys() - options.keys() - {"--install-completion", "--show-completion"}
    from dimebench.cli.export import FORMATS
    from dimebench.training.execution.modes import CHAINS, MODES, PRECISIONS

    for option, offered in (("--mode", MODES), ("--precision", PRECISIONS), ("--chain", CHAINS)):
        assert known.VALUES[option] == ("auto", *offered)
    assert known.VALUES["--format"] == FORMATS


def test_a_line_that_bash_splits_at_equals_signs_is_completed_behind_them(tree: Any) -> None:
    def after(line: str) -> list[str]:
        return complete(tree, "bash", [f"dimebench {line}", " \t\n\"'><=;|&(:"])

    assert after("run suite=dmc-h") == ["dmc-hard"]
    assert after("run algo=dime,s") == ["dime,sac"]
    assert after("run algo=dime:diff") == ["diffusion_steps="]
    assert after("run 'suite=dmc-h") == ["dmc-hard"]
    assert complete(tree, "bash", ["dimebench run suite=dmc-h", " \t\n"]) == ["suite=dmc-hard"]


def _shell(shell: str, script: str, home: Path) -> str:
    """What a real shell says, in which `dimebench` is this one."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "dimebench"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m dimebench.cli.main "$@"\n')
    program.chmod(0o755)
    env = {**os.environ, "HOME": str(home), "PATH": f"{program.parent}:{os.environ['PATH']}"}
    env |= {"XDG_CONFIG_HOME": "", "XDG_DATA_HOME": "", "SHELL": f"/bin/{shell}"}
    done = subprocess.run([shell, "-c", script], env=env, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_bash_itself_completes_what_was_installed(tmp_path: Path) -> None:
    script = """dimebench --install-completion >/dev/null && . ~/.bashrc && complete -p dimebench
        COMP_LINE="dimebench run suite=dmc-h" COMP_POINT=25
        _dimebench_completion dimebench; echo "${COMPREPLY[@]}" """
    assert _shell("bash", script, tmp_path).splitlines() == [
        "complete -o bashdefault -o default -F _dimebench_completion dimebench",
        "dmc-hard",
    ]


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_itself_completes_what_was_installed(tmp_path: Path) -> None:
    script = 'dimebench --install-completion >/dev/null; complete -C "dimebench run algo=dime,s"'
    assert _shell("fish", script, tmp_path) == "algo=dime,sac\n"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_reads_its_script(tmp_path: Path) -> None:
    assert _shell("zsh", 'eval "$(dimebench --show-completion)"; whence -w _dimebench', tmp_path).startswith(
        "_dimebench"
    )


def test_completion_imports_nothing_heavy_and_says_nothing_of_what_goes_wrong(place: Path) -> None:
    script = (
        "import sys, typer; from dimebench.cli.main import app; from dimebench.cli.shell.completion import complete\n"
        "print(*complete(typer.main.get_command(app), 'zsh', sys.argv[1:]))\n"
        "print(*{'torch', 'mujoco', 'pandas', 'rich', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "run", "dime.diff"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "dime.diffusion_steps=\n\n"
    (place / "suites" / "tiny.yaml").chmod(0)
    (place / "results").write_text("no folder")
    for words in (["run", "task="], ["compare", ""], ["run", "algo=[,:"], ["--"], []):
        answer = process(*words, cwd=place, env={"_DIMEBENCH_COMPLETE": "zsh"})
        assert (answer.code, answer.err) == (0, "")


def test_a_shell_without_completion_is_refused(dimebench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    refused(dimebench("--show-completion", "fsh"), "'fsh': no completion for this shell (nearest: fish)")
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    refused(dimebench("--install-completion"), "'tcsh': no completion for this shell (known: bash, zsh, fish)")
