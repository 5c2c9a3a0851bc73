"""A run that was cut off and resumed ends with the same bits as one that never was."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dimebench.agents.registry import built_in_algorithms
from dimebench.store import read_run
from dimebench.training.block import Protocol
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train

HOPPER = Protocol(env_steps=60, action_repeat=1, eval_interval=25, eval_episodes=1)


@pytest.mark.parametrize("algorithm", built_in_algorithms())
@pytest.mark.parametrize("task", ["dm_control/pendulum-swingup", "gymnasium/Hopper-v5"])
def test_stopping_anywhere_and_resuming_changes_nothing(algorithm: str, task: str, tmp_path: Path) -> None:
    block = make_block(algorithm, task=task, **({"protocol": HOPPER} if task.startswith("gymnasium") else {}))
    assert train(block, tmp_path / "whole") == "finished"
    expected = outputs(block, tmp_path / "whole")
    source = random.Random(f"{algorithm} {task}")
    cuts = 0
    while train(block, tmp_path / "cut", stop_after(source.randrange(1, 60))) != "finished":
        cuts += 1
        run = read_run(block.run_folder(tmp_path / "cut", 0))
        assert run is not None
        assert run.status == "interrupted"
        assert cuts < 100
    assert cuts >= 2
    assert_same_outputs(outputs(block, tmp_path / "cut"), expected)


def test_two_seeds_in_one_block_resume_together(tmp_path: Path) -> None:
    block = make_block("dime", seeds=(2, 5))
    train(block, tmp_path / "whole")
    assert train(block, tmp_path / "cut", stop_after(90)) == "interrupted"
    assert train(block, tmp_path / "cut") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "cut"), outputs(block, tmp_path / "whole"))


def test_resuming_from_an_older_checkpoint_keeps_later_evaluations_until_they_are_done_again(tmp_path: Path) -> None:
    block = make_block("sac")
    train(block, tmp_path / "whole")
    calls = 0

    def crash() -> bool:
        nonlocal calls
        calls += 1
        if calls == 190:  # after the evaluation at env step 25, without a last checkpoint
            raise RuntimeError("crash")
        return False

    with pytest.raises(RuntimeError, match="crash"):
        train(block, tmp_path / "cut", crash, every_s=1e-9)
    assert train(block, tmp_path / "cut") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "cut"), outputs(block, tmp_path / "whole"))
