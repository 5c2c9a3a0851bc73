"""TensorBoard: event files that hold each of a run's points once, whatever they held before.

Nothing is remembered elsewhere: what the files hold is read back before anything is added. So a file that was deleted
comes back, and a process may be killed at any instant.
"""

from __future__ import annotations

import io
import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from typing import Any

from dimebench.export.points import WAIT_S, MissingExtraError, Point, RunLock, folder_of, run_id, started, stream_of
from dimebench.store import Run, atomic_write
from dimebench.store.atomic import sync_folder

_FLOAT = Struct("<f")
LARGEST = 3.4028234663852886e38  # of 32-bit floats
NAME = "events.out.tfevents."  # what follows orders a run's files: TensorBoard reads them by name


@dataclass
class _Held:
    """What a folder's event files hold of a run."""

    values: dict[tuple[str, int], float] = field(default_factory=dict)
    doubled: bool = False  # a point more than once
    stale: list[Path] = field(default_factory=list)  # files of another training of the run, or of a former release
    own: list[Path] = field(default_factory=list)
    foreign: bool = False  # there are files of other tools: they are left alone


class TensorBoard:
    """Event files below `folder`, one folder per run."""

    def __init__(self, folder: Path) -> None:
        """Raises MissingExtraError."""
        try:
            from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            raise MissingExtraError("TensorBoard is not installed: pip install 'dimebench[tensorboard]'") from error
        self._loader, self._event, self._session = LegacyEventFileLoader, Event, SessionLog
        self._summary, self._writer = Summary, RecordWriter
        self._folder = folder
        self._growing: dict[Path, Path] = {}  # by run folder: the file that this object appends to

    def show(self, run: Run, points: Sequence[Point]) -> int:
        """As `Tracker.show`. The points are on disk when this returns.

        New points are appended. Files that hold something twice or otherwise than the results, or points beyond one
        that is new (TensorBoard hides what lies beyond a step that comes late), are replaced by a single new one.
        """
        if not points:
            return 0
        name = folder_of(run)
        folder = self._folder / name
        with RunLock(self._folder, name, WAIT_S):
            held = self._read(folder, run_id(run))
            wanted = {(tag, step): _stored(value) for step, scalars, _ in points for tag, value in scalars.items()}
            new = {step for tag, step in wanted if (tag, step) not in held.values}
            if held.stale or held.doubled or not _goes_on(held.values, wanted):
                self._replace(folder, run, points, held)
            elif new:
                fresh = [
                    (step, {tag: value for tag, value in scalars.items() if (tag, step) not in held.values}, seconds)
                    for step, scalars, seconds in points
                    if step in new
                ]
                self._append(folder, run, fresh, held)
        return len(new)

    def close(self) -> None:
        """Every call of `show` has written all."""

    def _read(self, folder: Path, own: str) -> _Held:
        """What the event files in a run's folder hold of the run with this id."""
        held = _Held()
        for file in sorted(file for file in folder.glob("*tfevents*") if file.is_file()):
            tags: set[str] = set()
            values: list[tuple[str, int, float]] = []
            restarts = False
            for event in self._loader(str(file)).Load():
                restarts |= event.HasField("session_log") and event.session_log.status == self._session.START
                tags |= {value.tag for value in event.summary.value}
                values += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
            if file.name.endswith(f".{own}"):
                if restarts:  # it was written to take the place of those before, which a kill may have left
                    held = _Held(stale=held.stale + held.own, foreign=held.foreign)
                held.own.append(file)
                for tag, step, value in values:
                    held.doubled |= (tag, step) in held.values
                    held.values[tag, step] = value
            elif tags and {stream_of(tag) for tag in tags} <= {"eval", "train"}:
                held.stale.append(file)
            elif tags:
                held.foreign = True
        return held

    def _append(self, folder: Path, run: Run, points: Sequence[Point], held: _Held) -> None:
        file = self._growing.get(folder)
        if file is None or held.own[-1:] != [file]:  # deleted, or another process has a later one
            self._growing[folder] = self._create(folder, run, self._content(run, points, header=True))
            return
        content = self._content(run, points)
        del self._growing[folder]  # should this fail, a file with half a record must not grow any further
        try:
            with file.open("ab") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:  # a write names no file
            raise OSError(error.errno, error.strerror, str(file)) from error
        self._growing[folder] = file

    def _replace(self, folder: Path, run: Run, points: Sequence[Point], held: _Held) -> None:
        """One file with all points in place of the others; points of this training that the results lack stay."""
        merged = {step: (step, dict(scalars), seconds) for step, scalars, seconds in points}
        for (tag, step), value in held.values.items():
            merged.setdefault(step, (step, {}, 0.0))[1].setdefault(tag, value)
        # The mark of a restart hides all that was read before, so that a kill before the last unlink doubles nothing.
        everything = [merged[step] for step in sorted(merged)]
        content = self._content(run, everything, header=True, restart=not held.foreign)
        self._growing[folder] = self._create(folder, run, content)
        for file in (*held.stale, *held.own):
            file.unlink(missing_ok=True)
        sync_folder(folder)

    def _create(self, folder: Path, run: Run, content: bytes) -> Path:
        """A new file that sorts behind those that are there, whole from its first instant."""
        stamps = [file.name.removeprefix(NAME).partition(".")[0] for file in folder.glob(f"{NAME}*")]
        latest = max((int(stamp) for stamp in stamps if stamp.isdecimal()), default=0)
        file = folder / f"{NAME}{max(int(time.time()), latest + 1):010d}.{secrets.token_hex(4)}.{run_id(run)}"
        unseen = folder / f"new.{run_id(run)}"  # TensorBoard reads whatever has "tfevents" in its name
        atomic_write(unseen, content)
        unseen.replace(file)
        sync_folder(folder)
        return file

    def _content(self, run: Run, points: Sequence[Point], header: bool = False, restart: bool = False) -> bytes:
        """The points as TensorBoard's records."""
        began = started(run)
        events: list[Any] = []
        if header:
            events.append(self._event(wall_time=began + points[0][2], file_version="brain.Event:2"))
        if restart:
            start = self._session(status=self._session.START)
            events.append(self._event(wall_time=began + points[0][2], step=0, session_log=start))
        for step, scalars, seconds in points:
            values = [self._summary.Value(tag=tag, simple_value=_stored(value)) for tag, value in scalars.items()]
            events.append(self._event(wall_time=began + seconds, step=step, summary=self._summary(value=values)))
        buffer = io.BytesIO()
        writer = self._writer(buffer)
        for event in events:
            writer.write(event.SerializeToString())
        return buffer.getvalue()


def _stored(value: float) -> float:
    """The value in TensorBoard's 32 bits; the largest of them for one beyond."""
    (stored,) = _FLOAT.unpack(_FLOAT.pack(min(max(value, -LARGEST), LARGEST)))
    return float(stored)


def _goes_on(held: dict[tuple[str, int], float], wanted: dict[tuple[str, int], float]) -> bool:
    """Whether what is held is as wanted, and each tag's new points come after its held ones."""
    if any(wanted.get(key, value) != value for key, value in held.items()):
        return False
    last: dict[str, int] = {}
    for tag, step in held:
        last[tag] = max(step, last.get(tag, step))
    return all(key in held or key[1] > last.get(key[0], -1) for key in wanted)
