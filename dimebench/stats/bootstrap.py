"""Stratified bootstrap over runs within tasks, in NumPy.

One resample draws, for each task on its own, as many runs as it has, with replacement. Every estimator
here depends on a resample only through how often each run was drawn, so the kernel draws *counts*
[resamples, runs] once and evaluates each estimator on them. That makes ragged run counts natural, needs
no sort per resample, and lets a curve be resampled as a whole: the same counts serve all its env steps.

Held to `rliable.library` by the tests. (rliable 1.2.0 ignores its `random_state` and needs seconds.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dimebench.stats.estimators import AGGREGATES, GAMMA, Array, Scores, as_scores, iqm, run_mass, trimmed_mass, wins
from dimebench.stats.intervals import (
    CONFIDENCE,
    DEFAULT_METHOD,
    Estimate,
    Influence,
    Method,
    interval,
    jackknife,
    leave_one_out,
)
from dimebench.stats.studentised import Spread

CHUNK = 2_000_000  # counts held at once; with smaller chunks, threads wait for each other
IN_CACHE = 65_536  # numbers drawn or summed at once, so that they stay in the cache
RESAMPLES = 50_000


def stream(seed: int, *purpose: str) -> np.random.Generator:
    """The random stream of one purpose, such as ("runs", "sac").

    A variant's resamples depend only on the seed and its name, so its interval does not change with the
    other variants in the comparison.
    """
    digest = hashlib.sha256("\0".join(purpose).encode()).digest()
    key = tuple(np.frombuffer(digest, dtype="<u4").tolist())
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def resamplable(scores: Sequence[Array]) -> bool:
    """Whether an interval can be given: at least two runs of every task.

    A task with one run would enter every resample unchanged, as if its score were known exactly.
    """
    return all(task.size >= 2 for task in scores)


def draw_counts(
    sizes: Sequence[int], resamples: int, rng: np.random.Generator, chunk: int = CHUNK
) -> Iterator[NDArray[np.float64]]:
    """How often each run was drawn, in chunks [r, N] whose r add up to `resamples`; N = sum(sizes).

    Columns are the runs of task 0, then those of task 1, ... The draws do not depend on `chunk`.
    """
    width = sum(sizes)
    size = np.repeat(sizes, sizes)  # [N] runs in the column's task
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)  # [N] first column of that task
    rows_at_once = max(1, chunk // width)
    few = max(1, IN_CACHE // width)  # rows that stay in the cache from the draw to the count
    drawn, places = np.empty((few, width)), np.empty((few, width), dtype=np.int64)
    base = first + np.arange(few)[:, None] * width
    for start in range(0, resamples, rows_at_once):
        counts = np.empty((min(rows_at_once, resamples - start), width))
        for begin in range(0, len(counts), few):
            rows = min(few, len(counts) - begin)
            part, place = drawn[:rows], places[:rows]
            rng.random(out=part)
            part *= size
            place[...] = part  # run within its task, rounded down
            place += base[:rows]
            counts[begin : begin + rows] = np.bincount(place.ravel(), minlength=rows * width).reshape(rows, width)
        yield counts


def iqm_of_counts(counts: NDArray[Any], values: Array, mass: Array, total: int | None = None) -> Array:
    """IQM of each resample [r], from counts [r, N] (or booleans), the runs' values [N] and masses [N].

    Values [N, K] give [r, K]: K quantities on the same resamples. total: the mass of one resample, which is its
    number of runs (default: N).

    Sorting the N values once is enough: with C the mass up to and including a value, clipped to what
    the trimming keeps, the trimmed sum is the telescoped sum of C times the steps between values.
    """
    columns = values.reshape(len(values), -1)  # [N, K]
    order = np.argsort(columns, axis=0, kind="stable")
    ordered = np.take_along_axis(columns, order, axis=0)
    steps = np.diff(ordered, axis=0)[..., None]  # [N-1, K, 1]
    total = len(values) if total is None else total
    cut = trimmed_mass(total)
    low, high = float(cut), float(total - cut)
    found = np.empty((len(counts), columns.shape[1]))
    rows_at_once = max(1, IN_CACHE // columns.shape[1])
    for start in range(0, len(counts), rows_at_once):
        # Loop over runs, not resamples: a dozen array operations per run for any number of resamples.
        part = counts[start : start + rows_at_once]
        by_run = np.ascontiguousarray(part.T, dtype=np.float64)  # [N, r]
        if (mass != 1).any():
            by_run = by_run * mass[:, None]
        ends = np.zeros((columns.shape[1], len(part)))  # [K, r] the mass so far
        sums, kept = np.zeros_like(ends), np.empty_like(ends)
        for places, step in zip(order, steps, strict=False):
            ends += by_run[places]
            np.maximum(ends, low, out=kept)
            np.minimum(kept, high, out=kept)
            kept *= step
            sums -= kept
        found[start : start + len(part)] = (sums.T + (high * ordered[-1] - low * ordered[0])) / (high - low)
    np.clip(found, ordered[0], ordered[-1], out=found)  # sums round
    return found.reshape(len(counts), *values.shape[1:])


def task_averages(values: Array, sizes: Sequence[int]) -> Array:
    """[N, T]: counts [r, N] @ this are the means over runs of each task in each resample."""
    averages = np.zeros((values.size, len(sizes)))
    task = np.repeat(np.arange(len(sizes)), sizes)
    averages[np.arange(values.size), task] = values / np.repeat(sizes, sizes)
    return averages


class OnCounts:
    """The aggregates of `AGGREGATES` as functions of how often each run was drawn."""

    def __init__(self, tasks: Sequence[Array]) -> None:
        """tasks: scores over tasks, each [runs]."""
        self.sizes = [task.size for task in tasks]
        self.values, self.mass = np.concatenate(tasks), run_mass(self.sizes)

    @cached_property
    def averages(self) -> Array:
        """[N, T]: counts [r, N] @ this are the tasks' means."""
        return task_averages(self.values, self.sizes)

    @cached_property
    def linear(self) -> dict[str, tuple[float, Array]]:
        """The aggregates that are an offset plus counts @ weights [N]."""
        capped = task_averages(np.minimum(self.values, GAMMA), self.sizes)
        return {"mean": (0.0, self.averages.mean(axis=1)), "optimality_gap": (GAMMA, -capped.mean(axis=1))}

    def of(self, counts: Array, names: Sequence[str]) -> dict[str, Array]:
        """The named aggregates [r] of counts [r, N]."""
        found: dict[str, Array] = {}
        for name in names:
            if name == "iqm":
                found[name] = iqm_of_counts(counts, self.values, self.mass)
            elif name == "median":
                found[name] = np.median(counts @ self.averages, axis=1)
            else:
                offset, weights = self.linear[name]
                found[name] = offset + counts @ weights
        return found


def bootstrap(
    scores: Scores, names: Sequence[str], resamples: int, rng: np.random.Generator, chunk: int = CHUNK
) -> dict[str, Array]:
    """Bootstrap draws [resamples] of each named aggregate (a key of `AGGREGATES`), from shared resamples."""
    tasks = as_scores(scores)
    aggregates = OnCounts(tasks)
    parts = [aggregates.of(counts, names) for counts in draw_counts(aggregates.sizes, resamples, rng, chunk)]
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def influence(scores: Scores, name: str) -> Influence:
    """The jackknife influence of each run on a named aggregate; needs two runs of every task."""
    tasks = as_scores(scores)
    sizes = [task.size for task in tasks]
    return jackknife(OnCounts(tasks).of(leave_one_out(sizes), [name])[name], sizes)


@dataclass(frozen=True, eq=False)
class Sample:
    """One variant's run scores, over tasks each [runs of that task], with what follows from them alone."""

    tasks: tuple[Array, ...]

    @classmethod
    def of(cls, scores: Scores | Sample) -> Sample:
        """Raises the ValueErrors of `as_scores`."""
        return scores if isinstance(scores, Sample) else cls(tuple(as_scores(scores)))

    @cached_property
    def iqm(self) -> float:
        return iqm(self.tasks)

    @cached_property
    def influence(self) -> Influence:
        """Of each run on the IQM; needs two runs of every task."""
        return influence(self.tasks, "iqm")

    @cached_property
    def spread(self) -> Spread:
        """The variance of the IQM."""
        return Spread.of(self.tasks)

    @cached_property
    def each(self) -> tuple[Sample, ...]:
        """The tasks as samples of their own."""
        return tuple(Sample((task,)) for task in self.tasks)


def bootstrap_improvement(
    a: Scores, b: Scores, resamples: int, rng_a: np.random.Generator, rng_b: np.random.Generator, chunk: int = CHUNK
) -> Array:
    """Bootstrap draws [resamples] of P(A > B); the runs of A and of B are resampled independently."""
    tasks_a, tasks_b = as_scores(a), as_scores(b)
    outcomes = [wins(x, y) / (x.size * y.size) for x, y in zip(tasks_a, tasks_b, strict=True)]
    sizes_a, sizes_b = [t.size for t in tasks_a], [t.size for t in tasks_b]
    rows = max(1, chunk // max(sum(sizes_a), sum(sizes_b)))
    pairs = zip(
        draw_counts(sizes_a, resamples, rng_a, rows * sum(sizes_a)),
        draw_counts(sizes_b, resamples, rng_b, rows * sum(sizes_b)),
        strict=True,
    )
    splits_a, splits_b = np.cumsum(sizes_a)[:-1], np.cumsum(sizes_b)[:-1]
    draws = []
    for counts_a, counts_b in pairs:
        per_task = [
            np.einsum("ri,ri->r", drawn_a @ outcome, drawn_b)
            for drawn_a, outcome, drawn_b in zip(
                np.split(counts_a, splits_a, axis=1), outcomes, np.split(counts_b, splits_b, axis=1), strict=True
            )
        ]
        draws.append(np.mean(per_task, axis=0))
    return np.concatenate(draws)


def estimate(
    scores: Scores,
    names: Sequence[str] = tuple(AGGREGATES),
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    method: Method = DEFAULT_METHOD,
) -> dict[str, Estimate]:
    """Each named aggregate with its interval (None with a single run of any task)."""
    tasks = as_scores(scores)
    return estimates_of(tasks, names, lambda names: bootstrap(tasks, names, resamples, rng), confidence, method)


def estimates_of(
    tasks: Sequence[Array],
    names: Sequence[str],
    draw: Callable[[Sequence[str]], dict[str, Array]],
    confidence: float,
    method: Method,
) -> dict[str, Estimate]:
    """As `estimate`, from `draw`, which gives bootstrap draws [R] of the named aggregates; called only if needed."""
    points = {name: AGGREGATES[name](tasks) for name in names}
    if not resamplable(tasks):
        return {name: Estimate(point, None) for name, point in points.items()}
    draws = draw(names)
    return {
        name: Estimate(point, interval(draws[name], point, influence(tasks, name), confidence, method))
        for name, point in points.items()
    }
