"""Is the IQM difference more than chance? A permutation test that shuffles names within each task.

If A and B are equal in the strong sense (on each task the runs of both come from one distribution), then every way
of assigning the names A and B to the runs of a task was as likely as the one seen. So the share of arrangements with
a difference at least as large is a p-value that errs at most as often as it says, for any number of seeds and any
distribution of scores (Fisher 1935; Pitman 1937). Random arrangements keep that if the observed one is counted
among them (Phipson and Smyth 2010, Statistical Applications in Genetics and Molecular Biology 9, 39).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dimebench.stats.bootstrap import iqm_of_counts
from dimebench.stats.estimators import Array, Scores, as_scores, trimmed_mass

PERMUTATIONS = 10_000
TIE = 1e-9  # differences closer than this are the same number, computed in another order


@dataclass(frozen=True)
class PermutationTest:
    """A two-sided test of equality; `smallest` is the least p-value that this number of runs can give."""

    p_value: float
    smallest: float
    exact: bool  # every arrangement was counted


def permutation_test(
    a: Scores, b: Scores, *, rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> PermutationTest:
    """The test of IQM(A) - IQM(B); exact where there are no more arrangements than `permutations`."""
    tasks_a, tasks_b = as_scores(a), as_scores(b)
    sizes = [(x.size, y.size) for x, y in zip(tasks_a, tasks_b, strict=True)]
    possible = math.prod(math.comb(m + n, m) for m, n in sizes)
    exact = possible <= permutations
    members = every_arrangement(sizes) if exact else random_arrangements(sizes, permutations, rng)
    pooled = [np.concatenate(pair) for pair in zip(tasks_a, tasks_b, strict=True)]
    drawn = np.abs(iqm_differences(members, pooled, sizes))
    seen = abs(float(iqm_differences(as_named(sizes), pooled, sizes)[0]))
    beyond = int((drawn >= seen - TIE).sum())
    least = smallest_p_value(sizes) if exact else 1 / (permutations + 1)
    p_value = beyond / possible if exact else (beyond + 1) / (permutations + 1)
    return PermutationTest(p_value, least, exact)


def smallest_p_value(sizes: Sequence[tuple[int, int]]) -> float:
    """The least p-value that any scores give, from the runs of A and of B on each task.

    With equal numbers everywhere, swapping all names gives the same |difference|. On a single task so does trading
    the runs that the IQM cuts off: A's worst for B's best.
    """
    twins = 2 if all(m == n for m, n in sizes) else 1
    cut_a, cut_b = (trimmed_mass(runs) for runs in sizes[0])
    trades = math.comb(cut_a + cut_b, cut_a) if len(sizes) == 1 else 1
    return min(1.0, twins * trades / math.prod(math.comb(m + n, m) for m, n in sizes))


def iqm_differences(members: NDArray[np.bool_], pooled: Sequence[Array], sizes: Sequence[tuple[int, int]]) -> Array:
    """IQM(A) - IQM(B) of each arrangement [R].

    members [R, N]: whether a run bears A's name; columns are the runs of `pooled`, task by task; sizes: runs of A
    and of B on each task.
    """
    values = np.concatenate(pooled)  # [N]
    totals = [sum(side) for side in zip(*sizes, strict=True)]
    if len({runs for pair in sizes for runs in pair}) == 1:
        return _of_equal_numbers(members, values, totals[0])
    runs = [m + n for m, n in sizes]
    found = []
    for side, counts in enumerate((members, ~members)):
        mass = np.repeat([totals[side] / (len(sizes) * pair[side]) for pair in sizes], runs)
        found.append(iqm_of_counts(counts, values, mass, totals[side]))
    return found[0] - found[1]


def _of_equal_numbers(members: NDArray[np.bool_], values: Array, total: int) -> Array:
    """The same with equally many runs of A and of B on every task, all of mass 1: in whole numbers, for both at once.

    As in `iqm_of_counts`, with what the telescoped sums of A and of B add at both ends left out: it is the same.
    """
    order = np.argsort(values, kind="stable")
    cut = trimmed_mass(total)
    by_run = np.ascontiguousarray(members.T).view(np.int8)  # [N, R]
    kind: type[np.signedinteger[Any]] = np.int16 if values.size < 2**15 else np.int64
    of_a: NDArray[np.signedinteger[Any]] = np.zeros(len(members), kind)
    difference = np.zeros(len(members))
    for seen, (run, step) in enumerate(zip(order, np.diff(values[order]), strict=False), start=1):
        of_a += by_run[run]
        kept_a, kept_b = (np.minimum(np.maximum(mass, kind(cut)), kind(total - cut)) for mass in (of_a, seen - of_a))
        difference += step * (kept_b - kept_a)
    return difference / (total - 2 * cut)


def random_arrangements(
    sizes: Sequence[tuple[int, int]], permutations: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Names shuffled within each task [R, N]: True for A. As many A's on each task as there are."""
    by_run = np.empty((sum(m + n for m, n in sizes), permutations), dtype=bool)
    first = 0
    for m, n in sizes:
        keys = rng.random((permutations, m + n), dtype=np.float32)
        last = np.partition(keys, m - 1, axis=1)[:, m - 1 : m] if m else -np.ones((permutations, 1), np.float32)
        part = keys <= last  # the m least are A's
        if np.count_nonzero(part) != m * permutations:
            for row in np.flatnonzero(part.sum(axis=1) != m):  # two keys tie for the m-th place
                part[row] = False
                part[row, np.argsort(keys[row])[:m]] = True
        by_run[first : first + m + n] = part.T
        first += m + n
    return by_run.T


def every_arrangement(sizes: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """All ways to name the runs [prod of binomials, N]."""
    per_task = []
    for m, n in sizes:
        chosen = np.array(list(itertools.combinations(range(m + n), m)), dtype=np.int64).reshape(-1, m)
        part = np.zeros((len(chosen), m + n), dtype=bool)
        np.put_along_axis(part, chosen, True, axis=1)
        per_task.append(part)
    picks = np.indices([len(part) for part in per_task]).reshape(len(per_task), -1)
    return np.concatenate([part[pick] for part, pick in zip(per_task, picks, strict=True)], axis=1)


def as_named(sizes: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """The runs as they are named [1, N]."""
    return np.concatenate([np.repeat([True, False], pair) for pair in sizes])[None]


def holm(p_values: Sequence[float]) -> list[float]:
    """Step-down adjusted p-values in the order given (Holm 1979, Scandinavian Journal of Statistics 6, 65-70)."""
    order = np.argsort(p_values, kind="stable")
    scaled = np.asarray(p_values, dtype=np.float64)[order] * np.arange(len(p_values), 0, -1)
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(scaled))
    return [float(value) for value in adjusted]
