"""`run --log` and `export` into one folder: TensorBoard shows each point of each run once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dimebench.store import read_runs
from tests.cli.calls import Answer, Call, process
from tests.export.shown import in_32_bits, in_tensorboard, wanted

pytest.importorskip("tensorboard")


def shows_all(place: Path, results: Path) -> bool:
    """Whether TensorBoard shows every run as the results hold it; its values have 32 bits."""
    runs = read_runs(results)
    return bool(runs) and all(in_tensorboard(place, run) == in_32_bits(wanted(run)) for run in runs)


def test_runs_are_exported_twice_with_new_seeds_and_variants_between(
    dimebench: Call, trained: tuple[Path, Answer], grown: tuple[Path, Answer], place: Path
) -> None:
    for made, _ in (trained, trained, grown, grown):
        shutil.rmtree(place / "results", ignore_errors=True)
        shutil.copytree(made / "results", place / "results")
        assert dimebench("export", "--format", "tensorboard").code == 0
        assert shows_all(place / "export" / "tensorboard", place / "results")


def test_what_a_cut_off_command_left_of_finished_runs_is_shown_by_the_next_one(results: Path, place: Path) -> None:
    """Whatever became of its tracker: nothing is left to train, all is there to be shown."""
    for _ in range(2):
        assert process("run", "suite=tiny", "--seeds", "2", "--log", "tensorboard", cwd=place).code == 0
        assert shows_all(results / "trackers" / "tensorboard", results)
    assert process("export", "--format", "tensorboard", "--out", "results/trackers", cwd=place).code == 0
    assert shows_all(results / "trackers" / "tensorboard", results)


def test_a_login_that_fails_is_one_line(results: Path, place: Path) -> None:
    pytest.importorskip("wandb")
    env = {"WANDB_MODE": "online", "WANDB_API_KEY": "", "HOME": str(place), "NETRC": str(place / "netrc")}
    answer = process("export", "--format", "wandb", cwd=place, env=env)
    assert (answer.code, len(answer.err.splitlines())) == (3, 1), answer.err
    assert answer.err.startswith("dimebench: Weights & Biases: ")
