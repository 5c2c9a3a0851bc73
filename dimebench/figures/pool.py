"""Figures drawn in parallel: matplotlib uses one core, a large report makes use of others."""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import pickle
import signal
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from dimebench.analysis.summary import Summary
from dimebench.cores import usable_cores

WORTH_IT = 150  # cells: of fewer, the figures are drawn sooner than a process has imported matplotlib
MOST_PROCESSES = 4  # each takes some 200 MB
NO_PROCESSES = (BrokenProcessPool, OSError)  # one was killed, or cannot be started from here

T = TypeVar("T")
R = TypeVar("R")


class FigurePool:
    """Calls functions of one summary, in processes of their own where the summary is large.

        with FigurePool(cells, preload="module.that.draws") as pool:  # imported while the summary is made
            pool.show(summary)
            pool.begin(draw_files, names)  # while this process does something else
            files = pool.each(draw_files, names)

    The functions and their items must be picklable, the items hashable too; results must not depend on the order.
    """

    def __init__(self, cells: int = 0, worth_it: int = WORTH_IT, preload: str = "") -> None:
        """cells: about how many there will be to draw; preload: a module that the processes import at once."""
        self.summary: Summary | None = None
        self.worth_it, self._preload = worth_it, preload
        self.count = 1
        self._pool: ProcessPoolExecutor | None = None
        self._handed_over: Path | None = None  # the summary, for the processes to read
        self._others: set[BaseProcess] = set()  # children of this process from elsewhere
        self._begun: dict[Any, list[Future[Any]]] = {}
        self._open(cells)

    @classmethod
    def of(cls, summary: Summary, worth_it: int = WORTH_IT) -> FigurePool:
        """For a summary that is there already."""
        pool = cls(worth_it=worth_it)
        pool.show(summary)
        return pool

    @classmethod
    def here(cls, summary: Summary) -> FigurePool:
        """One that draws in this process."""
        return cls.of(summary, worth_it=len(summary.cells) + 1)

    def __enter__(self) -> FigurePool:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            for child in set(multiprocessing.active_children()) - self._others:
                child.kill()  # nothing is drawn that anyone waits for, and tidying up takes them long
            self._pool.shutdown(cancel_futures=True)
        if self._handed_over is not None:
            self._handed_over.unlink(missing_ok=True)

    def show(self, summary: Summary) -> None:
        """What is to be drawn. Once.

        The processes read it from a file: among their arguments it would go through a pipe that nobody empties where
        a process dies as it starts.
        """
        self.summary = summary
        self._open(len(summary.cells))
        if self.count == 1:
            return
        try:
            handle, name = tempfile.mkstemp(prefix="dimebench-", suffix=".summary")
            self._handed_over = Path(name)
            with os.fdopen(handle, "wb") as file:
                pickle.dump(summary, file)
        except OSError:  # no room for it
            self.count = 1

    def begin(self, function: Callable[[Summary, T], R], items: Iterable[T]) -> None:
        """Have the results of `each` made meanwhile, where there are processes for it."""
        work = tuple(items)
        if self._pool is None or self.count == 1 or len(work) < 2 or (function, work) in self._begun:
            return
        try:
            place = str(self._handed_over)
            self._begun[function, work] = [self._pool.submit(_call, place, function, item) for item in work]
        except NO_PROCESSES:
            self.count = 1

    def each(self, function: Callable[[Summary, T], R], items: Iterable[T]) -> list[R]:
        """The function's results, in the order of the items."""
        work = tuple(items)
        self.begin(function, work)
        futures = self._begun.pop((function, work), None)
        if futures is not None:
            try:
                return [future.result() for future in futures]
            except BrokenProcessPool:
                self.count = 1
        assert self.summary is not None, "nothing was shown"
        return [function(self.summary, item) for item in work]

    def _open(self, cells: int) -> None:
        """Start the processes, where so many cells are worth it; not as forks, since threads have run here."""
        if self._pool is not None or cells < self.worth_it or usable_cores() < 2:
            return
        self.count = min(usable_cores(), MOST_PROCESSES)
        self._others = set(multiprocessing.active_children())
        self._pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), _set_up, (self._preload,))
        try:
            with _interrupts_kept_off():
                for _ in range(self.count):
                    self._pool.submit(_nothing)
        except NO_PROCESSES:
            self.count = 1


@contextmanager
def _interrupts_kept_off() -> Iterator[None]:
    """Processes started meanwhile never see SIGINT: the report's own answers to it, for all."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # or it is started within, and lets SIGINT through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_shown: tuple[str, Summary] | None = None  # in a process of the pool: the file, and the summary in it


def _set_up(preload: str) -> None:
    """Prepare a process of the pool."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it cannot be kept off
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    if preload:
        importlib.import_module(preload)
    gc.freeze()  # what is imported stays
    gc.set_threshold(20_000, 50, 100)  # of thousands of artists few are garbage before the figure is


def _leave_with_parent() -> None:
    """A parent that was killed cannot stop its processes."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _nothing() -> None:
    """Starts a process of the pool."""


def _call(place: str, function: Callable[[Summary, T], R], item: T) -> R:
    global _shown
    if _shown is None or _shown[0] != place:
        with open(place, "rb") as file:
            _shown = place, pickle.load(file)  # the parent's, in a file that only this user can read or write
    return function(_shown[1], item)
