"""Claims: exactly one holds a run, whatever each process has seen, and none is held by the dead."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.store.claims import SIZE, Claim, ClaimLostError, Watch, drop_claims, read_claim

FUZZ = int(os.environ.get("FUZZ", "200"))  # examples of a property


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def foreign(claim: Claim) -> Claim:
    """The same claim, held by a process on another machine: whether that one lives cannot be seen from here."""
    made = Claim(claim.folder, claim.generation, claim.token, replace(claim.owner, space="elsewhere"), claim.lease_s)
    made.beat()
    return made


def test_a_run_is_held_by_one_alone_until_it_is_let_go(tmp_path: Path) -> None:
    claim = Watch().acquire(tmp_path / "seed-000")
    assert claim is not None
    assert Watch().acquire(tmp_path / "seed-000") is None
    assert str(os.getpid()) in str(Watch().holder(tmp_path / "seed-000"))
    claim.release(finished=False)
    again = Watch().acquire(tmp_path / "seed-000")
    assert again is not None
    again.release(finished=True)
    assert list((tmp_path / "seed-000").iterdir()) == []


def test_many_at_once_get_one_claim(tmp_path: Path) -> None:
    start, got = threading.Barrier(8), []

    def take() -> None:
        start.wait()
        got.append(Watch().acquire(tmp_path / "run"))

    for _ in range(20):
        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        (claim,) = [each for each in got if each is not None]
        claim.release(finished=random.random() < 0.5)
        got.clear()


def test_a_dead_owner_on_this_machine_is_seen_at_once(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from dimebench.store.claims import Watch\n"
    code += "Watch().acquire(Path(sys.argv[1])); print('held', flush=True); time.sleep(60)"
    words = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert Watch().acquire(tmp_path / "run") is None
        process.send_signal(signal.SIGKILL)
    assert Watch().acquire(tmp_path / "run") is not None


def test_another_users_process_that_proc_does_not_show_is_not_taken_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with /proc mounted with hidepid."""

    def forbid(pid: int, number: int) -> None:
        raise PermissionError

    assert Watch().acquire(tmp_path / "run", pids=[os.getpid()]) is not None
    monkeypatch.setattr("dimebench.store.owner.started_at", lambda pid: None)
    monkeypatch.setattr(os, "kill", forbid)
    assert Watch().holder(tmp_path / "run") is not None


def test_an_owner_elsewhere_expires_when_its_counter_stands_still_for_the_lease(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(lease_s=60.0, clock=clock)
    own = Watch(lease_s=60.0).acquire(tmp_path)
    assert own is not None
    owner = foreign(own)
    for _ in range(40):  # long past the lease, but alive
        clock.now += 4.0
        owner.beat()
        assert watch.acquire(tmp_path) is None
    for _ in range(15):
        clock.now += 4.0
        assert watch.acquire(tmp_path) is None, "not yet"
    clock.now += 4.0
    taken = watch.acquire(tmp_path)
    assert taken is not None
    with pytest.raises(ClaimLostError, match="trained by another process"):
        owner.beat()
    owner.release(finished=True)
    taken.beat()


def test_an_observer_that_was_suspended_itself_blames_nobody(tmp_path: Path) -> None:
    clock = Clock()
    watch = Watch(lease_s=60.0, clock=clock)
    own = Watch().acquire(tmp_path)
    assert own is not None
    foreign(own)
    assert watch.acquire(tmp_path) is None
    clock.now += 100_000.0  # as after SIGSTOP and SIGCONT of the whole job
    assert watch.acquire(tmp_path) is None


def test_the_wall_clock_plays_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time", lambda: 0.0)
    claim = Watch().acquire(tmp_path)
    assert claim is not None
    os.utime(claim.path, (0, 0))
    assert Watch().acquire(tmp_path) is None
    os.utime(claim.path, (4e9, 4e9))
    assert Watch().acquire(tmp_path) is None


def test_knowledge_that_has_become_old_takes_nothing_away(tmp_path: Path) -> None:
    """An observer judges generation 1 as free; before it acts, others have taken 2, and let 2 go for 3."""
    first = Watch().acquire(tmp_path)
    assert first is not None
    first.release(finished=False)
    late = Watch()
    judged = late._judge(tmp_path)
    second = Watch().acquire(tmp_path)
    assert second is not None
    second.release(finished=False)
    third = Watch().acquire(tmp_path)
    assert third is not None
    late._judge = lambda folder: judged  # type: ignore[method-assign]
    assert late.acquire(tmp_path) is None
    third.beat()
    assert [file.name for file in tmp_path.iterdir()] == ["claim-000003.json"]


def test_all_runs_of_a_block_or_none(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in "abc"]
    held = Watch().acquire(folders[1])
    assert held is not None
    assert Watch().acquire_all(folders) is None
    assert Watch().acquire(folders[0]) is not None, "let go again"


@settings(max_examples=FUZZ, deadline=None)
@given(data=st.binary(max_size=2 * SIZE))
def test_whatever_stands_in_a_claim_it_is_one(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("claim")
    file = folder / "claim-000001.json"
    file.write_bytes(data)
    assert read_claim(file) is not None
    assert Watch().acquire(folder) is None
    drop_claims(folder)
    assert list(folder.iterdir()) == []


@settings(max_examples=FUZZ, deadline=None)
@given(
    content=st.fixed_dictionaries(
        {},
        optional={
            key: st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists)
            for key in ("host", "processes", "space", "token", "lease_s", "free", "beats")
        },
    )
)
def test_a_claim_of_any_json_never_raises(
    content: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("claim")
    with suppress(UnicodeEncodeError):
        (folder / "claim-000001.json").write_text(json.dumps(content))
    str(Watch().holder(folder))
