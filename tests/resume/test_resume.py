"""A run that was cut off and resumed ends with the same bits as one that never was."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dimebench.store import read_run, read_runs
from dimebench.store.claims import claimed_by
from dimebench.training.block import Protocol
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train

HOPPER = Protocol(env_steps=60, action_repeat=1, eval_interval=25, eval_episodes=1)


@pytest.mark.parametrize("algorithm", ["dime", "dime-gaussian", "crossq", "sac", "random"])
@pytest.mark.parametrize("task", ["dm_control/pendulum-swingup", "gymnasium/Hopper-v5"])
def test_stopping_anywhere_and_resuming_changes_nothing(algorithm: str, task: str, tmp_path: Path) -> None:
    block = make_block(algorithm, task=task)
    if task.startswith("gymnasium"):
        block = make_block(algorithm, task=task, protocol=HOPPER)
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


COMMAND = [
    *(sys.executable, "-m", "dimebench.cli.main", "run", "suite=quick", "algo=dime,sac", "task=cartpole-swingup"),
    *("steps=400", "evaluation.interval=100", "evaluation.episodes=1", "all.learning_starts=60", "all.batch_size=8"),
    *("all.critic_hidden=[16]", "sac.actor_hidden=[16]", "dime.score_hidden=[16]", "--seeds", "1", "--workers", "2"),
]


def run(results: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [*COMMAND, "--device", "cpu", "--results", str(results), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)


def returns(results: Path) -> dict[tuple[str, int, int], float]:
    from dimebench.store import read_evals

    evals = read_evals(read_runs(results))
    keys = zip(evals["variant"], evals["env_step"], evals["episode"], strict=True)
    return dict(zip(keys, evals["return"], strict=True))


def test_killed_and_interrupted_processes_lose_nothing(tmp_path: Path) -> None:
    """SIGKILL of the command and its workers at a random instant, then Ctrl-C, then to the end."""
    whole = run(tmp_path / "whole")
    assert whole.wait(120) == 0
    source = random.Random(7)
    process = run(tmp_path / "cut", "--checkpoint-every", "0.2")
    wait_for_training(process, tmp_path / "cut")
    time.sleep(source.uniform(0, 2))
    for worker in children(process.pid):
        os.kill(worker, signal.SIGKILL)
    process.kill()
    process.wait()
    process = run(tmp_path / "cut")
    wait_for_training(process, tmp_path / "cut")
    process.send_signal(signal.SIGINT)
    code = process.wait(60)
    assert code in (0, 130)  # 0 where it was done before the signal came
    if code == 130:
        assert {r.status for r in read_runs(tmp_path / "cut")} <= {"interrupted", "finished"}
    assert run(tmp_path / "cut").wait(120) == 0
    assert returns(tmp_path / "cut") == returns(tmp_path / "whole")
    assert {r.status for r in read_runs(tmp_path / "cut")} == {"finished"}


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in found.read_text().split()] if found.exists() else []


def wait_for_training(process: subprocess.Popen[bytes], results: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if results.exists() and any(r.status == "running" and claimed_by(r.path) for r in read_runs(results)):
            return
        time.sleep(0.1)
