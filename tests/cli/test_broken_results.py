"""Results that cannot be read, are not there, or do not fit: one line that names the file or what there is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.calls import TASK, Call, cell, half_written, refused, snapshot

READING = (["compare", "dime", "sac"], ["report", "--html"], ["status"], ["status", "--json"])
WHERE = cell(Path("results"), "dime") / "seed-000"
OTHERS = [
    (name, seed) for name in ("crossq", "dime", "random", "sac") for seed in (0, 1) if (name, seed) != ("dime", 0)
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_missing_results_folder_is_named(command: list[str], dimebench: Call, place: Path) -> None:
    refused(dimebench(*command), "no results folder at 'results'")
    refused(dimebench(*command, "--results", "elsewhere/deep"), "no results folder at 'elsewhere/deep'")
    refused(dimebench(*command, "--results", "suites/tiny.yaml"), "no results folder at 'suites/tiny.yaml'")
    assert sorted(snapshot(place)) == ["suites/tiny.yaml"]


def test_an_empty_results_folder_has_no_runs(dimebench: Call, place: Path) -> None:
    (place / "results").mkdir()
    refused(dimebench("compare", "dime", "sac"), "no runs in 'results'")
    refused(dimebench("report"), "no runs in 'results'")
    assert dimebench("status").out == "no runs in 'results'\n"
    assert json.loads(dimebench("status", "--json").out) == []
    assert not (place / "report").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["compare"], "compare takes two algorithms or more, not 0: dimebench compare A B"),
        (["compare", "dime"], "compare takes two algorithms or more, not 1: dimebench compare A B"),
        (["compare", "dime", "dime"], "compare takes two algorithms or more, not 1: dimebench compare A B"),
        (["compare", "dime", "sax"], "no runs of 'sax' in suite tiny (nearest: sac)"),
        (["compare", "dime", "ppo"], "no runs of 'ppo' in suite tiny (nearest: paper:PPO)"),
        (["report", "dime:utd=3"], "no runs of 'dime:utd=3' in suite tiny (nearest: dime)"),
        (["compare", "dime", "sac", "suite=tinny"], "no runs of suite 'tinny' in 'results' (nearest: tiny)"),
        (["compare", "dime", "sac", "suit=tiny"], "suit=tiny: unknown key 'suit' (nearest: suite)"),
        (
            ["compare", "dime", "sac", "suite=tiny", "suite=quick"],
            "suite=quick: suite is already set by suite=tiny",
        ),
        (["report", "dmie"], "no runs of 'dmie' in suite tiny (nearest: dime)"),
        (["report", "suite=tinny"], "no runs of suite 'tinny' in 'results' (nearest: tiny)"),
        (["report", "--out", "suites/tiny.yaml"], "--out suites/tiny.yaml: not a folder"),
        (["report", "--out", "suites/tiny.yaml/x"], "--out suites/tiny.yaml/x: suites/tiny.yaml is not a folder"),
        (["status", "suite=tinny"], "no runs of suite 'tinny' in 'results' (nearest: tiny)"),
        (["status", "dime"], "'dime': status takes suite=NAME alone"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_names_that_the_results_do_not_have_are_refused(
    arguments: list[str], line: str, dimebench: Call, results: Path, place: Path
) -> None:
    before = snapshot(place)
    refused(dimebench(*arguments), line)
    assert snapshot(place) == before


def test_several_suites_want_a_choice(dimebench: Call, results: Path) -> None:
    for file in list(results.rglob("run.json")):
        other = results / "other" / file.relative_to(results / "tiny")
        other.parent.mkdir(parents=True)
        other.write_text(json.dumps(json.loads(file.read_text()) | {"suite": "other"}))
    refused(dimebench("compare", "dime", "sac"), "2 suites in 'results': other, tiny; choose one with suite=NAME")
    assert dimebench("compare", "dime", "sac", "suite=tiny").code == 0


def test_a_budget_below_every_evaluation_is_not_comparable(dimebench: Call, results: Path) -> None:
    line = "no evaluation that all runs share at or below 29 env steps (the first is at 30)"
    refused(dimebench("compare", "dime", "sac", "--budget", "29"), f"not comparable: {line}", code=4)
    refused(dimebench("report", "--budget", "29"), f"not comparable: {line}", code=4)


def test_runs_of_another_protocol_are_not_comparable(dimebench: Call, results: Path) -> None:
    for file in cell(results, "sac").glob("seed-*/run.json"):
        content = json.loads(file.read_text())
        content["identity"]["of"]["protocol"]["action_repeat"] = 1
        file.write_text(json.dumps(content))
    line = f"protocol.action_repeat on {TASK} is 50 for dime and 1 for sac"
    hint = " (--allow protocol compares them all the same)"
    refused(dimebench("compare", "dime", "sac"), f"not comparable: {line}{hint}", code=4)
    refused(dimebench("compare", "dime", "sac", "--allow", "physics"), f"not comparable: {line}{hint}", code=4)
    allowed = dimebench("compare", "dime", "sac", "--allow", "physics,protocol")
    assert allowed.code == 0
    assert f"allowed by --allow protocol: {line}" in allowed.out


def test_an_unknown_difference_is_refused(dimebench: Call, results: Path) -> None:
    line = "--allow phisics: unknown difference 'phisics' (nearest: physics)"
    refused(dimebench("compare", "dime", "sac", "--allow", "phisics"), line)
    refused(dimebench("report", "--allow", "phisics"), line)


def test_a_report_never_lands_outside_its_folder(dimebench: Call, results: Path, place: Path) -> None:
    """The suite's name becomes a folder, and comes from a file."""
    for file in results.glob("tiny/*/*/*/*/run.json"):
        file.write_text(json.dumps(json.loads(file.read_text()) | {"suite": "../../escaped"}))
    answer = dimebench("report", "--html", "--out", "deep/report")
    assert answer.err.endswith("run.json: 'suite' is no name that a folder can have\n")
    assert (answer.code, answer.out) == (2, "")
    assert not list(place.rglob("escaped*"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ":1: not JSON: Expecting value"),
        ('{\n "schema": 1,\n "suite": "ti', ":3: not JSON: Unterminated string starting at"),
        ("[]", ": not a run.json of schema 1"),
        ('{"schema": 2}', ": written in schema 2; this dimebench reads schema 1"),
        ('{"schema": 1, "suite": "\\u001b[2J"}', ": 'suite' must be printable text"),
    ],
)
def test_a_broken_run_json_costs_its_run_a_line(
    text: str, problem: str, dimebench: Call, results: Path, place: Path
) -> None:
    (cell(results, "dime") / "seed-000" / "run.json").write_text(text)
    before = snapshot(place)
    words = ["suite=tiny", "--seeds", "3", "--device", "cpu", "--json", "--no-probe"]
    planned = dimebench("plan", *words)
    line = f"{WHERE / 'run.json'}{problem}"
    assert (planned.code, planned.trouble) == (0, f"dimebench: not read, so not trained: {line}\n")
    cells = {each["variant"]: each for each in json.loads(planned.out)["cells"]}
    assert [cells["dime"][key] for key in ("done", "not_read")] == [[1], {"0": line}]
    assert [each["seeds"] for cell in cells.values() for each in cell["blocks"]] == [[2]] * 4
    compared = dimebench("compare", "dime", "sac")
    assert (compared.code, compared.err) == (0, "")
    assert f"not read, so not counted: {WHERE / 'run.json'}{problem}" in compared.lines
    told, listed = dimebench("status"), dimebench("status", "--json")
    for answer in (told, listed):
        assert (answer.code, answer.err) == (2, f"dimebench: {WHERE / 'run.json'}{problem}\n"), "and shows the others"
    assert [(run["variant"], run["seed"]) for run in json.loads(listed.out)] == OTHERS
    assert all(any(line.startswith(f"{name} ") for line in told.lines) for name, _ in OTHERS), told.out
    assert snapshot(place) == before


def test_a_suite_whose_runs_all_are_broken_is_not_denied(dimebench: Call, results: Path) -> None:
    for file in results.rglob("run.json"):
        file.write_text("")
    shutil.copytree(results / "tiny" / "sac", results / "other" / "sac")
    for words in (["suite=tiny"], []):
        answer = dimebench("status", *words)
        assert (answer.code, answer.out, len(answer.err.splitlines())) == (2, "no run in 'results' can be read\n", 10)
        assert sorted(answer.err.splitlines()) == answer.err.splitlines()
        assert dimebench("status", *words, "--json").out == "[]\n"


def test_a_watched_status_tells_of_broken_runs_too(dimebench: Call, results: Path) -> None:
    (cell(results, "dime") / "seed-000" / "run.json").write_text("")
    answer = dimebench("status", "--watch", "--every", "0.1")
    assert (answer.code, answer.err) == (2, f"dimebench: {WHERE / 'run.json'}:1: not JSON: Expecting value\n")
    assert answer.lines[0].endswith("7 finished")


@pytest.mark.parametrize("size", [0, 4, 1000])
def test_truncated_evaluations_cost_their_run_a_line(size: int, dimebench: Call, results: Path, place: Path) -> None:
    file = cell(results, "dime") / "seed-000" / "evals.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:size])
    line = f"{WHERE / 'evals.parquet'}: not a readable Parquet file ("
    compared = dimebench("compare", "dime", "sac")
    assert (compared.code, compared.err) == (0, "")
    assert any(text.startswith(f"not read, so not counted: {line}") for text in compared.lines)
    (cell(results, "dime") / "seed-001" / "evals.parquet").write_bytes(whole[:size])
    before = snapshot(place)
    for command in (["compare", "dime", "sac"], ["report", "dime", "sac", "--html"]):
        answer = dimebench(*command)
        assert answer.err.startswith(f"dimebench: {line}"), "nothing is left of dime"
        assert len(answer.err.splitlines()) == 1
        assert (answer.code, answer.out) == (2, "")
    assert snapshot(place) == before


def test_a_copied_seed_is_refused_before_it_counts_twice(dimebench: Call, results: Path) -> None:
    copy = cell(results, "dime") / "seed-000 (copy)"
    shutil.copytree(cell(results, "dime") / "seed-000", copy)
    name, there = f"dime on {TASK} seed 0 of suite tiny", copy.relative_to(results.parent) / "run.json"
    line = f"{there}: {name} is at {WHERE} already"
    refused(dimebench("compare", "dime", "sac"), line)
    assert (dimebench("status").err, len(json.loads(dimebench("status", "--json").out))) == (
        f"dimebench: {line}\n",
        8,
    )


def test_a_failed_run_is_told_with_its_reason(dimebench: Call, results: Path) -> None:
    file = cell(results, "sac") / "seed-001" / "run.json"
    reason = "RuntimeError: [/bold] \x1b[2J boom"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"status": "failed", "reason": reason}))
    told = dimebench("status")
    assert told.code == 0
    assert told.lines[-1] == f"failed: sac on {TASK} seed 1: RuntimeError: [/bold] \\x1b[2J boom"
    answer = dimebench("compare", "dime", "sac")
    assert answer.code == 0
    assert "RuntimeError: [/bold]" in answer.out


def test_run_refuses_a_results_path_that_is_no_folder(dimebench: Call, place: Path) -> None:
    before = snapshot(place)
    run = ["run", "suite=tiny", "--seeds", "1", "--device", "cpu", "--results"]
    refused(dimebench(*run, "suites/tiny.yaml"), "--results suites/tiny.yaml: not a folder")
    below = "--results suites/tiny.yaml/results: suites/tiny.yaml is not a folder"
    refused(dimebench(*run, "suites/tiny.yaml/results"), below)
    assert snapshot(place) == before


def test_a_file_within_the_results_in_the_way_of_a_folder_is_named(dimebench: Call, place: Path) -> None:
    (place / "results").mkdir()
    (place / "results" / "tiny").write_text("mine")
    answer = dimebench("run", "suite=tiny", "--seeds", "1", "--device", "cpu")
    refused(answer, f"{WHERE / 'run.json'}: cannot be read (Not a directory)")
    assert half_written(place) == []
    assert (place / "results" / "tiny").read_text() == "mine"
