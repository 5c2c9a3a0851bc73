"""Worker processes: what happens when they die, fail or are told to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from dimebench.engines.events import Event, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.planning.plan import make_plan
from dimebench.store import read_runs
from tests.planning.requests import request
from tests.processes import children


@pytest.fixture(autouse=True)
def _no_process_stays_behind() -> Iterator[None]:
    before = set(children(os.getpid()))
    yield
    assert set(children(os.getpid())) <= before


def test_a_worker_that_dies_fails_its_block_and_the_others_go_on(tmp_path: Path) -> None:
    plan = make_plan(request("steps=4000", "evaluation.interval=2000"), [0], tmp_path, "cpu")
    plan.cells += make_plan(request(), [1], tmp_path, "cpu").cells
    before = set(children(os.getpid()))
    killed: list[int] = []

    def kill_once(event: Event) -> None:
        if event.kind == "progress" and event.facts["env_step"] > 0 and not killed:
            killed.extend(set(children(os.getpid())) - before)
            os.kill(killed[0], signal.SIGKILL)

    outcome = LocalPool(plan, PoolSettings(1)).run(kill_once)
    assert [(block.seeds, reason) for block, reason in outcome.failed] == [
        ((0,), "the worker process died (SIGKILL)")
    ]
    assert {(run.seed, run.status, run.reason) for run in read_runs(tmp_path)} == {
        (0, "failed", "the worker process died (SIGKILL)"),
        (1, "finished", None),
    }


def test_a_failed_block_is_tried_again_by_the_next_run(tmp_path: Path) -> None:
    plan = make_plan(request(), [0], tmp_path, "cpu")
    ((_, block),) = plan.blocks()
    place = block.run_folder(tmp_path, 0)
    place.parent.mkdir(parents=True)
    place.write_text("in the way")  # the run's folder cannot be made
    outcome = LocalPool(plan, PoolSettings(1)).run(lambda event: None)
    assert len(outcome.failed) == 1
    place.unlink()
    outcome = LocalPool(make_plan(request(), [0], tmp_path, "cpu"), PoolSettings(1)).run(lambda event: None)
    assert outcome.failed == []
    assert [run.status for run in read_runs(tmp_path)] == ["finished"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops_every_worker(tmp_path: Path, number: signal.Signals) -> None:
    plan = make_plan(request("steps=100000", "evaluation.interval=50000"), [0, 1], tmp_path, "cpu")
    training = threading.Event()

    def note(event: Event) -> None:
        if event.kind == "progress" and event.facts["env_step"] > 20:
            training.set()

    def interrupt() -> None:
        training.wait()
        os.kill(os.getpid(), number)

    threading.Thread(target=interrupt, daemon=True).start()
    outcome = LocalPool(plan, PoolSettings(2)).run(note)
    assert outcome.interrupted
    assert outcome.failed == []
    runs = read_runs(tmp_path)
    assert "interrupted" in {run.status for run in runs}
    assert {run.status for run in runs} <= {"interrupted", "running"}  # one may not have begun
    assert any((tmp_path / "quick").rglob("manifest.json"))


def test_a_worker_that_is_told_to_stop_on_its_own_leaves_the_others_at_work(tmp_path: Path) -> None:
    plan = make_plan(request("steps=4000", "evaluation.interval=2000"), [0], tmp_path, "cpu")
    plan.cells += make_plan(request(), [1], tmp_path, "cpu").cells
    before = set(children(os.getpid()))
    told: list[int] = []

    def tell_once(event: Event) -> None:
        if event.kind == "progress" and event.facts["env_step"] > 0 and not told:
            told.extend(set(children(os.getpid())) - before)
            os.kill(told[0], signal.SIGTERM)

    outcome = LocalPool(plan, PoolSettings(1)).run(tell_once)
    assert outcome.interrupted
    assert outcome.failed == []
    assert {run.seed: run.status for run in read_runs(tmp_path)} == {0: "interrupted", 1: "finished"}
