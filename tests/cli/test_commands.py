"""Commands, options and their values: what is wrong is said in one line, with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.calls import Call, process, refused, snapshot

COMMANDS = (
    "run, plan, cancel, compare, power, report, status, suites, algos, show, export, import, render, bench, doctor"
)
FIRST_EIGHT = COMMANDS.partition(", algos")[0]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["bogus"], f"unknown command 'bogus' (known: {FIRST_EIGHT}, ...)"),
        (["comapre"], "unknown command 'comapre' (nearest: compare)"),
        (["comapre", "--debgu"], "unknown command 'comapre' (nearest: compare)"),
        (["run", "--workers", "two"], "--workers two: must be a whole number"),
        (["run", "--workers", "-1"], "--workers -1: must be at least 0"),
        (["run", "--workers", "1.5"], "--workers 1.5: must be a whole number"),
        (["run", "--checkpoint-every", "0"], "--checkpoint-every 0: must be a number of seconds above 0"),
        (["run", "--checkpoint-every", "-3"], "--checkpoint-every -3: must be a number of seconds above 0"),
        (["run", "--checkpoint-every", "nan"], "--checkpoint-every nan: must be a number of seconds above 0"),
        (["run", "--checkpoint-every", "soon"], "--checkpoint-every soon: must be a number of seconds above 0"),
        (["run", "suite=tiny", "--on", "slrm"], "--on slrm: unknown engine (nearest: slurm)"),
        (
            ["run", "suite=tiny", "resources.time=30"],
            "resources.time=30: is asked of a cluster, with --on slurm; this machine is not asked",
        ),
        (
            ["run", "suite=tiny", "--wait"],
            "--wait: is for clusters, with --on slurm; here the command lasts as long as the training",
        ),
        (["run", "suite=tiny", "--chain", "fusd"], "--chain fusd: unknown (nearest: fused)"),
        (
            ["run", "suite=tiny", "--device", "cpu", "--chain", "fused"],
            "--chain fused: needs a CUDA device; this run is on the CPU",
        ),
        (
            ["run", "suite=tiny", "--device", "cpu", "--mode", "compile+graph"],
            "--mode compile+graph: needs a CUDA device; this run is on the CPU",
        ),
        (
            ["run", "suite=tiny", "--device", "cpu", "--precision", "tf32"],
            "--precision tf32: needs a CUDA device; this run is on the CPU",
        ),
        (["run", "suite=tiny", "--device", "gpu"], "--device gpu: unknown device (known: auto, cpu, cuda)"),
        (["compare", "dime", "sac", "--budget", "-5"], "--budget -5: must be at least 1 env step"),
        (["compare", "dime", "sac", "--budget", "0"], "--budget 0: must be at least 1 env step"),
        (["compare", "dime", "sac", "--budget", "all"], "--budget all: must be a whole number"),
        (["report", "--budget", "-5"], "--budget -5: must be at least 1 env step"),
        (["report", "--budget", "1e-3"], "--budget 1e-3: must be a whole number"),
        (["report", "--formats", "gif"], "--formats gif: unknown format 'gif' (known: svg, png, pdf)"),
        (["report", "--formats", "svg,jpg"], "--formats svg,jpg: unknown format 'jpg' (known: svg, png, pdf)"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_commands_and_options_are_named(arguments: list[str], line: str, dimebench: Call, place: Path) -> None:
    before = snapshot(place)
    refused(dimebench(*arguments), line)
    assert snapshot(place) == before


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["run", "--seed", "3"], ["--seed", "--seeds"]),
        (["run", "suite=tiny", "--resluts", "x"], ["--resluts", "--results"]),
        (["run", "suite=tiny", "--seeds"], ["--seeds"]),
        (["show"], ["NAME"]),
        (["show", "dime", "sac"], ["sac"]),
        (["suites", "tiny"], ["tiny"]),
        (["--results", "x", "run"], ["--results"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_what_the_option_parser_refuses_is_one_line_as_well(
    arguments: list[str], names: list[str], dimebench: Call
) -> None:
    answer = dimebench(*arguments)  # the wording is Typer's, and changes with its version
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("dimebench: ")
    assert len(answer.err.splitlines()) == 1
    assert all(name in answer.err for name in names)


@pytest.mark.parametrize(
    ("seeds", "problem"),
    [
        ("x", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("-3", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("3-", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("1-2-3", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("1,,2", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("1.5", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("²", "write a number (10), a range (3-7) or a list (1,4,9)"),
        ("0", "at least one seed is needed"),
        ("5-3", "the range 5-3 ends before it begins"),
        ("0-10000", "at most 10000 seeds at a time"),
        ("999999999", "at most 10000 seeds at a time"),
        ("1-999999999", "at most 10000 seeds at a time"),
        ("10000000000000000000", "seeds go from 0 to 999999999"),
        ("1,9999999999-9999999999", "seeds go from 0 to 999999999"),
    ],
)
def test_seeds_that_are_none_are_named(seeds: str, problem: str, dimebench: Call) -> None:
    refused(dimebench("run", "suite=tiny", f"--seeds={seeds}"), f"--seeds {seeds}: {problem}")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", [0, 1, 2]), ("3-5", [3, 4, 5]), ("9,1,4", [1, 4, 9]), ("7-7", [7]), ("1,3-5,4", [1, 3, 4, 5])],
)
def test_seeds_are_a_number_a_range_or_a_list(text: str, seeds: list[int]) -> None:
    from dimebench.cli.common.parsers import parse_seeds

    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS.split(", "))], ids=str)
def test_every_command_has_help(command: list[str], dimebench: Call) -> None:
    for option in ("--help", "-h"):
        answer = dimebench(*command, option)
        assert (answer.code, answer.err) == (0, "")
        assert answer.out.startswith("Usage: ")


def test_the_version_is_told(dimebench: Call) -> None:
    from dimebench import __version__

    answer = dimebench("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"dimebench {__version__}\n", "")


def test_a_real_process_says_the_same_and_debug_adds_the_traceback(place: Path) -> None:
    line = "no results folder at 'nope'"
    refused(process("compare", "dime", "sac", "--results", "nope", cwd=place), line)
    answer = process("compare", "dime", "sac", "--results", "nope", "--debug", cwd=place)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.startswith("Traceback (most recent call last):\n")
    assert answer.err.endswith(f"\ndimebench: {line}\n")


def test_debug_may_stand_anywhere(dimebench: Call) -> None:
    for arguments in (["--debug", "show", "dmie"], ["show", "--debug", "dmie"]):
        answer = dimebench(*arguments)
        assert answer.code == 2
        assert "Traceback" in answer.err


def test_a_defect_of_ours_is_one_line_too(dimebench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("dimebench.config.list_suites", broken)
    refused(dimebench("suites"), "internal error: ZeroDivisionError: division by zero (--debug shows where)", code=1)


def test_ctrl_c_has_a_code_of_its_own_and_no_traceback(dimebench: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("dimebench.config.list_suites", stop)
    answer = dimebench("suites")
    assert (answer.code, answer.out) == (130, "")
    assert answer.err.strip() in ("", "dimebench: interrupted"), "the terminal shows ^C already"


def test_control_characters_of_a_name_never_reach_the_terminal(dimebench: Call) -> None:
    answer = dimebench("show", "di\x1b[2Jme\n\x07")
    assert answer.code == 2
    assert answer.err.removesuffix("\n").isprintable()
