"""Claims among machines that share a file system: clocks that go at their own pace, listings that lag, sudden deaths.

Each machine is simulated: its own clock, its own cache of the folder's listing. As on NFS, the cache is as old as
`lag` at most, and is renewed by what the machine changes there itself; files are read as they are (close-to-open).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from dimebench.store import claims
from dimebench.store.claims import BEATS_PER_LEASE, Claim, ClaimLostError, Watch
from dimebench.store.owner import Owner

LEASE_S = 60.0
BEAT_S = LEASE_S / BEATS_PER_LEASE
NOTHING: tuple[float, list[int]] = (float("-inf"), [])  # seen of a folder


class World:
    """Time as nobody in it sees it, and the machine that acts at the moment."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, 0.0
        self.acting: Machine | None = None

    def generations(self, folder: Path) -> list[int]:
        assert self.acting is not None
        return self.acting.listing()

    def owner(self, pids: object) -> Owner:
        assert self.acting is not None
        return Owner(self.acting.name, ((1, 1),), f"boot of {self.acting.name}")


class Machine:
    """Wants the run, holds it for a while, is suspended or dies, and comes back."""

    def __init__(self, world: World, name: str, source: random.Random, lag: float) -> None:
        self.world, self.name, self._source, self._lag = world, name, source, lag
        self._pace, self._offset = source.uniform(0.98, 1.02), source.uniform(0.0, 1e6)
        self._listing = NOTHING
        self.claim: Claim | None = None
        self.absent_until = 0.0  # suspended, or dead
        self._next_beat, self._suspended = 0.0, False
        self._start()

    def _start(self) -> None:
        self.watch = Watch(LEASE_S, clock=lambda: self.world.now * self._pace + self._offset)

    def listing(self) -> list[int]:
        seen, names = self._listing
        if self.world.now - seen >= self._lag:
            names = [int(name[6:12]) for name in os.listdir(self.world.folder) if name.startswith("claim-")]
            self._listing = self.world.now, names
        return names

    def act(self) -> None:
        """One second of this machine."""
        self.world.acting = self
        if self.world.now < self.absent_until:
            return
        if self.claim is None:
            if self._source.random() < 0.3:
                self._take()
            return
        if self.world.now >= self._next_beat:
            self._next_beat = self.world.now + BEAT_S
            try:
                self.claim.beat()
            except ClaimLostError:
                self.claim = None
                return
            self._suspended = False
        chance = self._source.random()
        if chance < 0.01:  # suspended: it believes that it still holds the run until it looks
            self.absent_until = self.world.now + self._source.uniform(5.0, 200.0)
            self._next_beat, self._suspended = self.absent_until, True
        elif chance < 0.02:  # dead, and started again
            self.claim, self.absent_until = None, self.world.now + self._source.uniform(5.0, 200.0)
            self._listing = NOTHING
            self._start()
        elif chance < 0.03:
            self.claim.release(finished=False)
            self.claim = None

    def _take(self) -> None:
        self.claim = self.watch.acquire(self.world.folder)
        self._next_beat, self._suspended = self.world.now + BEAT_S, False

    @property
    def at_work(self) -> bool:
        """Whether it would write: after an absence it looks first."""
        return self.claim is not None and not self._suspended


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path)
    real_open = os.open

    def opened(path: str | Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real_open(path, flags, mode)
        if flags & os.O_EXCL and made.acting is not None:
            made.acting._listing = NOTHING  # what a machine creates itself renews its view of the folder
        return descriptor

    monkeypatch.setattr(claims, "_generations", made.generations)
    monkeypatch.setattr(claims, "owner_of", made.owner)
    monkeypatch.setattr(claims.os, "open", opened)
    return made


@pytest.mark.parametrize("lag", [0.0, 5.0, 30.0, 55.0])
@pytest.mark.parametrize("seed", range(5))
def test_of_many_machines_one_at_most_is_at_work(seed: int, lag: float, world: World) -> None:
    source = random.Random(f"{seed} {lag}")
    machines = [Machine(world, f"node{i}", source, lag) for i in range(6)]
    busy = taken = 0
    holder: str | None = None
    for _ in range(4000):
        world.now += 1.0
        for machine in source.sample(machines, len(machines)):
            machine.act()
            names = [each.name for each in machines if each.at_work]
            assert len(names) <= 1, f"{names} at {world.now}"
        if names:
            busy += 1
            taken += names[0] != holder
            holder = names[0]
    assert taken > 20, "it changed hands often"
    assert busy > 1000, "and was not left lying for long"


def test_a_machine_said_to_be_dead_is_given_two_beats_not_the_whole_lease(world: World) -> None:
    source = random.Random(0)
    node, driver, other = (Machine(world, name, source, 0.0) for name in ("node", "driver", "other"))

    def as_(machine: Machine) -> Machine:
        world.acting = machine
        return machine

    held = as_(node).watch.acquire(world.folder)
    assert held is not None
    told_too_early = 0
    for _ in range(30):  # alive, whatever Ray says of it
        world.now += 4.0
        as_(node)
        held.beat()
        told_too_early += as_(driver).watch.free_if_dead(world.folder, {"node"})
    assert told_too_early == 0
    as_(other)
    waited = 0.0
    while not as_(driver).watch.free_if_dead(world.folder, {"node", "elsewhere"}):
        world.now, waited = world.now + 1.0, waited + 1.0
        assert as_(other).watch.acquire(world.folder) is None
    assert 2 * BEAT_S < waited < 3 * BEAT_S + 2
    assert not as_(driver).watch.free_if_dead(world.folder, {"node"}), "it is free already"
    taken = as_(other).watch.acquire(world.folder)
    assert taken is not None
    as_(node)
    with pytest.raises(ClaimLostError):
        held.beat()
    as_(other)
    taken.beat()


def test_a_machine_that_nobody_calls_dead_keeps_its_lease(world: World) -> None:
    source = random.Random(0)
    node, driver = (Machine(world, name, source, 0.0) for name in ("node", "driver"))
    world.acting = node
    assert node.watch.acquire(world.folder) is not None
    world.acting = driver
    for _ in range(50):
        world.now += 1.0
        assert not driver.watch.free_if_dead(world.folder, {"another"})


def test_an_owner_whose_listing_lags_still_finds_out_that_it_has_lost(world: World) -> None:
    source = random.Random(0)
    slow, quick = Machine(world, "slow", source, 1e9), Machine(world, "quick", source, 0.0)
    world.acting = slow
    held = slow.watch.acquire(world.folder)
    assert held is not None
    held.beat()
    world.acting = quick
    claim = None
    while claim is None:
        world.now += 1.0
        claim = quick.watch.acquire(world.folder)
    world.acting = slow
    assert slow.listing() == [1], "it sees the folder as it was"
    with pytest.raises(ClaimLostError):
        held.beat()
    assert claim.owner.host == "quick"
