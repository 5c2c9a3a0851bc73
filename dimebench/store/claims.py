"""Who trains a run: claim files that work on network file systems too (no flock).

    seed-003/claim-000002.json    who holds the run, and a counter that its owner raises

A claim of generation n + 1 is created with O_EXCL when the one of generation n is free or its owner is gone; so of
several processes that want a run exactly one gets it, even from outdated knowledge. The highest generation counts. An
owner whose claim has disappeared or been superseded has lost it and must stop at once.

An owner is gone when its processes are, where that is visible (same machine, same boot), or when its counter has not
changed for a lease by the observer's own monotonic clock: two clocks are never compared.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dimebench.store.atomic import make_folder
from dimebench.store.errors import StoreError
from dimebench.store.owner import Owner, owner_of, started_at
from dimebench.store.places import Place, RemotePath

LEASE_S = 60.0  # how long a counter may stay unchanged
LONGEST_LEASE_S = 3600.0  # more is not believed
BEATS_PER_LEASE = 6
SIZE = 512  # bytes of a claim file: rewritten in place, so that a beat needs no new block on a full disk
LONGEST_HOST = 60  # characters of a host's name
LONGEST_PAUSE_S = 5.0  # between two checks by an observer; more means that it was suspended itself

_NAME = re.compile(r"claim-([0-9]{6})\.json")


class ClaimLostError(Exception):
    """Another process holds the run now; one line that names the run."""


@dataclass(frozen=True)
class Held:
    """A claim as read from disk."""

    owner: Owner
    lease_s: float
    free: bool
    raw: bytes = field(repr=False)


@dataclass(eq=False)
class Claim:
    """A claim held by this process, or passed to it as JSON."""

    folder: Path
    generation: int
    token: str
    owner: Owner
    lease_s: float
    _beats: int = field(default=0, init=False)

    @property
    def path(self) -> Path:
        return self.folder / _name(self.generation)

    def with_process(self, pid: int) -> Claim:
        """The same claim, held by that process as well."""
        processes = (*self.owner.processes, (pid, started_at(pid) or 0))
        return replace(self, owner=replace(self.owner, processes=processes))

    def beat(self) -> None:
        """Raise the counter. Raises ClaimLostError, or OSError where it cannot be written for now."""
        self._beats += 1
        self._write(free=False)

    def release(self, finished: bool) -> None:
        """Give the run up. A finished run needs no claim; otherwise the file stays, marked as free.

        The number in its name keeps an observer with outdated knowledge from taking a run that is taken.
        """
        with contextlib.suppress(OSError, ClaimLostError):
            self._check()
            if finished:
                self.path.unlink()
            else:
                self._write(free=True)

    def to_json(self) -> dict[str, Any]:
        content = asdict(self) | {"folder": str(self.folder)}
        return {name: value for name, value in content.items() if name != "_beats"}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Claim:
        owner = content["owner"]
        processes = tuple((pid, ticks) for pid, ticks in owner["processes"])
        known = {"folder": Path(content["folder"]), "owner": Owner(owner["host"], processes, owner["space"])}
        return cls(**content | known)

    def _check(self) -> None:
        """Raises ClaimLostError where the claim no longer counts."""
        newest = max(_generations(self.folder), default=0)
        held = read_claim(self.path) if newest == self.generation else None
        if newest != self.generation or (held is not None and self.token.encode() not in held.raw[:SIZE]):
            raise self._lost()

    def _write(self, free: bool) -> None:
        self._check()
        try:
            descriptor = os.open(self.path, os.O_WRONLY)
        except FileNotFoundError:
            raise self._lost() from None
        try:
            os.pwrite(descriptor, self._content(free), 0)
        finally:
            os.close(descriptor)

    def _lost(self) -> ClaimLostError:
        return ClaimLostError(f"{self.folder} is trained by another process now")

    def _content(self, free: bool) -> bytes:
        content = asdict(self.owner) | {"host": self.owner.host[:LONGEST_HOST]}
        content |= {"token": self.token, "lease_s": self.lease_s, "free": free, "beats": self._beats}
        return json.dumps(content).encode().ljust(SIZE)


class Watch:
    """One observer of claims. A claim expires only by what this observer has seen, on its own clock."""

    def __init__(self, lease_s: float = LEASE_S, clock: Callable[[], float] = time.monotonic) -> None:
        self.lease_s = lease_s
        self._clock = _AwakeClock(clock)
        self._seen: dict[Place, tuple[bytes, float]] = {}  # a folder's newest claim, and since when it is unchanged

    def holder(self, folder: Place) -> Owner | None:
        """Who holds the run of that folder; None where it is free."""
        return self._judge(folder)[1]

    def _judge(self, folder: Place, share: float = 1.0) -> tuple[int, Owner | None]:
        """The generation that counts (0 for none), and its holder; `share` of its lease may pass without a beat."""
        now = self._clock()
        generation = max(_generations(folder), default=0)
        held = read_claim(folder / _name(generation)) if generation else None
        if held is None or held.free or held.owner.is_gone():
            self._seen.pop(folder, None)
            return generation, None
        what = b"%d " % generation + held.raw
        before, since = self._seen.get(folder, (b"", now))
        if before != what:
            self._seen[folder] = what, now
            return generation, held.owner
        return generation, held.owner if now - since <= share * held.lease_s else None

    def free_if_dead(self, folder: Path, hosts: Collection[str]) -> bool:
        """Release a claim whose owner's machine is reported dead, once its counter has missed two beats.

        So others need not wait for the whole lease. If the machine is alive after all, it loses the run at its next
        beat, as with any expired claim. True where the claim was released.
        """
        owner = self.holder(folder)
        if owner is None or owner.host not in hosts:
            return False
        judged, owner = self._judge(folder, 2.5 / BEATS_PER_LEASE)
        claim = self._make(folder, judged, [os.getpid()]) if owner is None else None
        if claim is not None:
            claim.release(finished=False)
        return claim is not None

    def acquire(self, folder: Path, pids: Sequence[int] = ()) -> Claim | None:
        """The claim of a run's folder, which is created if missing; None where another process holds it.

        pids: the processes that hold it (this one by default). Raises OSError for a folder that cannot be written.
        """
        judged, owner = self._judge(folder)
        return None if owner is not None else self._make(folder, judged, pids or [os.getpid()])

    def _make(self, folder: Path, judged: int, pids: Sequence[int]) -> Claim | None:
        """The claim after the judged one; None where another process has made it."""
        make_folder(folder)
        generation = judged + 1  # next after the judged one: a claim made since then makes this fail
        claim = Claim(folder, generation, secrets.token_hex(8), owner_of(pids), self.lease_s)
        try:
            descriptor = os.open(claim.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return None  # another process was faster
        try:
            os.write(descriptor, claim._content(free=False))
        except OSError as error:
            claim.path.unlink(missing_ok=True)
            raise OSError(error.errno, error.strerror, str(claim.path)) from error
        finally:
            os.close(descriptor)
        if max(_generations(folder), default=0) != generation:
            claim.path.unlink(missing_ok=True)  # made from outdated knowledge: the run was taken before
            return None
        for older in _generations(folder):
            if older < generation:
                (folder / _name(older)).unlink(missing_ok=True)
        return claim

    def acquire_all(self, folders: Sequence[Path]) -> list[Claim] | None:
        """All of these runs, or none of them."""
        claims: list[Claim] = []
        with contextlib.ExitStack() as undo:
            for folder in folders:
                claim = self.acquire(folder)
                if claim is None:
                    return None
                undo.callback(claim.release, finished=False)
                claims.append(claim)
            undo.pop_all()
        return claims


def read_claim(path: Place) -> Held | None:
    """A claim file; None where there is none. Unreadable content counts too: while it changes, its owner is alive."""
    try:
        if isinstance(path, Path):
            with path.open("rb") as file:
                raw = file.read(4 * SIZE)
        else:
            raw = path.read_bytes()[: 4 * SIZE]
    except (OSError, StoreError):
        return None
    try:
        content = json.loads(raw)
        processes = tuple((int(pid), int(ticks)) for pid, ticks in content["processes"])
        owner = Owner(str(content["host"])[:LONGEST_HOST], processes, str(content["space"]))
        lease_s, free = min(max(0.0, float(content["lease_s"])), LONGEST_LEASE_S), content["free"] is True
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Held(Owner("an unknown machine", (), ""), LEASE_S, False, raw)  # killed during its first write
    return Held(owner, lease_s, free, raw)


def claimed_by(folder: Place) -> Owner | None:
    """Who holds a run, as far as a single check can tell: an owner on another machine may be gone already."""
    return Watch().holder(folder)


def drop_claims(folder: Path) -> None:
    """Remove the claims that killed processes left in a finished run's folder."""
    for generation in _generations(folder):
        with contextlib.suppress(OSError):
            (folder / _name(generation)).unlink(missing_ok=True)


class _AwakeClock:
    """Seconds that this process was awake: a suspended observer must not mistake its own absence for the owner's."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._last, self._awake = clock, clock(), 0.0

    def __call__(self) -> float:
        now = self._clock()
        self._awake += min(now - self._last, LONGEST_PAUSE_S)
        self._last = now
        return self._awake


def _name(generation: int) -> str:
    return f"claim-{generation:06d}.json"


def _generations(folder: Place) -> list[int]:
    try:
        names = folder.names() if isinstance(folder, RemotePath) else os.listdir(str(folder))
    except (OSError, StoreError):
        return []
    return [int(match[1]) for name in names if (match := _NAME.fullmatch(name))]
