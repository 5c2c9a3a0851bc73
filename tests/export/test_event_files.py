"""TensorBoard shows each point of a run once, whatever lay in the run's folder before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dimebench.export.points import folder_of
from dimebench.export.trackers import Follower, TensorBoard, export_runs
from dimebench.store import Run, RunWriter, write_run
from dimebench.store.schema import EVALS_FILE
from tests.export.shown import in_tensorboard, keep_rows, wanted
from tests.store.runs import episode, written

pytest.importorskip("tensorboard")


def export(folder: Path, *runs: Run) -> None:
    export_runs(runs, TensorBoard(folder))


def event_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*tfevents*"))


def evaluated(run: Run, *steps: int, value: float = 99.0) -> Run:
    writer = RunWriter(run)
    for step in steps:
        writer.add_evaluation(step, [episode(0, value)])
    writer.write()
    return run


def test_an_export_shows_what_was_logged(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    assert export_runs([run], TensorBoard(tmp_path / "tb")) == 2
    shown = in_tensorboard(tmp_path / "tb" / "small" / "dime" / "dm_control" / "dog-run" / "seed-000")
    assert shown == wanted(run)
    assert ("train/critic_loss", 300, 0.25) in shown


def test_a_second_export_writes_nothing(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    export(tmp_path / "tb", run)
    before = {file: file.read_bytes() for file in event_files(tmp_path / "tb")}
    export(tmp_path / "tb", run)
    assert {file: file.read_bytes() for file in event_files(tmp_path / "tb")} == before


def test_a_second_export_adds_what_is_new(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    export(tmp_path / "tb", run)
    evaluated(run, 400, 500)
    other = written(tmp_path / "results", seed=1)
    export(tmp_path / "tb", run, other)
    assert in_tensorboard(tmp_path / "tb", run) == wanted(run)
    assert in_tensorboard(tmp_path / "tb", other) == wanted(other)


def test_a_run_that_was_followed_is_exported_to_the_same_folder(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    for step in (400, 500):
        Follower([TensorBoard(tmp_path / "tb")], tmp_path / "tb", lambda: [run.path]).close()
        evaluated(run, step)
    export(tmp_path / "tb", run)
    assert in_tensorboard(tmp_path / "tb", run) == wanted(run)


def test_points_are_on_disk_once_a_look_has_returned(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    follower = Follower([TensorBoard(tmp_path / "tb")], tmp_path / "tb", lambda: [run.path])
    for step in (400, 500, 600):
        follower.look()
        assert in_tensorboard(tmp_path / "tb", run) == wanted(run)
        evaluated(run, step)
    assert len(event_files(tmp_path / "tb")) == 1


def test_late_points_come_in_the_order_of_env_steps(tmp_path: Path) -> None:
    """TensorBoard takes a step that falls for a restart, and hides what lies beyond it."""
    run = evaluated(written(tmp_path / "results"), 100, 200)
    whole = pq.read_table(run.path / EVALS_FILE)
    follower = Follower([TensorBoard(tmp_path / "tb")], tmp_path / "tb", lambda: [run.path])
    for steps in ((0, 300), (0, 100, 300), (0, 100, 200, 300)):
        keep_rows(run, EVALS_FILE, whole, *steps)
        follower.look()
        (file,) = event_files(tmp_path / "tb")
        steps_read = [step for tag, step, _ in read_in_order(file) if tag == "eval/return"]
        assert steps_read == list(steps)
    assert in_tensorboard(tmp_path / "tb", run) == wanted(run)


def read_in_order(file: Path) -> list[tuple[str, int, float]]:
    from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

    events = LegacyEventFileLoader(str(file)).Load()
    return [(value.tag, event.step, value.simple_value) for event in events for value in event.summary.value]


def test_a_deleted_file_comes_back(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    follower = Follower([TensorBoard(tmp_path / "tb")], tmp_path / "tb", lambda: [run.path])
    follower.look()
    evaluated(run, 400)
    event_files(tmp_path / "tb")[0].unlink()
    follower.look()
    assert in_tensorboard(tmp_path / "tb", run) == wanted(run)
    event_files(tmp_path / "tb")[0].unlink()
    export(tmp_path / "tb", run)
    assert in_tensorboard(tmp_path / "tb", run) == wanted(run)


@pytest.mark.parametrize("change", ["identity", "started", "values"])
def test_a_run_that_was_trained_anew_takes_the_place_of_the_one_before(tmp_path: Path, change: str) -> None:
    run = evaluated(written(tmp_path / "results"), 400, 600)
    export(tmp_path / "tb", run)
    for file in run.path.iterdir():
        file.unlink()
    if change == "identity":
        run = replace(run, identity={**run.identity, "sha256": "cd" * 32})
    if change == "started":
        run = replace(run, provenance={"started": "2025-02-01T10:00:00+00:00"})
    evaluated(run, 0, *((300, 400, 600) if change == "values" else (400, 500)), value=7.0)
    export(tmp_path / "tb", run)
    shown = in_tensorboard(tmp_path / "tb", run)
    assert [point for point in shown if point[0].startswith("eval")] == wanted(run)


def test_points_that_the_results_lack_now_stay(tmp_path: Path) -> None:
    """A run whose files were deleted, or that is resumed from an older copy, is the same training."""
    run = evaluated(written(tmp_path / "results"), 400)
    all_points = wanted(run)
    export(tmp_path / "tb", run)
    keep_rows(run, EVALS_FILE, pq.read_table(run.path / EVALS_FILE), 0)
    export(tmp_path / "tb", run)
    evaluated(run, 350)
    export(tmp_path / "tb", run)
    assert in_tensorboard(tmp_path / "tb", run) == sorted([*all_points, *(p for p in wanted(run) if p[1] == 350)])


def test_files_of_a_former_release_are_replaced_and_those_of_other_tools_left_alone(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    run = written(tmp_path / "results")
    folder = tmp_path / "tb" / folder_of(run)
    for tag in ("eval/return", "eval/return", "notes/mine"):
        writer = EventFileWriter(str(folder))
        writer.add_event(Event(step=0, summary=Summary(value=[Summary.Value(tag=tag, simple_value=15.0)])))
        writer.close()
    export(tmp_path / "tb", run)
    assert in_tensorboard(tmp_path / "tb", run) == sorted([*wanted(run), ("notes/mine", 0, 15.0)])


@pytest.mark.parametrize("size", [0, 1, 30, -1, -20])
def test_a_file_that_was_cut_off_is_completed(tmp_path: Path, size: int) -> None:
    run = written(tmp_path / "results")
    export(tmp_path / "tb", run)
    (file,) = event_files(tmp_path / "tb")
    file.write_bytes(file.read_bytes()[:size])
    evaluated(run, 400)
    export(tmp_path / "tb", run)
    assert in_tensorboard(tmp_path / "tb", run) == wanted(run)


def test_an_export_that_is_killed_at_any_step_on_disk_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """It is to replace files, and is killed at its first flush, rename or unlink, then at the second, and so on."""
    run = evaluated(written(tmp_path / "results"), 400, value=0.5)
    text = """
import os, signal, sys
from pathlib import Path
from dimebench.export.trackers import TensorBoard, export_runs
from dimebench.store import read_run
left = int(sys.argv[1])
def counted(what):
    def call(*arguments, **options):
        global left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return what(*arguments, **options)
    return call
Path.replace, Path.unlink, os.fsync = map(counted, (Path.replace, Path.unlink, os.fsync))
export_runs([read_run(Path(sys.argv[2]))], TensorBoard(Path(sys.argv[3])))
"""
    for instant in count():
        export(tmp_path / "tb", run)
        assert in_tensorboard(tmp_path / "tb", run) == wanted(run)
        assert len(event_files(tmp_path / "tb")) == 1
        evaluated(run, 400, value=float(instant))
        command = [sys.executable, "-c", text, str(instant), str(run.path), str(tmp_path / "tb")]
        code = subprocess.run(command, check=False).returncode
        assert len(in_tensorboard(tmp_path / "tb", run)) == len(wanted(run)), "each once, the old values or the new"
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert instant > 3


def test_processes_that_follow_one_run_at_once_show_each_point_once(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    text = f"""
import sys, time
from pathlib import Path
from dimebench.export.trackers import Follower, TensorBoard
folder = Path({str(tmp_path / "tb")!r})
follower = Follower([TensorBoard(folder)], folder, lambda: [Path({str(run.path)!r})])
print("ready", flush=True)
while not Path({str(tmp_path / "over")!r}).exists():
    follower.look()
    time.sleep(0.001)
follower.close()
"""
    pair = [subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE) for _ in range(2)]
    for process in pair:
        assert process.stdout is not None
        process.stdout.readline()
    for step in range(400, 430):
        evaluated(run, step)
    (tmp_path / "over").touch()
    for process in pair:
        process.communicate()
        assert process.returncode == 0
    assert in_tensorboard(tmp_path / "tb", run) == wanted(run)


def test_an_export_needs_no_open_file_per_run(tmp_path: Path) -> None:
    tracker = TensorBoard(tmp_path / "tb")
    before = len(os.listdir("/dev/fd"))
    for seed in range(20):
        run = written(tmp_path / "results", seed=seed)
        write_run(run)
        tracker.show(run, [(0, {"eval/return": 1.0}, 0.0)])
    assert len(os.listdir("/dev/fd")) == before


def test_values_beyond_32_bits_are_the_largest_of_them(tmp_path: Path) -> None:
    run = evaluated(written(tmp_path / "results"), 400, value=1e300)
    export(tmp_path / "tb", run)
    export(tmp_path / "tb", run)
    (shown,) = [
        value for tag, step, value in in_tensorboard(tmp_path / "tb", run) if (tag, step) == ("eval/return", 400)
    ]
    assert shown == pytest.approx(3.4028235e38)
