"""A run's learning curve, the env steps that runs share, and a run's score.

The declared rules: the curve is the mean return over the episodes of each evaluation. A run that
diverged counts with its suite's lower bound from the divergence on; so does an evaluation without a
finite return. Scores are normalised by the suite's fixed bounds, never by the data.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dimebench.report.errors import NotComparableError
from dimebench.stats import auc
from dimebench.store import Run

Array = NDArray[np.float64]
DONE = ("finished", "diverged")


@dataclass(frozen=True)
class Curve:
    """The evaluations of one run: env_steps [K] increasing, returns [K] (mean over episodes)."""

    run: Run
    env_steps: tuple[int, ...]
    returns: tuple[float, ...]
    wall_time_s: tuple[float, ...]  # [K] seconds of training so far
    diverged_at: int | None  # env step from which the lower bound counts
    grad_steps: tuple[int, ...] = ()  # [K]

    def covers(self, env_step: int) -> bool:
        """Whether the run has a value at this env step."""
        return env_step in self.env_steps or (self.diverged_at is not None and env_step >= self.diverged_at)

    def values(self, env_steps: Sequence[int]) -> Array:
        """Returns at env steps that the run covers, its lower bound from a divergence on. [len(env_steps)]."""
        at = dict(zip(self.env_steps, self.returns, strict=True))
        return np.array(
            [
                self.run.score["lower"] if self.diverged_at is not None and step >= self.diverged_at else at[step]
                for step in env_steps
            ],
            dtype=np.float64,
        )

    def normalised(self, values: Array) -> Array:
        """Returns as scores: 0 at the suite's lower bound, 1 at its upper bound."""
        lower, upper = self.run.score["lower"], self.run.score["upper"]
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
    def done(self) -> bool:
        return self.run.status in DONE

    @property
    def begun(self) -> bool:
        """Whether there is anything learnt to score: an evaluation after env step 0, or a divergence."""
        return self.diverged_at is not None or any(step > 0 for step in self.env_steps)


def curves(runs: Iterable[Run], evals: pd.DataFrame) -> list[Curve]:
    """The curve of every run; one without evaluations has an empty curve.

    evals: the columns of `store.read_evals`, one row per episode.
    """
    keys: list[Hashable] = ["variant", "task", "seed"]
    finite = pd.to_numeric(evals["return"], errors="coerce").map(np.isfinite).astype(bool)
    frame = evals.assign(lost=evals["diverged"].astype(bool) | ~finite)
    points = frame.groupby([*keys, "env_step"], sort=True).agg(
        value=("return", "mean"), lost=("lost", "any"), seconds=("wall_time_s", "max"), updates=("grad_step", "max")
    )
    by_run = {key: group.droplevel(keys) for key, group in points.groupby(level=keys)}
    return [_curve(run, by_run.get((run.variant, run.task, run.seed))) for run in runs]


def _curve(run: Run, points: pd.DataFrame | None) -> Curve:
    if points is None:
        return Curve(run, (), (), (), 0 if run.status == "diverged" else None)
    steps = [int(step) for step in points.index]
    lost = [step for step, is_lost in zip(steps, points["lost"], strict=True) if is_lost]
    diverged_at = lost[0] if lost else steps[-1] + 1 if run.status == "diverged" else None
    return Curve(
        run,
        tuple(steps),
        tuple(float(value) for value in points["value"]),
        tuple(float(value) for value in points["seconds"]),
        diverged_at,
        tuple(int(value) for value in points["updates"].fillna(0)),
    )


def shared_env_steps(cells: Iterable[Sequence[Curve]], budget: int | None) -> tuple[int, ...]:
    """The env steps up to the budget at which every run counts; the last one is the matched budget.

    The runs that decide are, of each cell, those that are done; a cell without any is decided by its
    unfinished runs. `budget` asks for the largest shared evaluation at or below it.
    Raises NotComparableError where there is none after env step 0.
    """
    deciding: list[Curve] = []
    for cell in cells:
        deciding += [curve for curve in cell if curve.done] or list(cell)
    candidates = sorted({step for curve in deciding for step in curve.env_steps})
    shared = [step for step in candidates if all(curve.covers(step) for curve in deciding)]
    after_start = [step for step in shared if step > 0]
    if not after_start:
        raise NotComparableError("not comparable: the runs share no evaluation after env step 0")
    within = [step for step in shared if budget is None or step <= budget]
    if not within or within[-1] == 0:
        raise NotComparableError(
            f"not comparable: no evaluation that all runs share at or below {budget:,} env steps "
            f"(the first is at {after_start[0]:,})"
        )
    return tuple(within)
