"""What was sent to a tracker that cannot be asked: a file per run, so that no process overwrites another's memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dimebench.export.points import WAIT_S, Point, RunLock, run_id, stream_of
from dimebench.store import Run, atomic_write

SENT = "sent"  # below a tracker's folder
Key = tuple[str, int]  # stream and env step


class Sink(Protocol):
    """Takes points and cannot be asked for them."""

    def log(self, run: Run, env_step: int, scalars: dict[str, float], seconds: float) -> None:
        """Scalars of a run at an env step; `seconds` of training so far."""

    def close(self) -> None:
        """Write out what is buffered."""


@dataclass
class Ledger:
    """The points of a run that were sent, in that order: every one by itself, since rows may come late.

    `confirmed` of them, counted from the first, are known to have arrived; `place` is where, if that can be deleted.
    """

    file: Path
    sent: list[Key] = field(default_factory=list)
    confirmed: int = 0
    place: str = ""

    @classmethod
    def of(cls, folder: Path, run: Run, kind: str = "") -> Ledger:
        """The run's ledger below a tracker's folder; an empty one where there is none that can be read.

        `sent.json` of former releases is not asked: it did not keep suites and trainings apart, and what it counts as
        sent may be missing from the run that a tracker has now. Such points are sent once more.
        """
        ledger = cls(folder / SENT / f"{run_id(run)}{kind}.json")
        with suppress(OSError, ValueError, TypeError, KeyError):
            content: dict[str, Any] = json.loads(ledger.file.read_text())
            sent = [(str(stream), int(step)) for stream, step in content["sent"]]
            ledger.sent, ledger.confirmed, ledger.place = sent, int(content["confirmed"]), str(content["place"])
        return ledger

    def save(self, run: Run) -> None:
        """Write it. Raises OSError."""
        name = f"{run.variant} on {run.task} seed {run.seed} of {run.suite}"
        content = {"run": name, "confirmed": self.confirmed, "place": self.place, "sent": self.sent}
        atomic_write(self.file, (json.dumps(content) + "\n").encode())


class Remembering:
    """A `Tracker` of sinks: each point goes to each of them once, as far as a ledger in `folder` remembers."""

    def __init__(self, sinks: Sequence[Sink], folder: Path) -> None:
        self._sinks, self._folder = sinks, folder

    def show(self, run: Run, points: Sequence[Point]) -> int:
        """As `Tracker.show`. A sink's error is passed on; what was sent until then stays remembered."""
        if not points:
            return 0
        with RunLock(self._folder, run_id(run), WAIT_S):
            ledger = Ledger.of(self._folder, run)
            sent, total = set(ledger.sent), 0
            try:
                for step, scalars, seconds in points:
                    new = {tag: value for tag, value in scalars.items() if (stream_of(tag), step) not in sent}
                    if not new:
                        continue
                    for sink in self._sinks:
                        sink.log(run, step, new, seconds)
                    ledger.sent += sorted({(stream_of(tag), step) for tag in new})
                    total += 1
            finally:
                if total:
                    ledger.confirmed = len(ledger.sent)
                    ledger.save(run)
        return total

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()
