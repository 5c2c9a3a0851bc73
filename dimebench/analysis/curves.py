"""A run's learning curve, the env steps that runs share, and a run's score.

The declared rules: the curve is the mean return over the episodes of each evaluation. A run that
diverged counts with its suite's lower bound from the divergence on; so does an evaluation without a
finite return, or with one beyond numbers.LARGEST. Scores are normalised by the suite's fixed bounds,
never by the data. An external run, which was evaluated elsewhere and at env steps of its own, is read by
linear interpolation between two of its evaluations, never beyond them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dimebench.analysis.errors import NotComparableError
from dimebench.numbers import LARGEST
from dimebench.stats import auc
from dimebench.store import Run
from dimebench.store.external import external

Array = NDArray[np.float64]
MOST_POINTS = 100  # of a curve, where no run of one's own decides its env steps


@dataclass(frozen=True)
class Curve:
    """The evaluations of one run: env_steps [K] increasing, returns [K] (mean over episodes)."""

    run: Run
    env_steps: tuple[int, ...]
    returns: tuple[float, ...]
    wall_time_s: tuple[float, ...]  # [K] seconds of training so far
    diverged_at: int | None  # env step from which the lower bound counts
    grad_steps: tuple[int, ...] = ()  # [K]
    external: bool = False  # evaluated elsewhere: read between its evaluations

    @property
    def grid(self) -> tuple[tuple[int, ...], int | None, bool]:
        """What `covers` depends on."""
        return self.env_steps, self.diverged_at, self.external

    def covers(self, env_step: int) -> bool:
        """Whether the run has a value at this env step."""
        if self.diverged_by(env_step):
            return True
        if self.external and self.env_steps:  # an evaluation after one env step is one before training
            return (self.env_steps[0] if self.env_steps[0] > 1 else 0) <= env_step <= self.env_steps[-1]
        return env_step in self._evaluated

    @cached_property
    def _evaluated(self) -> frozenset[int]:
        return frozenset(self.env_steps)

    def values(self, env_steps: Sequence[int]) -> Array:
        """Returns at env steps that the run covers, its lower bound from a divergence on. [len(env_steps)]."""
        if self.env_steps == env_steps and self.diverged_at is None:  # as of nearly every run
            return np.array(self.returns, dtype=np.float64)
        lower, lost = self.run.score["lower"], np.inf if self.diverged_at is None else self.diverged_at
        if self.external and self.env_steps:
            there = np.array(self.env_steps) < lost  # what is beyond is no number
            if not there.any():
                return np.full(len(env_steps), lower, dtype=np.float64)
            between = np.interp(env_steps, np.array(self.env_steps)[there], np.array(self.returns)[there])
            external: Array = np.where(np.asarray(env_steps) >= lost, lower, between)
            return external
        at = dict(zip(self.env_steps, self.returns, strict=True))
        return np.array([lower if step >= lost else at[step] for step in env_steps], dtype=np.float64)

    def normalised(self, values: Array) -> Array:
        """Returns as scores: 0 at the suite's lower bound, 1 at its upper bound."""
        lower: float = self.run.score["lower"]
        upper: float = self.run.score["upper"]
        return (values - lower) / (upper - lower)

    def score(self, env_steps: Sequence[int], kind: str | None = None) -> float:
        """The run's score in units of return, over the shared env steps up to the budget.

        "final": the evaluation at the last of them. "auc": the mean height of the curve over them. Without a kind,
        as the suite declares it.
        """
        values = self.values(env_steps)
        return float(auc(env_steps, values) if (kind or self.run.score["kind"]) == "auc" else values[-1])

    def diverged_by(self, env_step: int) -> bool:
        return self.diverged_at is not None and self.diverged_at <= env_step

    def seconds_at(self, env_step: int) -> float:
        """Seconds of training up to the last evaluation at or before this env step."""
        passed = [s for step, s in zip(self.env_steps, self.wall_time_s, strict=True) if step <= env_step]
        return passed[-1] if passed else 0.0

    @property
    def reach(self) -> float:
        """The last env step that it covers; infinite where it diverged."""
        return np.inf if self.diverged_at is not None else max(self.env_steps, default=0)

    @property
    def done(self) -> bool:
        return self.run.done

    @property
    def begun(self) -> bool:
        """Whether there is anything learnt to score: an evaluation after env step 0, or a divergence."""
        return self.diverged_at is not None or any(step > 0 for step in self.env_steps)


def curves(runs: Iterable[Run], evals: pd.DataFrame) -> list[Curve]:
    """The curve of every run; one without evaluations has an empty curve.

    evals: the columns of `store.read_curves`, one row per episode.
    """
    points = _points(evals)
    return [_curve(run, points.get((run.variant, run.task, run.seed))) for run in runs]


def _points(evals: pd.DataFrame) -> dict[tuple[str, str, int], list[NDArray[Any]]]:
    """The evaluations of every run in the table, by variant, task and seed.

    [K] each, by increasing env step: env steps; mean returns over the episodes; whether an episode diverged or has no
    finite return; seconds; gradient steps. By sorting whole numbers and reducing slices: with millions of rows
    several times faster than a groupby on texts.
    """
    if evals.empty:
        return {}
    codes = [pd.factorize(evals[name])[0] for name in ("variant", "task", "seed")]
    run = codes[0].astype(np.int64)
    for code in codes[1:]:
        run = run * (code.max() + 1) + code
    step = evals["env_step"].to_numpy(np.int64)
    in_order = (run[1:] > run[:-1]) | ((run[1:] == run[:-1]) & (step[1:] >= step[:-1]))
    order = np.arange(len(run)) if in_order.all() else np.lexsort((step, run))  # as the writer leaves them, they are
    run, step = run[order], step[order]
    new_run = np.r_[True, run[1:] != run[:-1]]
    starts = np.flatnonzero(new_run | np.r_[True, step[1:] != step[:-1]])  # of evaluations
    ends = np.searchsorted(starts, np.flatnonzero(new_run))[1:]  # of runs, among the evaluations
    value = pd.to_numeric(evals["return"], errors="coerce").to_numpy(np.float64)[order]
    finite = np.abs(value) <= LARGEST
    lost = evals["diverged"].to_numpy(bool)[order] | ~finite
    told = np.add.reduceat(~np.isnan(value), starts)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.add.reduceat(np.where(np.isnan(value), 0.0, value), starts) / told
    lost = np.logical_or.reduceat(lost, starts)
    seconds = np.maximum.reduceat(evals["wall_time_s"].to_numpy(np.float64)[order], starts)
    updates = np.maximum.reduceat(evals["grad_step"].fillna(0).to_numpy(np.int64)[order], starts)
    names = evals[["variant", "task", "seed"]].iloc[order[new_run]].itertuples(index=False, name=None)
    parts = (np.split(column, ends) for column in (step[starts], mean, lost, seconds, updates))
    return dict(zip(names, map(list, zip(*parts, strict=True)), strict=True))


def _curve(run: Run, points: Sequence[NDArray[Any]] | None) -> Curve:
    if points is None:
        return Curve(run, (), (), (), 0 if run.status == "diverged" else None)
    steps, lost = points[0], points[0][points[2]]
    diverged_at = int(lost[0]) if lost.size else int(steps[-1]) + 1 if run.status == "diverged" else None
    env_steps, returns, _, seconds, grad_steps = (tuple(column.tolist()) for column in points)
    return Curve(run, env_steps, returns, seconds, diverged_at, grad_steps, external(run) is not None)


def decisive(cell: Sequence[Curve]) -> list[Curve]:
    """The curves of a cell that decide which env steps count: of its runs that are done, else of all."""
    return [curve for curve in cell if curve.done] or list(cell)


def shared_env_steps(cells: Iterable[Sequence[Curve]], budget: int | None) -> tuple[int, ...]:
    """The env steps up to the budget at which every run counts; the last one is the matched budget.

    The runs that decide are, of each cell, those that are done; a cell without any is decided by its
    unfinished runs. External runs are read at the evaluations of one's own; without any, at their own.
    `budget` asks for the largest shared evaluation at or below it.
    Raises NotComparableError where there is none after env step 0.
    """
    deciding = [curve for cell in cells for curve in decisive(cell)]
    own = [curve for curve in deciding if not curve.external]
    candidates = sorted({step for curve in own or deciding for step in curve.env_steps})
    alike = {curve.grid: curve for curve in deciding}.values()  # most share one
    shared = [step for step in candidates if all(curve.covers(step) for curve in alike)]
    after_start = [step for step in shared if step > 0]
    if not after_start:
        raise NotComparableError("not comparable: the runs share no evaluation after env step 0")
    within = [step for step in shared if budget is None or step <= budget]
    if not within or within[-1] == 0:
        raise NotComparableError(
            f"not comparable: no evaluation that all runs share at or below {budget:,} env steps "
            f"(the first is at {after_start[0]:,})"
        )
    every = 1 if own else -(-len(within) // MOST_POINTS)
    return tuple(within[::-1][::every][::-1])  # the last one stays


def full_env_steps(runs: Sequence[Curve], shared: tuple[int, ...]) -> tuple[int, ...]:
    """Every env step at which all of these runs count, beyond the budget too: the x of one curve over them.

    They are the same runs at each of them. shared: the env steps that they share with all others, which are among
    them.
    """
    alike = list({curve.grid: curve for curve in runs}.values())
    if len(alike) == 1 and alike[0].env_steps == shared:
        return shared
    candidates = sorted({step for curve in alike for step in curve.env_steps})
    own = [step for step in candidates if all(curve.covers(step) for curve in alike)]
    every = -(-len(own) // MOST_POINTS) if all(curve.external for curve in alike) and own else 1
    return tuple(sorted({*own[::-1][::every], *shared}))
