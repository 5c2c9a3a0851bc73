"""Training on the tasks of another package: success is recorded, and what cannot be resumed starts over."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dimebench.store import read_evals, read_run
from dimebench.training.block import Block, Protocol
from tests.envs.package import install_here
from tests.training.blocks import assert_same_outputs, left_on_disk, make_block, stop_after, train, trainer

PROTOCOL = Protocol(env_steps=60, action_repeat=1, eval_interval=25, eval_episodes=2)


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_here(tmp_path / "site", monkeypatch)


def block(task: str, algorithm: str = "sac") -> Block:
    return make_block(algorithm, task, protocol=PROTOCOL, cell=f"tiny/{algorithm}/{task}")


@pytest.mark.parametrize(
    ("task", "algorithm", "workers", "expected"),
    [
        ("line/reach", "sac", 0, {True}),  # it succeeds at one step in the middle: any will do
        ("line/reach", "random", 2, {True}),
        ("frail/reach", "random", 0, {False}),  # the last one counts
        ("line/dance", "random", 0, {None}),
        ("dm_control/pendulum-swingup", "random", 0, {None}),
    ],
)
def test_success_of_an_episode_reaches_the_evaluations(
    task: str, algorithm: str, workers: int, expected: set[bool | None], tmp_path: Path
) -> None:
    made = make_block(algorithm, task, protocol=PROTOCOL, env_workers=workers)
    assert train(made, tmp_path) == "finished"
    run = read_run(made.run_folder(tmp_path, 0))
    assert run is not None
    evals = read_evals([run])
    assert len(evals) == 4 * PROTOCOL.eval_episodes
    assert {None if pd.isna(value) else bool(value) for value in evals["success"]} == expected


@pytest.mark.parametrize("task", ["line/reach", "frail/reach"])
def test_a_run_that_was_cut_off_ends_with_the_same_rows(task: str, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert train(block(task), whole) == "finished"
    assert train(block(task), cut, stop_after(45)) == "interrupted"
    checkpoints = list(block(task).checkpoint_folder(cut).glob("[0-9]*"))
    assert bool(checkpoints) == task.startswith("line/")
    assert train(block(task), cut) == "finished"
    assert_same_outputs(left_on_disk(block(task), cut), left_on_disk(block(task), whole))
    run = read_run(block(task).run_folder(cut, 0))
    assert run is not None
    told = [each["what"] for each in run.provenance.get("events", [])]
    line = "frail/reach: its library cannot save a state: a run that is cut off starts over"
    assert (line in told) == (task == "frail/reach")


def test_what_cannot_be_saved_writes_its_files_no_more_often_than_checkpoints_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(block("frail/reach"), tmp_path)
    write, written = made.records.write, []
    monkeypatch.setattr(made.records, "write", lambda *now, **facts: (written.append(now), write(*now, **facts)))
    made._last_checkpoint = -2e9  # long ago
    assert made.train() == "finished"
    made.close()
    assert len(written) == 7, "start, four evaluations, one that is due, and the end"
