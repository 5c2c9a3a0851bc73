"""A follower passes on what the files of runs gain: no point is lost, and none comes twice."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dimebench.export.following import following
from dimebench.export.points import folder_of, run_id
from dimebench.export.trackers import Follower, scalars_of
from dimebench.store import RunWriter
from dimebench.store.schema import EVALS_FILE, TRAIN_FILE
from tests.export.shown import keep_rows, wanted
from tests.store.runs import episode, make_run, written


class Memory:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.points: list[tuple[int, int, dict[str, float]]] = []

    def log(self, run, env_step, scalars, seconds) -> None:
        self.points.append((run.seed, env_step, scalars))

    def close(self) -> None:
        pass

    def shown(self) -> list[tuple[str, int, float]]:
        return sorted((tag, step, value) for _, step, scalars in self.points for tag, value in scalars.items())


def test_scalars_are_means_over_episodes_and_the_logging_points_metrics(tmp_path: Path) -> None:
    run = written(tmp_path)
    assert scalars_of(run) == [
        (0, {"eval/return": 15.0, "eval/length": 1000.0}, 1.0),
        (
            300,
            {"eval/return": 315.0, "eval/length": 1000.0, "train/critic_loss": 0.25, "train/grad_step": 600.0},
            1.5,
        ),
    ]


def test_a_follower_passes_on_what_is_new_and_each_point_once(tmp_path: Path) -> None:
    folders = [tmp_path / "results" / "small" / "dime" / "dm_control" / "dog-run" / "seed-000"]
    memory = Memory()
    follower = Follower([memory], tmp_path / "log", lambda: folders)
    assert follower.look() == 0, "the run has not begun"
    run = written(tmp_path / "results")
    assert follower.look() == 2
    assert follower.look() == 0
    writer = RunWriter(run)
    writer.add_evaluation(400, [episode(0, 99.0)])
    writer.write()
    again = Follower([memory], tmp_path / "log", lambda: folders)  # the command was started anew
    again.close()
    assert [step for _, step, _ in memory.points] == [0, 300, 400]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("first", [EVALS_FILE, TRAIN_FILE])
def test_a_look_between_the_two_files_of_a_step_loses_nothing(tmp_path: Path, first: str, restarted: bool) -> None:
    """Whichever file has gained its rows alone at a look, the other's are sent once they are there."""
    run = written(tmp_path / "results")
    late = run.path / (TRAIN_FILE if first == EVALS_FILE else EVALS_FILE)
    whole = pq.read_table(late)
    pq.write_table(whole.filter(pc.less(whole["env_step"], 300)), late)
    memory = Memory()
    follower = Follower([memory], tmp_path / "log", lambda: [run.path])
    follower.look()
    pq.write_table(whole, late)
    if restarted:
        follower = Follower([memory], tmp_path / "log", lambda: [run.path])
    follower.look()
    assert follower.look() == 0
    assert memory.shown() == wanted(run)


def test_runs_of_two_suites_are_followed_apart(tmp_path: Path) -> None:
    """Nothing in a run's identity names its suite."""
    runs = [written(tmp_path / suite, suite=suite) for suite in ("one", "two")]
    assert runs[0].identity == runs[1].identity
    memory = Memory()
    for run in runs:
        Follower([memory], tmp_path / "log", lambda path=run.path: [path]).close()
    assert [step for _, step, _ in memory.points] == [0, 300, 0, 300]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("name", [EVALS_FILE, TRAIN_FILE])
def test_rows_that_come_before_those_that_were_sent_are_sent_too(tmp_path: Path, name: str, restarted: bool) -> None:
    run = written(tmp_path / "results")
    writer = RunWriter(run)
    for step in (100, 200):
        writer.add_evaluation(step, [episode(0, 1.0 * step)])
        writer.add_logging_point(step, {"grad_step": step, "wall_time_s": 1.0, "critic_loss": 0.5})
    writer.write()
    whole = pq.read_table(run.path / name)
    memory = Memory()
    follower = Follower([memory], tmp_path / "log", lambda: [run.path])
    for steps in ((), (0, 300), (0, 100, 300), (0, 100, 200, 300), (0, 200, 300)):
        keep_rows(run, name, whole, *steps)
        follower.look()
        if restarted:
            follower = Follower([memory], tmp_path / "log", lambda: [run.path])
    pq.write_table(whole, run.path / name)
    follower.close()
    assert memory.shown() == wanted(run)


def test_a_run_whose_files_are_seen_before_its_run_json_is_sent(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    (run.path / "run.json").rename(run.path / "later")
    memory = Memory()
    follower = Follower([memory], tmp_path / "log", lambda: [run.path])
    assert follower.look() == 0
    (run.path / "later").rename(run.path / "run.json")
    assert follower.look() == 2


def test_two_followers_that_take_turns_share_what_was_sent(tmp_path: Path) -> None:
    """Neither's memory overwrites the other's, be it of the same run or of others."""
    runs = [written(tmp_path / "results", seed=seed) for seed in (0, 1)]
    memory = Memory()
    pair = [Follower([memory], tmp_path / "log", lambda: [run.path for run in runs]) for _ in range(2)]
    pair[0].look()
    for number, run in enumerate(runs):
        writer = RunWriter(run)
        writer.add_evaluation(400, [episode(0, 99.0)])
        writer.write()
        pair[number].look()
    for follower in (*pair, Follower([memory], tmp_path / "log", lambda: [run.path for run in runs])):
        follower.close()
    assert sorted((seed, step) for seed, step, _ in memory.points) == [(s, e) for s in (0, 1) for e in (0, 300, 400)]


def test_what_a_failing_tracker_did_not_take_is_sent_on_the_next_resume(tmp_path: Path) -> None:
    runs = [written(tmp_path / "results", seed=seed) for seed in (0, 1)]
    memory = Memory()
    log, taken = memory.log, []

    def fail(run, *rest) -> None:
        if len(taken) == 3:
            raise OSError("no space left")
        taken.append(run)
        log(run, *rest)

    memory.log = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no space"):
        Follower([memory], tmp_path / "log", lambda: [run.path for run in runs]).look()
    memory.log = log  # type: ignore[method-assign]
    Follower([memory], tmp_path / "log", lambda: [run.path for run in runs]).close()
    assert [(seed, step) for seed, step, _ in memory.points] == [(0, 0), (0, 300), (1, 0), (1, 300)]


def test_a_tracker_that_fails_is_told_of_once_and_the_next_command_shows_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorboard")
    from dimebench.export import event_files
    from tests.export.shown import in_tensorboard

    run, said = written(tmp_path / "results"), []
    with monkeypatch.context() as broken:
        broken.setattr(event_files, "atomic_write", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
        with following([run.path], ["tensorboard"], tmp_path / "log", said.append):
            pass
    assert said == ["logging stopped: OSError: disk full"]
    with following([run.path], ["tensorboard"], tmp_path / "log", said.append):
        pass
    assert len(said) == 1
    assert in_tensorboard(tmp_path / "log" / "tensorboard", run) == wanted(run)


def test_a_run_that_cannot_be_read_to_the_end_is_told_of_and_the_others_are_shown(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tests.export.shown import in_tensorboard

    lost, run = (written(tmp_path / "results", seed=seed) for seed in (0, 1))
    (lost.folder / TRAIN_FILE).write_bytes(b"no table")
    said: list[str] = []
    with following([lost.path, run.path], ["tensorboard"], tmp_path / "log", said.append):
        pass
    (line,) = said
    assert line.startswith(f"not read, so not logged: {lost.path / TRAIN_FILE}: not a readable Parquet file (")
    assert in_tensorboard(tmp_path / "log" / "tensorboard", run) == wanted(run)


def test_state_that_nobody_can_read_loses_nothing(tmp_path: Path) -> None:
    """Of a former release, which did not keep trainings apart, or damaged."""
    run = written(tmp_path / "results")
    (tmp_path / "log" / "sent").mkdir(parents=True)
    key = f"{run.identity['sha256']}/{run.seed}"
    (tmp_path / "log" / "sent.json").write_text(f'{{"{key}": 300, "small:{key}": {{"evals.parquet": 300}}}}')
    (tmp_path / "log" / "sent" / f"{run_id(run)}.json").write_text("[1")
    assert Follower([Memory()], tmp_path / "log", lambda: [run.path]).look() == 2


def test_no_two_runs_share_an_id_or_a_folder(tmp_path: Path) -> None:
    run = make_run(tmp_path, "dime:utd=2")
    later = {"started": "2025-01-02T10:00:00+00:00"}
    names = ["dime:utd=2", "dime@utd=2", "dime-utd=2", "dime utd=2", "dime/utd=2", "dime", ".dime", "-", ".", "~"]
    runs = [replace(run, variant=name) for name in names]
    runs += [replace(run, suite=name) for name in ("a b", "a-b", "a@b", "a:b", "a" * 200, "a" * 201)]
    runs += [replace(run, task=name) for name in ("x/y z", "x/y-z", "x/../y", "x//y", "x/y/z")]
    runs += [replace(run, seed=1)]
    assert len({folder_of(each) for each in runs}) == len(runs)
    runs += [replace(run, identity={**run.identity, "sha256": "cd" * 32}), replace(run, provenance=later)]
    ids = {run_id(each) for each in runs}
    assert len(ids) == len(runs)
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)
    assert not [each for each in runs if {"..", ".", ""} & set(folder_of(each).split("/"))]


def test_what_is_not_finite_is_left_out(tmp_path: Path) -> None:
    writer = RunWriter(written(tmp_path))
    writer.add_evaluation(400, [episode(0, float("inf"))])
    writer.add_evaluation(500, [episode(0, None, diverged=True)])
    writer.add_logging_point(500, {"grad_step": 1, "wall_time_s": 2.0, "critic_loss": float("nan")})
    writer.write()
    assert [(step, scalars) for step, scalars, _ in scalars_of(writer.run)][2:] == [
        (400, {"eval/length": 1000.0}),
        (500, {"train/grad_step": 1.0}),
    ]
