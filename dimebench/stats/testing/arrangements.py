"""The ways to give the names A and B to the runs of each task: all of them, or random ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Sizes = Sequence[tuple[int, int]]  # over tasks: runs of A, runs of B
Members = NDArray[np.int8]  # [N, R]: 1 where a run bears A's name; the runs of task 0, of task 1, ...


def how_many(sizes: Sizes) -> int:
    """The number of arrangements."""
    return math.prod(math.comb(m + n, m) for m, n in sizes)


def random_arrangements(sizes: Sizes, count: int, rng: np.random.Generator) -> Members:
    """Names shuffled within each task [N, count]: as many A's on each task as there are."""
    by_run = np.empty((sum(m + n for m, n in sizes), count), dtype=np.int8)
    first = 0
    for m, n in sizes:
        keys = rng.random((count, m + n), dtype=np.float32)
        last = np.partition(keys, m - 1, axis=1)[:, m - 1 : m] if m else -np.ones((count, 1), np.float32)
        part = keys <= last  # the m least are A's
        if np.count_nonzero(part) != m * count:
            for row in np.flatnonzero(part.sum(axis=1) != m):  # two keys tie for the m-th place
                part[row] = False
                part[row, np.argsort(keys[row])[:m]] = True
        by_run[first : first + m + n] = part.T
        first += m + n
    return by_run


def every_arrangement(sizes: Sizes) -> Members:
    """All ways to name the runs [N, product of binomials]."""
    per_task = []
    for m, n in sizes:
        chosen = np.array(list(itertools.combinations(range(m + n), m)), dtype=np.int64).reshape(-1, m)
        part = np.zeros((len(chosen), m + n), dtype=np.int8)
        np.put_along_axis(part, chosen, 1, axis=1)
        per_task.append(part)
    picks = np.indices([len(part) for part in per_task]).reshape(len(per_task), -1)
    return np.concatenate([part[pick].T for part, pick in zip(per_task, picks, strict=True)])


def as_named(sizes: Sizes) -> Members:
    """The names as they are [N, 1], where the runs of A come first on each task."""
    return np.concatenate([np.repeat(np.array([1, 0], np.int8), pair) for pair in sizes])[:, None]


def smallest_p_value(sizes: Sizes) -> float:
    """The least p-value that any scores give, from the runs of A and of B on each task.

    With equal numbers everywhere, swapping all names gives the same |T|.
    """
    twins = 2 if all(m == n for m, n in sizes) else 1
    return min(1.0, twins / how_many(sizes))


def fewest_testable(tasks: int, alpha: float) -> int:
    """The least number of seeds, of A and of B on every task, that allows a p-value as small as alpha."""
    return next(n for n in itertools.count(2) if smallest_p_value([(n, n)] * tasks) <= alpha)
