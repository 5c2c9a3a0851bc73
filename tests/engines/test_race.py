"""Several processes at one results folder: each run is trained by one at a time, and to the end once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from dimebench.store import read_evals, read_runs
from dimebench.store.claims import Watch
from tests.engines.race import CELLS, plan
from tests.processes import children, send, wait_until

SEED = 3
LEASE_S = 60.0  # nobody here expires: the dead are seen to be dead


def start(results: Path) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.engines.race", str(results), str(LEASE_S)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True)


def kill(process: subprocess.Popen[str], workers_too: bool) -> list[str]:
    """SIGKILL to the pool, and to its worker or not; what it had said."""
    workers = children(process.pid)
    process.kill()
    if workers_too:
        send(signal.SIGKILL, *workers)
    assert process.stdout is not None
    return process.communicate()[0].splitlines()


def begun(results: Path) -> int:
    return len(list(results.glob("*/*/*/*/seed-*/run.json")))


def test_four_processes_race_over_twelve_cells_and_some_are_killed(tmp_path: Path) -> None:
    source = random.Random(SEED)
    racing = [start(tmp_path) for _ in range(4)]
    said: list[str] = []
    for workers_too in (True, False):  # a pool with its worker; a pool whose worker must save and leave by itself
        before = begun(tmp_path)
        wait_until(
            lambda n=before: begun(tmp_path) > n + 1 or all(process.poll() is not None for process in racing),
            "two more runs have begun",
        )
        time.sleep(source.uniform(0.0, 0.5))
        victim = racing.pop(source.randrange(len(racing)))
        assert victim.poll() is None, "it was at work"
        said += kill(victim, workers_too)
    for process in racing:
        said += process.communicate()[0].splitlines()
        assert process.returncode == 0
    runs = read_runs(tmp_path)
    assert len(runs) == CELLS
    assert {run.status for run in runs} == {"finished"}
    assert all(len(read_evals([run])) == len(read_evals([run])["env_step"].unique()) for run in runs)
    ended = Counter(line for line in said if line.endswith("|finished"))
    assert set(ended.values()) <= {1}, "nobody trained to the end what another had"
    assert len(ended) >= len(runs) - 2, "of those killed the last word may be missing"
    assert all(Watch().holder(run.path) is None for run in runs)


def test_who_waits_says_for_whom_and_status_says_who_holds_what(tmp_path: Path) -> None:
    from dimebench.engines.events import Event, PoolSettings
    from dimebench.engines.local.pool import LocalPool

    made = plan(tmp_path, "steps=40")
    made.cells = made.cells[:1]
    made.cells[0].blocks = made.cells[0].blocks[:1]
    ((_, block),) = made.blocks()
    claim = Watch().acquire(block.run_folder(tmp_path, 0))
    assert claim is not None
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        if event.kind == "waiting":
            claim.release(finished=False)

    outcome = LocalPool(made, PoolSettings(1, lease_s=1.0)).run(listen)
    assert outcome.failed == []
    kinds = [event.kind for event in events if event.kind not in ("progress", "evaluation")]
    assert kinds == ["waiting", "started", "done"]
    assert events[0].facts["owner"].startswith(f"process {os.getpid()} on ")
