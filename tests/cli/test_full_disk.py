"""A disk that is full or must not be written: one line, an exit code, and what was there stays as it was."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from dimebench.store import read_evals, read_runs, read_train
from tests.cli.calls import COMMAND, TASK, TINY, Answer, Call, cell, half_written, process, refused, snapshot
from tests.store.disk import file_size_limit

FULL = "No space left on device"

# Mounts are private to the process and end with it; what is on them is copied out for the test to look at.
DISK = """
set -e
size=$1; before=$2; after=$3; shift 3
mkdir -p disk && mount -t tmpfs -o "size=$size" tmpfs disk
cp -a "$before/." disk/
set +e
"$@"; code=$?
cp -a disk/. "$after/"
exit $code
"""
# The first command meets the end of the disk; then there is space, and the second is the same once more.
FILLED_THEN_FREED = """
set -e
size=$1; after=$2; shift 2
mkdir -p disk && mount -t tmpfs -o "size=$size" tmpfs disk
set +e
"$@"; code=$?
cp -a disk/. "$after/failed/"
mount -o remount,size=100m disk
"$@" > again.txt 2>&1; echo "exit code $?" >> again.txt
cp -a disk/. "$after/again/"
exit $code
"""
LIMITED = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
LIMITED += "os.execvp(sys.argv[2], sys.argv[2:])"
READ_ONLY = 'mount --bind results results && mount -o remount,ro,bind results && exec "$@"'


def _mounting() -> list[str]:
    """What to put before a command that mounts: as root, or in a user namespace; empty where neither works."""
    for words in (["unshare", "--mount"], ["unshare", "--mount", "--map-root-user"]):
        if not shutil.which("unshare"):
            return []
        test = [*words, "sh", "-c", "mount -t tmpfs -o size=4k tmpfs /tmp"]
        if subprocess.run(test, capture_output=True, check=False).returncode == 0:
            return words
    return []


@pytest.fixture(scope="module")
def mounting() -> list[str]:
    words = _mounting()
    if not words:
        pytest.skip("no file system can be mounted here (neither root nor user namespaces)")
    return words


def on_disk(mounting: list[str], size: str, before: Path, after: Path, *arguments: str) -> Answer:
    """`dimebench ARGUMENTS` with ./disk a file system of that size that holds `before` at first."""
    after.mkdir()
    around = [*mounting, "sh", "-c", DISK, "sh", size, str(before), str(after)]
    return process(*arguments, cwd=after.parent, around=around)


def test_a_disk_that_fills_up_while_training_keeps_what_is_done(
    mounting: list[str], results: Path, place: Path
) -> None:
    """Two seeds of dime are there already; the third meets the end of the disk in its first checkpoints."""
    for name in ("crossq", "sac", "random"):
        shutil.rmtree(cell(results, name).parents[1])
    before = snapshot(results)
    used = sum(4096 * (1 + len(data) // 4096) for _, data in before.values())
    size = f"{(used + 60_000) // 1024}k"
    arguments = ["suite=tiny", "algo=dime", "--seeds", "3", "--results", "disk", "--checkpoint-every", "0.001"]
    answer = on_disk(mounting, size, results, place / "after", "run", *arguments)

    assert (answer.code, answer.trouble) == (3, "")
    assert "Traceback" not in answer.out
    failed = [line for line in answer.lines if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith(f"failed: dime on {TASK}, seed-002: ")
    assert FULL in failed[0]
    assert "disk/tiny/dime/" in failed[0], "which disk it is"
    assert answer.told.startswith("tiny: 0 runs finished, 2 were done already, 1 failed (3 asked for, ")

    after = place / "after"
    assert half_written(after) == []
    kept = snapshot(after)
    assert {name: kept[name] for name in before} == before
    checkpoints = cell(after, "dime") / "checkpoints" / "seed-002"
    for folder in checkpoints.glob("[0-9]*"):
        assert sorted(file.name for file in folder.iterdir()) == ["manifest.json", "state.safetensors"]
        json.loads((folder / "manifest.json").read_bytes())
    runs = read_runs(after)
    assert [(run.seed, run.status) for run in runs] == [(0, "finished"), (1, "finished"), (2, "failed")]
    assert FULL in (runs[2].reason or "")
    assert read_evals(runs[2:])["env_step"].tolist() == [0], "the evaluation before it is there"


# A checkpoint of these networks takes 126 kB: too much, where all that else is written still finds its place.
WIDE = ["suite=tiny", "algo=sac,random", "sac.actor_hidden=[64,64]", "sac.critic_hidden=[64,64]", "--seeds", "1"]


def same_numbers(one: Path, other: Path) -> None:
    """Bit for bit, wall times left out; the policies' parameters too."""
    for read in (read_evals, read_train):
        tables = [read(read_runs(results)).drop(columns="wall_time_s") for results in (one, other)]
        pd.testing.assert_frame_equal(*tables, check_exact=True)
    policies = [sorted(results.rglob("policy.safetensors")) for results in (one, other)]
    assert [file.read_bytes() for file in policies[0]] == [file.read_bytes() for file in policies[1]]
    assert len(policies[0]) == 1


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("undisturbed")
    (place / "suites").mkdir()
    (place / "suites" / "tiny.yaml").write_text(TINY)
    assert process("run", *WIDE, cwd=place).code == 0
    return place / "results"


def one_failed_and_the_other_went_on(answer: Answer, results: Path, why: str) -> None:
    assert (answer.code, answer.trouble) == (3, "")
    assert "Traceback" not in answer.out
    (failed,) = [line for line in answer.lines if line.startswith("failed: ")]
    assert failed.startswith(f"failed: sac on {TASK}, seed-000: ")
    failed, _, kept = failed.partition(" (traceback: ")
    assert failed.endswith(f": {why}")
    file = results.joinpath(*Path(kept.removesuffix(")")).parts[1:])
    assert "Traceback" in file.read_text(), "for who wants to know where"
    assert {run.algorithm: run.status for run in read_runs(results)} == {"sac": "failed", "random": "finished"}
    (reason,) = [run.reason for run in read_runs(results) if run.algorithm == "sac"]
    assert reason is not None
    assert failed.endswith(reason), "the run itself says why, for there was space for so much"
    assert half_written(results) == []


def test_a_disk_without_space_costs_the_run_that_needs_it_and_a_rerun_ends_with_the_same_bits(
    mounting: list[str], place: Path, undisturbed: Path
) -> None:
    after = place / "after"
    (after / "failed").mkdir(parents=True)
    (after / "again").mkdir()
    around = [*mounting, "sh", "-c", FILLED_THEN_FREED, "sh", "112k", str(after)]
    words = [*WIDE, "--results", "disk", "--checkpoint-every", "0.001", "--workers", "1"]
    answer = process("run", *words, cwd=place, around=around)
    one_failed_and_the_other_went_on(answer, after / "failed", FULL)
    told = (place / "again.txt").read_text()
    assert told.endswith("exit code 0\n"), told
    same_numbers(after / "again", undisturbed)


def test_a_limit_on_file_sizes_costs_the_run_that_meets_it_and_a_rerun_ends_with_the_same_bits(
    place: Path, undisturbed: Path
) -> None:
    words = [*WIDE, "--checkpoint-every", "0.001", "--workers", "1"]
    answer = process("run", *words, cwd=place, around=[sys.executable, "-c", LIMITED, "40000"])
    one_failed_and_the_other_went_on(answer, place / "results", "File too large")
    assert process("run", *words, cwd=place).code == 0
    same_numbers(place / "results", undisturbed)


def test_a_report_that_does_not_fit_leaves_the_old_one(mounting: list[str], results: Path, place: Path) -> None:
    old = place / "old" / "tiny"
    old.mkdir(parents=True)
    (old / "report.html").write_text("the old page")
    (old / "tables.txt").write_text("the old tables")
    answer = on_disk(mounting, "20k", place / "old", place / "after", "report", "--formats", "svg", "--out", "disk")
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("dimebench: disk/tiny/figures/")
    assert answer.err.endswith(f".svg: {FULL}\n")
    assert len(answer.err.splitlines()) == 1
    assert half_written(place / "after") == []
    assert (place / "after/tiny/report.html").read_text() == "the old page"
    assert (place / "after/tiny/tables.txt").read_text() == "the old tables"


def test_read_only_results_are_refused_before_anything_is_trained(
    mounting: list[str], results: Path, place: Path
) -> None:
    before = snapshot(results)
    around = [*mounting, "sh", "-c", READ_ONLY, "sh"]
    answer = process("run", "suite=tiny", "algo=random", "--seeds", "3", cwd=place, around=around)
    refused(answer, "--results results: cannot be written to")
    assert snapshot(results) == before


def test_where_nothing_is_to_be_trained_nothing_needs_to_be_written(
    dimebench: Call, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda place, mode: not mode & os.W_OK)
    run = ["run", "suite=tiny", "--device", "cpu"]
    refused(dimebench(*run, "--seeds", "3"), "--results results: cannot be written to")
    refused(dimebench(*run, "--results", "new/results"), "--results new/results: . cannot be written to")
    done = dimebench(*run, "--seeds", "2")
    assert (done.code, done.err) == (0, "")
    assert "8 were done already" in done.out


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(dimebench: Call, results: Path, place: Path) -> None:
    """The nearest thing to a full disk that needs no rights."""
    old = place / "report" / "tiny" / "tables.txt"
    old.parent.mkdir(parents=True)
    old.write_text("the old tables")
    with file_size_limit(8192):
        answer = dimebench("report", "--formats", "svg")
    assert answer.err.startswith("dimebench: report/tiny/figures/")
    refused(answer, answer.err.removeprefix("dimebench: ").partition(":")[0] + ": File too large", code=1)
    assert half_written(place / "report") == []
    assert old.read_text() == "the old tables"


def test_a_reader_that_goes_away_ends_a_command_quietly(place: Path) -> None:
    """`dimebench suites | head -1`"""
    line = f"{' '.join(COMMAND)} suites | head -1"
    done = subprocess.run(["sh", "-c", line], cwd=place, capture_output=True, text=True, check=False)
    assert done.stdout.split()[0] == "suite"
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc, where not even root can make a folder")
def test_a_results_folder_that_cannot_be_made_is_one_line(dimebench: Call, place: Path) -> None:
    answer = dimebench("run", "suite=tiny", "--device", "cpu", "--results", "/proc/nope/results")
    assert answer.code == 2
    assert answer.err.startswith("dimebench: --results /proc/nope/results: cannot be ")
    assert len(answer.err.splitlines()) == 1
