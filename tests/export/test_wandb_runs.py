"""Weights & Biases gets each point of a run once: offline with the real package, online with a server of our own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest

from dimebench.export.points import RunInUseError, run_id
from dimebench.export.trackers import Follower, TrackerError, WandB, export_runs, scalars_of
from dimebench.store import Run, RunWriter
from dimebench.store.schema import EVALS_FILE
from tests.export.shown import axes, in_wandb, keep_rows, wanted
from tests.store.runs import episode, written

pytest.importorskip("wandb")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import wandb

    wandb.teardown()  # its settings are read once
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))


def evaluated(run: Run, *steps: int) -> Run:
    writer = RunWriter(run)
    for step in steps:
        writer.add_evaluation(step, [episode(0, 99.0)])
    writer.write()
    return run


def export(folder: Path, *runs: Run) -> None:
    export_runs(runs, WandB(folder))


def files(folder: Path) -> list[Path]:
    return sorted((folder / "wandb").glob("offline-run-*/*.wandb"))


@pytest.mark.usefixtures("offline")
def test_an_export_keeps_a_run_offline(tmp_path: Path) -> None:
    run = written(tmp_path / "results")
    assert export_runs([run], WandB(tmp_path / "wb")) == 2
    assert in_wandb(tmp_path / "wb") == {run_id(run): wanted(run)}
    (kept,) = files(tmp_path / "wb")
    assert b"dime dm_control/dog-run seed 0" in kept.read_bytes()
    assert axes(kept) == {"env_step": "", "eval/*": "env_step", "train/*": "env_step", "seconds": "env_step"}


@pytest.mark.usefixtures("offline")
def test_a_second_export_adds_what_is_new_and_nothing_else(tmp_path: Path) -> None:
    run, other = written(tmp_path / "results"), written(tmp_path / "results", seed=1)
    export(tmp_path / "wb", run)
    before = files(tmp_path / "wb")
    export(tmp_path / "wb", run)
    assert files(tmp_path / "wb") == before
    export(tmp_path / "wb", evaluated(run, 400), other)
    assert in_wandb(tmp_path / "wb") == {run_id(each): wanted(each) for each in (run, other)}


@pytest.mark.usefixtures("offline")
def test_suites_and_trainings_are_runs_of_their_own(tmp_path: Path) -> None:
    runs = [written(tmp_path / suite, suite=suite) for suite in ("one", "two")]
    runs += [written(tmp_path / "three", suite="one", provenance={"started": "2025-02-01T10:00:00+00:00"})]
    export(tmp_path / "wb", *runs)
    assert in_wandb(tmp_path / "wb") == {run_id(run): wanted(run) for run in runs}


@pytest.mark.usefixtures("offline")
def test_points_of_an_earlier_env_step_may_come_late(tmp_path: Path) -> None:
    run = evaluated(written(tmp_path / "results", status="running"), 100, 400)
    whole = pq.read_table(run.path / EVALS_FILE)
    follower = Follower([WandB(tmp_path / "wb")], tmp_path / "wb", lambda: [run.path])
    for steps in ((), (400,), (0, 400), (0, 100, 300, 400)):
        keep_rows(run, EVALS_FILE, whole, *steps)
        follower.look()
    follower.close()
    assert in_wandb(tmp_path / "wb") == {run_id(run): wanted(run)}


@pytest.mark.usefixtures("offline")
def test_a_run_that_is_resumed_or_deleted_is_whole_again(tmp_path: Path) -> None:
    run = written(tmp_path / "results", status="running")
    for step in (400, 500):
        Follower([WandB(tmp_path / "wb")], tmp_path / "wb", lambda: [run.path]).close()
        evaluated(run, step)
    export(tmp_path / "wb", run)
    assert in_wandb(tmp_path / "wb") == {run_id(run): wanted(run)}
    files(tmp_path / "wb")[0].unlink()
    export(tmp_path / "wb", run)
    assert in_wandb(tmp_path / "wb") == {run_id(run): wanted(run)}


def test_what_a_killed_process_had_logged_is_sent_again(tmp_path: Path, offline: None) -> None:
    """wandb writes an offline run in blocks: what was logged last is lost with it."""
    run = written(tmp_path / "results", status="running")
    export(tmp_path / "wb", run)
    evaluated(run, 400)
    text = f"""
import os, signal
from pathlib import Path
from dimebench.export.trackers import Follower, WandB
folder = Path({str(tmp_path / "wb")!r})
assert Follower([WandB(folder)], folder, lambda: [Path({str(run.path)!r})]).look()
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == -signal.SIGKILL
    assert len(files(tmp_path / "wb")) == 2
    export(tmp_path / "wb", run)
    assert in_wandb(tmp_path / "wb") == {run_id(run): wanted(run)}


@pytest.mark.usefixtures("offline")
def test_a_run_that_another_process_sends_waits(tmp_path: Path) -> None:
    run, other = written(tmp_path / "results", status="running"), written(tmp_path / "results", seed=1)
    text = f"""
from pathlib import Path
from dimebench.export.trackers import Follower, WandB
folder = Path({str(tmp_path / "wb")!r})
first = Follower([WandB(folder)], folder, lambda: [Path({str(run.path)!r})])
first.look()
print("ready", flush=True)
input()
first.close()
"""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", text], stdin=pipe, stdout=pipe, text=True) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        evaluated(run, 400)
        late = Follower([WandB(tmp_path / "wb")], tmp_path / "wb", lambda: [run.path])
        assert late.look() == 0
        with pytest.raises(RunInUseError, match="another process"):
            export(tmp_path / "wb", run, other)
        first.communicate("\n")
    late.close()
    assert in_wandb(tmp_path / "wb") == {run_id(each): wanted(each) for each in (run, other)}


class Server:
    """What stands in for wandb online: runs that only grow, and sessions whose last rows a kill may lose."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.begun: list[str] = []
        self.loses = 0  # rows of a session that never arrive
        self.settings = SimpleNamespace(base_url="https://api.wandb.ai", entity="me", mode="online")
        self.Error = type("Error", (Exception,), {})

    def setup(self) -> Any:
        return SimpleNamespace(settings=self.settings)

    def Settings(self, **_: Any) -> None:  # noqa: N802
        """As wandb has it."""

    def init(self, **facts: Any) -> Any:
        assert facts["resume"] == "allow"
        own = facts["id"]
        self.begun.append(own)
        there, session = self.rows.setdefault(own, []), []

        def finish() -> None:
            there.extend(session[: len(session) - self.loses])
            session.clear()

        return SimpleNamespace(
            step=len(there), log=session.append, finish=finish, define_metric=lambda *_, **__: None
        )

    def teardown(self) -> None:
        pass

    def shown(self) -> dict[str, list[tuple[str, int, float]]]:
        return {
            own: sorted((tag, row["env_step"], row[tag]) for row in rows for tag in row if "/" in tag)
            for own, rows in self.rows.items()
        }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    own = Server()
    monkeypatch.setitem(sys.modules, "wandb", own)
    return own


def test_online_a_run_grows_by_what_is_new(tmp_path: Path, server: Server) -> None:
    runs = [written(tmp_path / "results", seed=seed) for seed in (0, 1)]
    export(tmp_path / "wb", *runs)
    export(tmp_path / "wb", *runs)
    assert len(server.begun) == 2, "a run without anything new is not begun"
    evaluated(runs[0], 200, 400)
    export(tmp_path / "wb", *runs)
    assert server.shown() == {run_id(run): wanted(run) for run in runs}


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_online_the_rows_that_a_kill_lost_are_sent_again_and_no_others(
    tmp_path: Path, server: Server, lost: int
) -> None:
    run = evaluated(written(tmp_path / "results", status="running"), 400)
    killed = WandB(tmp_path / "wb")
    follower = Follower([killed], tmp_path / "wb", lambda: [run.path])
    follower.look()
    evaluated(run, 500)
    follower.look()
    server.loses = lost
    for session in killed._sessions.values():  # what wandb's own process still sends after a SIGKILL
        session.end()
    server.loses = 0
    export(tmp_path / "wb", evaluated(run, 600))
    export(tmp_path / "wb", evaluated(run, 700))
    assert server.shown() == {run_id(run): wanted(run)}


def test_online_what_the_server_lost_comes_back(tmp_path: Path, server: Server) -> None:
    run = written(tmp_path / "results")
    export(tmp_path / "wb", run)
    server.rows.clear()
    export(tmp_path / "wb", evaluated(run, 400))
    assert server.shown() == {run_id(run): wanted(run)}


@pytest.mark.parametrize("change", [{"entity": "team"}, {"base_url": "https://own"}])
def test_what_one_server_and_team_were_sent_another_gets_too(
    tmp_path: Path, server: Server, change: dict[str, str]
) -> None:
    run = written(tmp_path / "results")
    export(tmp_path / "wb", run)
    server.rows.clear()
    vars(server.settings).update(change)
    export(tmp_path / "wb", run)
    assert server.shown() == {run_id(run): wanted(run)}


def test_where_wandb_is_disabled_nothing_counts_as_sent(tmp_path: Path, server: Server) -> None:
    run = written(tmp_path / "results")
    server.settings.mode = "disabled"
    export(tmp_path / "wb", run)
    assert server.rows == {}
    server.settings.mode = "online"
    export(tmp_path / "wb", run)
    assert server.shown() == {run_id(run): wanted(run)}


def test_finished_runs_keep_no_file_open(tmp_path: Path, server: Server) -> None:
    tracker = WandB(tmp_path / "wb")
    runs = [written(tmp_path / "results", seed=seed) for seed in range(20)]
    before = len(os.listdir("/dev/fd"))
    for run in runs:
        tracker.show(run, scalars_of(run))
    assert len(os.listdir("/dev/fd")) == before
    tracker.close()
    assert server.shown() == {run_id(run): wanted(run) for run in runs}


def test_a_login_that_fails_is_one_line(tmp_path: Path, server: Server) -> None:
    def refuse(**_: Any) -> None:
        raise server.Error("no API key\nlog in first")

    server.init = refuse  # type: ignore[method-assign]
    run = written(tmp_path / "results")
    with pytest.raises(TrackerError, match=r"^Weights & Biases: no API key$"):
        export(tmp_path / "wb", run)
