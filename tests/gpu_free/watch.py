"""What the fake device notes: waits of the host, faults of captures, work that nobody has waited for.

Streams are told apart by a count of the work begun on each, and of how much of the others' work each has waited for.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

PACKAGE = str(Path(__file__).parents[2] / "dimebench") + "/"


class Copy(Protocol):
    """A copy between host and device that runs beside the host's work."""

    def arrive(self) -> bool:
        """The end of it; False where it went wrong."""


class Watch:
    """What happened on the fake device since it was switched on."""

    def __init__(self) -> None:
        self.faults: Counter[str] = Counter()  # what would have failed or gone wrong on CUDA, and where
        self.waits: Counter[str] = Counter()  # what the host waited for, and where
        self.captures = self.replays = 0
        self.captured: Callable[[], None] = lambda: None  # called for each capture
        self.graph: Any = None  # the one that is being captured
        self.current = self.default = 0  # streams, by number
        self._streams = 1
        self._begun: Counter[int] = Counter()  # work begun, by stream
        self._over: Counter[int] = Counter()  # work that the host has waited for, by stream
        self._known: dict[int, Counter[int]] = {0: Counter()}  # by stream: how much of each stream's work it follows
        self._written: dict[int, tuple[int, int]] = {}  # by storage: the stream that wrote it last, and when
        self._written_before = self._written  # the same as it was when a capture began
        self._in_capture: set[int] = set()  # streams whose work goes into the graph
        self.under_way: list[Copy] = []  # between host and device, and not yet waited for

    # --- notes --------------------------------------------------------------------------------------------------

    def fault(self, what: str) -> None:
        self.faults[f"{what} ({self._where()})"] += 1

    def wait(self, what: str, mark: Counter[int] | None = None, copies: Sequence[Copy] | None = None) -> None:
        """The host waits for the work of `mark` and for copies, or for all that has been begun on the current stream.

        It must not do so while a graph is captured. What it has waited for before takes no time, and is not counted.
        """
        if self.graph is not None:
            self.fault(f"{what} in a capture")
        over = self.mark(self.current) if mark is None else mark
        if any(self._over[stream] < count for stream, count in over.items()):
            self.waits[f"{what} ({self._where()})"] += 1
        self._over |= over
        for known in self._known.values():  # what the host begins from now on comes after
            known |= over
        for copy in list(self.under_way) if copies is None else copies:
            if copy in self.under_way:
                self.under_way.remove(copy)
                if not copy.arrive():
                    self.fault("a host buffer changed while its copy to the device was under way")

    @staticmethod
    def _where() -> str:
        """The innermost function of the package that led here."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
            frame = frame.f_back
        if frame is None:
            return "outside"
        return f"{frame.f_code.co_filename.removeprefix(PACKAGE)} {frame.f_code.co_qualname}"

    # --- streams --------------------------------------------------------------------------------------------------

    def new_stream(self) -> int:
        self._streams += 1
        self._known[self._streams] = Counter()
        return self._streams

    def everything(self) -> Counter[int]:
        return Counter(self._begun)

    def mark(self, stream: int) -> Counter[int]:
        """What is over once the work begun on a stream so far is."""
        return self._known[stream] | Counter({stream: self._begun[stream]})

    def follow(self, stream: int, mark: Counter[int], other: int) -> None:
        """The stream goes on after what `mark` says of `other`; in a capture the work of both is then part of it."""
        if self.graph is not None and stream in self._in_capture and other not in self._in_capture:
            self.fault("a captured stream waits for one that is not captured")
        if self.graph is not None and other in self._in_capture:
            self._in_capture.add(stream)
        self._known[stream] |= mark

    def work(self, read: Iterable[int], made: Iterable[int], written: Iterable[int]) -> None:
        """An operation begins on the current stream: storages, by their place, that it reads, makes and changes."""
        stream, known = self.current, self._known[self.current]
        if self.graph is not None and stream not in self._in_capture:
            self.fault("work on a stream that is not captured, in a capture")
        self._begun[stream] += 1
        for place in read:
            by, at = self._written.get(place, (stream, 0))
            if by != stream and known[by] < at:
                self.fault("a stream uses what another one computes, without waiting for it")
        for places in (made, written):
            for place in places:
                self._written[place] = stream, self._begun[stream]

    # --- captures -------------------------------------------------------------------------------------------------

    def begin(self, graph: Any) -> None:
        if self.current == self.default:
            self.fault("a capture on the default stream")
        self.captures += 1
        self.captured()
        self.graph, self._in_capture = graph, {self.current}
        self._written_before = dict(self._written)

    def end(self) -> None:
        late = [s for s in self._in_capture if s != self.current and self._known[self.current][s] < self._begun[s]]
        if late:
            self.fault("a capture ends while work on another stream has not been waited for")
        self.graph, self._written = None, self._written_before  # nothing of it has been done yet
