"""The chosen runs cell by cell: what goes with them, whether they may go, and the claims on them meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path

from dimebench.errors import one_line
from dimebench.store.claims import BEATS_PER_LEASE, LONGEST_LEASE_S, Claim, ClaimLostError, Watch
from dimebench.store.errors import StoreError
from dimebench.store.housekeeping.choosing import Found
from dimebench.store.housekeeping.trees import size_of
from dimebench.store.owner import owner_of
from dimebench.store.reader import read_run

CHECKPOINTS = "checkpoints"
LOOK_EVERY_S = 0.5


@dataclass(frozen=True)
class Cell:
    """The chosen runs of a cell, and the others that lie beside them."""

    folder: Path
    runs: list[Found]
    others: list[Found]

    @property
    def name(self) -> str:
        return f"{self.runs[0].variant} on {self.runs[0].task}"

    @property
    def checkpoints(self) -> list[Path]:
        """The folders of the chosen runs' checkpoints: state to go on from, or the trained policy."""
        place = self.folder / CHECKPOINTS
        if place.is_symlink():
            return []
        return [place / block for block in sorted({each.block for each in self.runs}) if (place / block).is_dir()]

    @property
    def unneeded(self) -> list[Path]:
        """What no other run of the cell needs: with the last run all checkpoints, else those of its own block."""
        if not self.others:
            return [self.folder / CHECKPOINTS]
        return [each for each in self.checkpoints if not self.is_needed(each)]

    def is_needed(self, checkpoint: Path) -> bool:
        """Whether another run of the cell may need the checkpoints of a block."""
        return any(_needs(other, checkpoint.name) for other in self.others)

    @cached_property
    def bytes(self) -> int:
        """On disk, of all that would be gone without these runs, as measured when it was first asked for."""
        return sum(each.bytes for each in self.runs) + sum(map(size_of, self.unneeded))

    def torn_apart(self) -> str:
        """Why these runs must not go without others: "" where they may.

        A block that is not done goes on from one checkpoint, which holds all of its seeds.
        """
        for checkpoint in self.checkpoints:
            block = [each for each in self.runs if each.block == checkpoint.name and each.run]
            mates = [each for each in self.others if _needs(each, checkpoint.name) and _together(each, block)]
            if all(each.run and each.run.done for each in mates) or not any(checkpoint.glob("[0-9]*")):
                continue
            seeds = [", ".join(str(each.seed) for each in some) for some in (block, mates)]
            return (
                f"{self.name}: seed {seeds[0]} trains together with seed {seeds[1]}, "
                f"from one checkpoint ({checkpoint}): name all of them, or let them finish"
            )
        return ""


def cells_of(chosen: Sequence[Found], found: Sequence[Found]) -> list[Cell]:
    """chosen: some of those found."""
    paths = {each.path for each in chosen}
    beside: dict[Path, list[Found]] = {}
    for each in found:
        if each.path not in paths:
            beside.setdefault(each.path.parent, []).append(each)
    ordered = sorted(chosen, key=lambda each: each.path)
    groups = groupby(ordered, key=lambda each: each.path.parent)
    return [Cell(folder, list(some), beside.get(folder, [])) for folder, some in groups]


def _needs(other: Found, block: str) -> bool:
    """Whether another run may need the checkpoints of a block; of one that cannot be read that is not known."""
    return other.block == block or (other.run is None and not block.startswith("seed-"))


def _together(other: Found, block: Sequence[Found]) -> bool:
    """Whether a run began with those of a block, as far as they say so."""
    seeds = [run.provenance.get("seeds_together") for each in block if (run := each.run)]
    return other.run is not None or any(isinstance(some, list) and other.seed in some for some in seeds)


def check_free(runs: Sequence[Found], watch: Watch, what: str, waiting: Callable[[str], None]) -> None:
    """Raises StoreError where another process trains one of the runs.

    Of an owner on another machine only time tells: its lease is waited for, unless it gives a sign of life.
    waiting: is told once, in a line, that this is so.
    """
    first, space, begun, told = _claims(runs), owner_of([]).space, time.monotonic(), False
    while held := {each.name: owner for each in runs if (owner := watch.holder(each.path)) is not None}:
        name, owner = next(iter(held.items()))
        alive = any(each.space == space for each in held.values()) or _claims(runs) != first
        if alive or time.monotonic() - begun > LONGEST_LEASE_S:
            raise StoreError(f"{name} is trained by {owner}: nothing was {what}; stop that first, or leave it out")
        if not told:
            waiting(f"{name} is held by {owner}: waiting for a sign of life from there")
            told = True
        time.sleep(LOOK_EVERY_S)


def _claims(runs: Sequence[Found]) -> list[bytes]:
    return [file.read_bytes() for each in runs for file in sorted(each.path.glob("claim-*.json")) if file.is_file()]


class Held:
    """The claims on some runs, and their beat; nobody else changes them meanwhile."""

    def __init__(self, claims: list[Claim]) -> None:
        self.claims, self._latest = claims, time.monotonic()

    def tick(self) -> None:
        """To be called often: raises the counters when it is time. Raises StoreError where a claim is lost."""
        lease = min((claim.lease_s for claim in self.claims), default=60.0)
        if time.monotonic() - self._latest > lease / BEATS_PER_LEASE:
            self._latest = time.monotonic()
            for claim in self.claims:
                try:
                    claim.beat()
                except ClaimLostError as error:
                    raise StoreError(str(error)) from None


@contextmanager
def holding(runs: Sequence[Found], watch: Watch) -> Iterator[Held]:
    """Hold these runs as training would. Raises StoreError where another process holds or has changed one."""
    for each in runs:
        if not each.path.is_dir():
            raise StoreError(f"{each.name} is gone since it was listed")
    claims = watch.acquire_all([each.path for each in runs])
    if claims is None:
        raise StoreError(f"{runs[0].name}, or a seed beside it, has been taken up by another process")
    try:
        for each in runs:
            if _read(each.path) != each.run:
                raise StoreError(f"{each.name} has changed since it was listed")
        yield Held(claims)
    finally:
        done = {each.path: each.run is not None and each.run.done for each in runs}
        for claim in claims:
            claim.release(finished=done[claim.folder])  # of a run that is gone by then there is none left


def _read(folder: Path) -> object:
    try:
        return read_run(folder)
    except StoreError:
        return None


@dataclass(frozen=True)
class Done:
    """What became of the runs: which are gone, and why others are not."""

    gone: list[Found]
    stayed: list[tuple[Cell, str]]


def each_cell(cells: Sequence[Cell], act: Callable[[Cell], None]) -> Done:
    """Do it to every cell; one that cannot be done keeps no other from it."""
    done = Done([], [])
    for cell in cells:
        try:
            act(cell)
            done.gone.extend(cell.runs)
        except StoreError as error:
            done.stayed.append((cell, str(error)))
        except OSError as error:
            why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
            done.stayed.append((cell, one_line(why)))
    return done
