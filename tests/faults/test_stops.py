"""Every way to stop a command, one after another in one results folder; then it ends as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from dimebench.agents.registry import known_algorithms
from dimebench.config import parse_words
from dimebench.planning.plan import make_plan
from dimebench.store import read_evals, read_runs, read_train
from dimebench.training.block import Block
from dimebench.training.checkpoint import Checkpoints
from tests.cli.calls import COMMAND, cell, process
from tests.faults.conftest import with_package
from tests.processes import children, send, wait_until
from tests.training.blocks import outputs, train

WORDS = ["suite=tiny", "algo=moody"]
RUN = ["run", *WORDS, "--seeds", "1", "--workers", "1", "--device", "cpu", "--checkpoint-every", "0.01"]
RUN += ["--mode", "eager"]  # a graph would run the misbehaving Python of the first calls alone
SAVING = "dimebench: saving what is in work; Ctrl-C again stops at once\n"


def test_stopped_in_every_way_a_run_ends_with_the_bits_of_one_that_never_was(
    faulty: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    plan = make_plan(parse_words(WORDS, algorithms=known_algorithms()), [0], place / "whole", "cpu", mode="eager")
    ((_, block),) = plan.blocks()
    assert train(block, place / "whole") == "finished"

    ctrl_c_twice_while_the_worker_hangs(place)
    kill_command_and_worker_in_an_evaluation(place)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        signal_in_an_evaluation(place, number)
    answer = process(*RUN, "--keep-checkpoints", cwd=place, env=with_package(place))
    assert (answer.code, answer.err) == (0, "")
    assert run_json(place)["status"] == "finished"
    assert run_json(place)["provenance"]["resumed"] == 5
    same_bits(block, place / "results", place / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_while_libraries_are_imported_is_one_line(number: signal.Signals, place: Path) -> None:
    """An exception would be lost in there, or come out as another."""
    (place / "site" / "torch.py").write_text(
        "import os\ntry:\n    os.kill(os.getpid(), int(os.environ['NUMBER']))\n"
        "except BaseException as error:\n    raise ImportError('as from C') from error\n"
    )
    answer = process(*RUN, cwd=place, env=with_package(place) | {"NUMBER": str(int(number))})
    assert (answer.code, answer.out, answer.err) == (130, "", "dimebench: interrupted\n")


def ctrl_c_twice_while_the_worker_hangs(place: Path) -> None:
    """A learner that stands still can save nothing: the second one stops it at once, its last checkpoint is whole."""
    started = start(place, "stuck")
    assert started.stderr is not None
    started.send_signal(signal.SIGINT)
    assert started.stderr.readline() == SAVING
    started.send_signal(signal.SIGINT)
    out, err = started.communicate()
    assert (started.returncode, err) == (130, "dimebench: stopping at once\n")
    assert "interrupted, stopped at once, the last checkpoints stand: the same command goes on from there" in out
    assert run_json(place)["status"] == "interrupted"
    found = Checkpoints(cell(place / "results", "moody") / "checkpoints" / "seed-000")
    assert found.load() is not None
    assert found.problems == []


def kill_command_and_worker_in_an_evaluation(place: Path) -> None:
    started = start(place, "slow")
    workers = children(started.pid)
    started.kill()
    send(signal.SIGKILL, *workers)
    started.communicate()
    assert run_json(place)["status"] == "running", "nobody was left to say otherwise"


def signal_in_an_evaluation(place: Path, number: signal.Signals) -> None:
    started = start(place, "slow")
    started.send_signal(number)
    out, err = started.communicate()
    assert (started.returncode, err) == (130, SAVING)
    assert "interrupted, state saved: the same command goes on from there" in out
    assert run_json(place)["status"] == "interrupted"


def start(place: Path, mood: str) -> subprocess.Popen[str]:
    """The command, its learner in that mood by now."""
    sign = place / "mood"
    sign.unlink(missing_ok=True)
    environment = {"OMP_NUM_THREADS": "1", "MOOD": mood, "MOOD_FILE": str(sign), **with_package(place)}
    started = subprocess.Popen(
        [*COMMAND, *RUN],
        cwd=place,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(sign.exists, f"the learner is {mood}", started)
    return started


def run_json(place: Path) -> dict:
    return json.loads((cell(place / "results", "moody") / "seed-000" / "run.json").read_text())


def same_bits(block: Block, results: Path, whole: Path) -> None:
    """Tables without wall-clock times, and the whole final state."""
    for read in (read_evals, read_train):
        one, other = (read(read_runs(folder)).drop(columns="wall_time_s") for folder in (results, whole))
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    kept = Checkpoints(block.checkpoint_folder(results)).load()
    assert kept is not None
    expected = {k: v for k, v in outputs(block, whole)["final"].items() if not k.startswith("replay.")}
    assert kept.state.keys() == expected.keys()
    assert [k for k, v in expected.items() if v.tobytes() != kept.state[k].numpy().tobytes()] == []
