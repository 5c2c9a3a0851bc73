"""A disk that is full or must not be written: one line, an exit code, and what was there stays as it was."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dimebench.store import read_evals, read_runs
from tests.cli.calls import COMMAND, TASK, Answer, cell, half_written, process, snapshot

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
READ_ONLY = 'mount --bind results results && mount -o remount,ro,bind results && exec "$@"'


def _mounting() -> list[str]:
    """How to run a command that may mount: as root, or in a user namespace of one's own; empty where neither works."""
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

    assert (answer.code, answer.err) == (3, "")
    assert "Traceback" not in answer.out
    failed = [line for line in answer.lines if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith(f"failed: dime on {TASK}, seed-002: ")
    assert FULL in failed[0]
    assert "disk/tiny/dime/" in failed[0], "which disk it is"
    assert answer.lines[-1].startswith("tiny: 0 runs finished, 2 were done already, 1 failed (3 asked for, ")

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


def test_a_disk_without_any_room_is_one_line_per_run(mounting: list[str], place: Path) -> None:
    (place / "nothing").mkdir()
    arguments = ["run", "suite=tiny", "algo=random", "--seeds", "1", "--results", "disk"]
    answer = on_disk(mounting, "4k", place / "nothing", place / "after", *arguments)
    assert (answer.code, answer.err) == (3, "")
    failed = [line for line in answer.lines if line.startswith("failed: ")]
    assert len(failed) == 1
    assert FULL in failed[0]
    assert half_written(place / "after") == []


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
    assert (answer.code, answer.out, answer.err) == (2, "", "dimebench: --results results: cannot be written to\n")
    done = process("run", "suite=tiny", "algo=random", "--seeds", "2", cwd=place, around=around)
    assert (done.code, done.err) == (0, ""), "where nothing is to be trained nothing is to be written"
    assert "2 were done already" in done.out
    assert snapshot(results) == before


def test_a_limit_on_file_sizes_is_told_like_a_full_disk(results: Path, place: Path) -> None:
    """The nearest thing to a full disk that needs no rights."""
    (place / "report" / "tiny").mkdir(parents=True)
    (place / "report" / "tiny" / "tables.txt").write_text("the old tables")
    done = subprocess.run(
        [*COMMAND, "report", "--formats", "svg"],
        cwd=place,
        env={**os.environ, "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(place))},
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("dimebench: report/tiny/figures/")
    assert done.stderr.endswith(".svg: File too large\n")
    assert len(done.stderr.splitlines()) == 1
    assert half_written(place / "report") == []
    assert (place / "report/tiny/tables.txt").read_text() == "the old tables"


@pytest.mark.skipif(sys.platform != "linux", reason="the reader that goes away is Linux's")
def test_a_reader_that_goes_away_ends_a_command_quietly(place: Path) -> None:
    """`dimebench show dime | head -1`"""
    command = " ".join([*COMMAND, "show", "dime"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -1"], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["algorithm", "dime"]
    assert done.stderr == ""
