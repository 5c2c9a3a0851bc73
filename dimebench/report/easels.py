"""Figures side by side: matplotlib draws on one core, a large report has others to draw on."""

from __future__ import annotations

import gc
import multiprocessing
import os
import pickle
import signal
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from dimebench.report.summary import Summary
from dimebench.stats import cores

WORTH_IT = 150  # cells: of fewer, the figures are drawn sooner than a process has imported matplotlib
MOST_EASELS = 4  # each takes some 200 MB

T = TypeVar("T")
R = TypeVar("R")


class Easels:
    """Calls functions of one summary, in processes of their own where the summary is large.

        with Easels(summary) as easels:
            easels.begin(draw_files, names)  # while this process does something else
            files = easels.each(draw_files, names)

    The functions and what they are called with must be picklable, the latter hashable; what they give must not depend
    on the order.
    """

    def __init__(self, summary: Summary, worth_it: int = WORTH_IT) -> None:
        self.summary = summary
        self.count = min(cores(), MOST_EASELS) if len(summary.cells) >= worth_it else 1
        self._pool: ProcessPoolExecutor | None = None
        self._handed_over: Path | None = None  # the summary, for the processes to read
        self._others: set[BaseProcess] = set()  # children of this process that are no easels
        self._begun: dict[Any, list[Future[Any]]] = {}

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
            if kind is not None:  # Ctrl-C: what is being drawn is not waited for
                for child in set(multiprocessing.active_children()) - self._others:
                    child.kill()
            self._pool.shutdown(cancel_futures=True)
        if self._handed_over is not None:
            self._handed_over.unlink(missing_ok=True)

    def begin(self, function: Callable[[Summary, T], R], items: Iterable[T]) -> None:
        """Have the results of `each` made meanwhile, where there are processes for it."""
        work = tuple(items)
        if self.count > 1 and len(work) > 1 and (function, work) not in self._begun:
            try:
                pool = self._pool = self._pool or self._open()
                self._begun[function, work] = [pool.submit(_call, function, item) for item in work]
            except BrokenProcessPool:
                self.count = 1

    def each(self, function: Callable[[Summary, T], R], items: Iterable[T]) -> list[R]:
        """The function's results, in the order of the items."""
        work = tuple(items)
        self.begin(function, work)
        futures = self._begun.pop((function, work), None)
        if futures is not None:
            try:
                return [future.result() for future in futures]
            except BrokenProcessPool:  # a process was killed, or cannot be started from here
                self.count = 1
        return [function(self.summary, item) for item in work]

    def _open(self) -> ProcessPoolExecutor:
        """Processes that read the summary from a file, and are not forked from this one, in which threads have run.

        Among their arguments it would go through a pipe that nobody empties where a process dies as it starts.
        """
        handle, name = tempfile.mkstemp(prefix="dimebench-", suffix=".summary")
        self._handed_over = Path(name)
        with os.fdopen(handle, "wb") as file:
            pickle.dump(self.summary, file)
        _import_once()
        self._others = set(multiprocessing.active_children())
        return ProcessPoolExecutor(self.count, multiprocessing.get_context(_method()), _set_up, (name,))


def warm_up(cells: int) -> None:
    """Where so many cells will be drawn by easels: have their imports done meanwhile."""
    if cells >= WORTH_IT and cores() > 1:
        _import_once()


def _import_once() -> None:
    """Start the process that easels are forked from, where there is such a thing: it imports for all of them."""
    if _method() == "forkserver":
        multiprocessing.set_forkserver_preload(["dimebench.report.html"])
        resource_tracker.ensure_running()  # or it is started within, and lets SIGINT through again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # it inherits this, as do its forks
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _method() -> str:
    return "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


_summary: Summary | None = None  # of this process, where it is an easel


def _set_up(handed_over: str) -> None:
    global _summary
    gc.freeze()  # what is imported stays
    gc.set_threshold(20_000, 50, 100)  # of thousands of artists few are garbage before the figure is
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the report's own process answers to it
    with open(handed_over, "rb") as file:
        _summary = pickle.load(file)  # our parent's, in a file that only this user can read or write


def _call(function: Callable[[Summary, T], R], item: T) -> R:
    assert _summary is not None
    return function(_summary, item)
