"""One run that cannot be read costs itself a line, in every command; the others are read, sent, trained."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dimebench.store import read_runs
from tests.cli.calls import Call, cell, process, refused, snapshot
from tests.cli.test_import import OWN, curves

READING = (
    "export --format csv,markdown,latex",
    "export --format zip",
    "export --format tensorboard",
    "export --format csv,zip,tensorboard",
    "report --formats svg",
)
NAMES = ("A", "B", "C")
SEEDS = (0, 1, 2, 3)


def seed_of(name: str, seed: int) -> Path:
    return Path("results") / "quick" / f"ext@{name}" / OWN / f"seed-{seed:03d}"


@pytest.fixture
def tree(dimebench: Call, place: Path) -> Path:
    """Imported runs of three variants, four seeds each."""
    for name in NAMES:
        curves(place, f"{name}.csv", name, SEEDS, more=ord(name))
    answer = dimebench("import", *(f"{name}.csv" for name in NAMES), "suite=quick", "--unit", "env-steps")
    assert answer.code == 0, answer.err
    return place / "results"


def cut(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


# How one run is spoilt: the file, what is done to it, and how the line goes on.
Spoil = tuple[str, Callable[[Path], object], str]
SPOILT: dict[str, Spoil] = {
    "run.json cut short": ("run.json", lambda file: cut(file, 40), ":"),
    "evaluations cut short": ("evals.parquet", lambda file: cut(file, 300), ": not a readable Parquet file ("),
    "evaluations of another seed": (
        "evals.parquet",
        lambda file: shutil.copy(file.parent.parent / "seed-002" / file.name, file),
        ": rows of seed 2 in a run of seed 1",
    ),
    "evaluations a folder": ("evals.parquet", a_folder, ": not a readable Parquet file ("),
    "evaluations gone": ("evals.parquet", Path.unlink, ": missing, though the run is finished"),
}
BAD_METRICS: Spoil = ("train.parquet", lambda file: file.write_text("no table"), ": not a readable Parquet file (")


def spoil(run: Path, how: Spoil) -> str:
    """Spoil a run; how the line about it begins."""
    name, change, problem = how
    change(run / name)
    return f"dimebench: not read, so not counted: {run / name}{problem}"


def names_one(err: str, line: str) -> bool:
    return err.startswith(line) and len(err.splitlines()) == 1


@pytest.mark.parametrize("how", SPOILT)
def test_every_command_that_reads_names_it_and_makes_the_rest(how: str, dimebench: Call, tree: Path) -> None:
    pytest.importorskip("tensorboard")
    line = spoil(seed_of("A", 1), SPOILT[how])
    problem = line.removeprefix("dimebench: not read, so not counted: ")
    for command in READING:
        answer = dimebench(*command.split())
        assert answer.code == 0, (command, answer.err)
        assert names_one(answer.err, line), (command, answer.err)
        told = dimebench(*command.split(), "--json")
        assert (told.code, told.err) == (0, answer.err), command
        (lost,) = json.loads(told.out)["not_read"]
        assert lost.startswith(problem)
    for command in (["compare", "A", "B"], ["power", "A", "B"]):
        answer = dimebench(*command)
        assert answer.code == 0, (command, answer.err)
        assert f"not read, so not counted: {problem}" in answer.out, command
    lines = Path("report/quick/tables.txt").read_text()
    assert f"not read, so not counted: {problem}" in lines


def test_nothing_is_said_where_all_can_be_read(dimebench: Call, tree: Path) -> None:
    for command in ("export --format csv,zip", "report --formats svg"):
        answer = dimebench(*command.split(), "--json")
        assert (answer.code, answer.err, json.loads(answer.out)["not_read"]) == (0, "", [])
    with zipfile.ZipFile("export/quick.zip") as archive:
        assert len(archive.namelist()) == 1 + 2 * 12
        assert "not here" not in archive.read("README.md").decode()


@pytest.mark.parametrize("how", [SPOILT["evaluations of another seed"], BAD_METRICS], ids=["evals", "train"])
def test_trackers_are_sent_every_other_run(how: Spoil, dimebench: Call, tree: Path, place: Path) -> None:
    pytest.importorskip("tensorboard")
    from tests.export.shown import in_32_bits, in_tensorboard, wanted

    runs = {run.path: in_32_bits(wanted(run)) for run in read_runs(tree)}
    line = spoil(seed_of("A", 1), how)
    answer = dimebench("export", "--format", "tensorboard")
    assert answer.code == 0
    assert names_one(answer.err, line), answer.err
    assert answer.out == "tensorboard: export/tensorboard, 22 points of 11 runs\n"
    lost = place / seed_of("A", 1)
    for run in read_runs(tree, broken=[]):
        shown = in_tensorboard(place / "export" / "tensorboard", run) if run.path != lost else []
        assert shown == (runs[run.path] if run.path != lost else [])


def test_weights_and_biases_is_sent_every_other_run(tree: Path, place: Path) -> None:
    pytest.importorskip("wandb")
    line = spoil(seed_of("A", 1), SPOILT["evaluations cut short"])
    env = {"WANDB_MODE": "offline"}
    answer = process("export", "A", "--format", "wandb", cwd=place, env=env)
    assert (answer.code, answer.out) == (0, "wandb: export/wandb, 6 points of 3 runs\n")
    assert names_one(answer.err, line), answer.err


@pytest.mark.parametrize("how", [*SPOILT.values(), BAD_METRICS], ids=[*SPOILT, "metrics"])
def test_the_archive_holds_whole_runs_alone_and_says_which_are_missing(
    how: Spoil, dimebench: Call, tree: Path
) -> None:
    line = spoil(seed_of("A", 1), how)
    answer = dimebench("export", "--format", "zip")
    assert (answer.code, answer.out) == (0, "zip: export/quick.zip, 11 runs in 23 files\n")
    assert names_one(answer.err, line), answer.err
    with zipfile.ZipFile("export/quick.zip") as archive:
        names, readme = archive.namelist(), archive.read("README.md").decode()
        archive.extractall("unpacked")
    assert not [name for name in names if name.startswith(str(seed_of("A", 1)))]
    assert "\n## Runs that are not here\n" in readme
    assert f"\n- {line.removeprefix('dimebench: not read, so not counted: ')}" in readme
    again = dimebench("compare", "A", "B", "--results", "unpacked/results")
    assert again.code == 0
    assert "not read" not in again.out


def test_a_variant_without_a_readable_run_is_refused_only_where_it_was_named(dimebench: Call, tree: Path) -> None:
    spoil(seed_of("A", 0), SPOILT["evaluations cut short"])  # its others count: it must not be the one that is named
    for seed in SEEDS:
        spoil(seed_of("C", seed), SPOILT["evaluations cut short"])
    for command in ("export --format csv", "export --format zip", "report --formats svg"):
        answer = dimebench(*command.split())
        assert (answer.code, len(answer.err.splitlines())) == (0, 5), command
        assert "no runs" not in answer.err
    aggregates = Path("export/quick/tables/aggregates.csv").read_text()
    assert "ext:A" in aggregates
    assert "ext:B" in aggregates
    assert "ext:C" not in aggregates
    for command in ("compare A C", "report A C", "export A C --format csv", "export A C --format zip"):
        answer = dimebench(*command.split())
        assert (answer.code, answer.out) == (2, ""), command
        assert names_one(answer.err, f"dimebench: {seed_of('C', 0) / 'evals.parquet'}: not a readable"), answer.err


def test_without_any_readable_run_one_line_says_so(dimebench: Call, tree: Path, place: Path) -> None:
    for name in NAMES:
        for seed in SEEDS:
            spoil(seed_of(name, seed), SPOILT["evaluations a folder"])
    before = snapshot(place)
    for command in ("export --format csv", "export --format zip", "report --html"):
        answer = dimebench(*command.split())
        assert (answer.code, answer.out) == (2, ""), command
        assert names_one(answer.err, f"dimebench: {seed_of('A', 0) / 'evals.parquet'}: not a readable"), answer.err
    assert snapshot(place) == before


def test_watching_goes_on_beside_it(dimebench: Call, tree: Path) -> None:
    line = spoil(seed_of("A", 1), SPOILT["evaluations cut short"])
    page = dimebench("report", "--watch", "--html", "--every", "0.1")
    assert (page.code, names_one(page.err, line)) == (0, True), page.err
    assert page.out.startswith("page: report/quick/report.html at ")
    assert dimebench("status", "--watch", "--every", "0.1").lines[0].endswith("12 finished")


def test_training_leaves_it_alone_and_trains_every_other_run(results: Path, place: Path) -> None:
    run = cell(Path("results"), "random") / "seed-000"
    whole = (run / "run.json").read_bytes()
    cut(place / run / "run.json", 40)
    before = snapshot(place / run)
    words = ["run", "suite=tiny", "algo=random,sac", "--seeds", "3", "--device", "cpu"]
    answer = process(*words, cwd=place)
    assert answer.code == 3, answer.err
    assert names_one(answer.trouble, f"dimebench: not read, so not trained: {run / 'run.json'}:"), answer.err
    assert ": 2 runs finished, 3 were done already, 1 cannot be read (6 asked for, " in answer.told
    assert snapshot(place / run) == before
    trained = {(one.variant, one.seed): one.status for one in read_runs(results, broken=[])}
    others = [("random", 1), ("random", 2), ("sac", 0), ("sac", 1), ("sac", 2)]
    assert {trained[each] for each in others} == {"finished"}
    again = process(*words, cwd=place)
    assert (again.code, names_one(again.err, "dimebench: not read, so not trained: ")) == (3, True), again.err
    (place / run / "run.json").write_bytes(whole)
    repaired = process(*words, cwd=place)
    assert (repaired.code, repaired.err) == (0, "")


def test_training_that_has_nothing_else_to_do_is_refused(dimebench: Call, results: Path, place: Path) -> None:
    for seed in (0, 1):
        cut(cell(results, "random") / f"seed-00{seed}" / "run.json", 0)
    before = snapshot(place)
    file = cell(Path("results"), "random") / "seed-000" / "run.json"
    for command in (["run"], ["plan", "--no-probe"]):
        answer = dimebench(*command, "suite=tiny", "algo=random", "--seeds", "2", "--device", "cpu")
        refused(answer, f"{file}:1: not JSON: Expecting value")
    assert snapshot(place) == before
