"""Whether a results folder has changed since one last looked, and whether anything in it is still to come."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dimebench.numbers import count
from dimebench.store import StoreError, read_runs
from dimebench.store.places import Place
from dimebench.store.places import stamp as file_stamp
from dimebench.store.schema import EVALS_FILE, RUN_FILE

OPEN = ("running",)  # statuses of runs that may still change
QUIET = 3  # looks without a running run


@dataclass(frozen=True)
class State:
    """A look at a folder: `stamp` is equal exactly where nothing has changed."""

    stamp: tuple[tuple[str, int, int, int], ...]
    statuses: Counter[str]

    @property
    def done(self) -> bool:
        return not any(self.statuses[status] for status in OPEN)

    def words(self) -> str:
        """3 finished, 1 running."""
        return ", ".join(f"{number} {status}" for status, number in sorted(self.statuses.items())) or count(0, "run")


def watch(
    results: Place, suite: str | None, every: float, beside: Callable[[], tuple[object, ...]] = tuple
) -> Iterator[tuple[State, bool, bool]]:
    """Yield every so many seconds, until nothing is running any more: state, changed or not, the last or not.

    Between two blocks of a plan no run is running, so the end is believed after a few looks; at the first look, at
    once. beside: what else there is to come, such as jobs in a queue. Raises StoreError.
    """
    seen: object = None
    quiet = 0
    while True:
        coming = beside()
        state = state_of(results, suite)
        over = state.done and not coming
        quiet = quiet + 1 if over else 0
        last = quiet > QUIET or (over and seen is None)
        yield state, (state.stamp, coming) != seen, last
        if last:
            return
        seen = state.stamp, coming
        time.sleep(every)


def state_of(results: Place, suite: str | None) -> State:
    """The runs of a results folder (of one suite, if named) as they stand now, but those that cannot be read.

    Raises StoreError.
    """
    broken: list[StoreError] = []
    runs = read_runs(results, suite, broken)
    stamp = [(str(error), 0, 0, 0) for error in broken]
    for run in runs:
        for name in (RUN_FILE, EVALS_FILE):
            try:
                written_ns, size = file_stamp(run.path / name)
            except FileNotFoundError:
                continue
            stamp.append((str(run.path / name), written_ns, size, run.progress["env_step"]))
    return State(tuple(stamp), Counter(run.status for run in runs))
