"""Figures side by side: matplotlib draws on one core, a large report has others to draw on."""

from __future__ import annotations

import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from dimebench.report.summary import Summary
from dimebench.stats import cores

WORTH_IT = 150  # cells: of fewer, the figures are drawn sooner than a process has imported matplotlib
MOST_EASELS = 4  # each takes some 200 MB

T = TypeVar("T")
R = TypeVar("R")


class Easels:
    """Calls functions of one summary, in processes of their own where the summary is large.

        with Easels(summary) as easels:
            files = easels.each(draw_files, names)

    The functions and what they are called with must be picklable; what they give must not depend on the order.
    """

    def __init__(self, summary: Summary, worth_it: int = WORTH_IT) -> None:
        self.summary = summary
        self.count = min(cores(), MOST_EASELS) if len(summary.cells) >= worth_it else 1
        self._pool: ProcessPoolExecutor | None = None
        self._handed_over: Path | None = None  # the summary, for the processes to read

    @classmethod
    def here(cls, summary: Summary) -> Easels:
        """One that draws in this process."""
        return cls(summary, worth_it=len(summary.cells) + 1)

    def __enter__(self) -> Easels:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._handed_over is not None:
            self._handed_over.unlink(missing_ok=True)

    def each(self, function: Callable[[Summary, T], R], items: Iterable[T]) -> list[R]:
        """The function's results, in the order of the items."""
        work = list(items)
        if self.count > 1 and len(work) > 1:
            try:
                pool = self._pool = self._pool or self._open()
                futures = [pool.submit(_call, function, item) for item in work]
                return [future.result() for future in futures]
            except BrokenProcessPool:  # a process was killed, or cannot be started from here
                self.count = 1
        return [function(self.summary, item) for item in work]

    def _open(self) -> ProcessPoolExecutor:
        """Processes that are not forked, since threads have run here, and that read the summary from a file.

        Among their arguments it would go through a pipe that nobody empties where a process dies as it starts.
        """
        handle, name = tempfile.mkstemp(prefix="dimebench-", suffix=".summary")
        self._handed_over = Path(name)
        with os.fdopen(handle, "wb") as file:
            pickle.dump(self.summary, file)
        return ProcessPoolExecutor(self.count, get_context("spawn"), _set_up, (name,))


_summary: Summary | None = None  # of this process, where it is an easel


def _set_up(handed_over: str) -> None:
    global _summary
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the report's own process answers to it
    with open(handed_over, "rb") as file:
        _summary = pickle.load(file)  # our parent's, in a file that only this user can read or write


def _call(function: Callable[[Summary, T], R], item: T) -> R:
    assert _summary is not None
    return function(_summary, item)
