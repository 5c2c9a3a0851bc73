"""TensorBoard and W&B read runs from their files: live, each point once, and afterwards."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from dimebench.export.trackers import Follower, TensorBoard, WandB, export_runs, scalars_of
from dimebench.store import RunWriter
from dimebench.store.schema import EVALS_FILE, TRAIN_FILE
from tests.store.runs import episode, written


class Memory:
    """A tracker that remembers."""

    def __init__(self) -> None:
        self.points: list[tuple[int, int, dict[str, float]]] = []

    def log(self, run, env_step, scalars, seconds) -> None:
        self.points.append((run.seed, env_step, scalars))

    def close(self) -> None:
        pass


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
    sent = [(step, tag, value) for _, step, scalars in memory.points for tag, value in scalars.items()]
    assert sorted(sent) == sorted(
        (step, tag, value) for step, scalars, _ in scalars_of(run) for tag, value in scalars.items()
    )


def test_runs_of_two_suites_are_followed_apart(tmp_path: Path) -> None:
    """Nothing in a run's identity names its suite."""
    runs = [written(tmp_path / suite, suite=suite) for suite in ("one", "two")]
    assert runs[0].identity == runs[1].identity
    memory = Memory()
    for run in runs:
        Follower([memory], tmp_path / "log", lambda path=run.path: [path]).close()
    assert [step for _, step, _ in memory.points] == [0, 300, 0, 300]


@pytest.mark.parametrize("content", ['{"KEY": 300}', "[1]", "{", '{"KEY": "x"}'])
def test_what_a_former_release_kept_counts_for_both_files_and_what_nobody_wrote_for_none(
    tmp_path: Path, content: str
) -> None:
    run = written(tmp_path / "results")
    (tmp_path / "log").mkdir()
    state = content.replace("KEY", f"{run.identity['sha256']}/{run.seed}")
    (tmp_path / "log" / "sent.json").write_text(state)
    assert Follower([Memory()], tmp_path / "log", lambda: [run.path]).look() == (0 if "300" in content else 2)


def test_tensorboard_shows_what_was_logged(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert export_runs([written(tmp_path / "results")], TensorBoard(tmp_path / "tb")) == 2
    events = EventAccumulator(str(tmp_path / "tb" / "small" / "dime" / "dm_control" / "dog-run" / "seed-000"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("eval/return")] == [(0, 15.0), (300, 315.0)]
    assert events.Scalars("train/critic_loss")[0].value == 0.25


def test_wandb_keeps_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))
    assert export_runs([written(tmp_path / "results")], WandB(tmp_path / "wb")) == 2
    (kept,) = (tmp_path / "wb" / "wandb").glob("offline-run-*/run-*.wandb")
    content = kept.read_bytes()
    assert b"eval/return" in content
    assert b"dime dm_control/dog-run seed 0" in content
