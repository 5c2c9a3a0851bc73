"""Passes on what runs write while they train, from their files alone: training knows nothing of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dimebench.export.ledger import Remembering, Sink
from dimebench.export.points import RunInUseError, Tracker, scalars_of
from dimebench.store import StoreError, read_run
from dimebench.store.schema import EVALS_FILE, RUN_FILE, TRAIN_FILE

Stamp = tuple[tuple[str, int, int, int], ...]  # of each file: name, inode, bytes, time in ns


class Follower:
    """Shows trackers what runs have gained since the last look; the trackers know what they have of a run."""

    def __init__(self, sinks: Sequence[Sink | Tracker], folder: Path, runs: Callable[[], Iterable[Path]]) -> None:
        """runs: gives the folders to look at, at every look. folder: remembers what plain sinks were sent."""
        plain = [sink for sink in sinks if not isinstance(sink, Tracker)]
        self._trackers: list[Tracker] = [sink for sink in sinks if isinstance(sink, Tracker)]
        if plain:
            self._trackers.append(Remembering(plain, folder))
        self._runs = runs
        self._stamps: dict[Path, Stamp] = {}
        self.unread: dict[Path, Exception] = {}  # runs that could not be read at the last look, and why

    def look(self) -> int:
        """Show what is new. Returns how many points that were.

        A run whose files cannot be read now, or that another process is showing, waits for the next look. An error of
        a tracker is passed on.
        """
        total = 0
        self.unread = {}
        for path in self._runs():
            stamp = _stamp(path)
            if not stamp or self._stamps.get(path) == stamp:
                continue
            try:
                run = read_run(path)
                points = scalars_of(run) if run else []
            except (StoreError, OSError) as error:
                self.unread[path] = error
                continue
            if run is None:
                continue
            try:
                total += max((tracker.show(run, points) for tracker in self._trackers), default=0)
            except RunInUseError:
                continue
            self._stamps[path] = stamp
        return total

    def close(self) -> None:
        """Show the rest, then have the trackers write out what they buffer."""
        self.look()
        for tracker in self._trackers:
            tracker.close()


def _stamp(path: Path) -> Stamp:
    """Differs whenever one of the run's files has been replaced, within one tick of the clock too."""
    found = []
    for name in (RUN_FILE, EVALS_FILE, TRAIN_FILE):
        try:
            facts = os.stat(path / name)
        except OSError:
            continue
        found.append((name, facts.st_ino, facts.st_size, facts.st_mtime_ns))
    return tuple(found)
