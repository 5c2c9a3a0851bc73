"""Work on several cores: NumPy lets go of the interpreter while it draws, sorts and sums."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from dimebench.cores import usable_cores

MOST_THREADS = 4  # each holds some 100 MB for a comparison of 500 runs

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The function's results in the order of the items. It must not depend on the order in which they are done."""
    work = list(items)
    threads = min(usable_cores(), MOST_THREADS, len(work))
    if threads < 2:
        return [function(item) for item in work]
    # A product on as many threads again would leave these waiting for each other.
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, work))
