"""How many seeds does a difference need?

First by formula: with V the variance of IQM(A) - IQM(B) for one seed per task (`studentised`, a task at a time) and n
seeds, a difference d is likely decided when |d| >= (t(1 - alpha/2) + t(chance)) sqrt(V/n), the usual sum of two
quantiles (Cohen 1988), here of Student's t at Satterthwaite's degrees of freedom. Then by trial: `simulate` draws
runs from the pilot runs and asks how often the verdict's own test decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dimebench.stats.bootstrap import Sample
from dimebench.stats.estimators import Array, Scores, as_scores, iqm
from dimebench.stats.testing.arrangements import fewest_testable
from dimebench.stats.testing.permutation import Arrangements, difference_test

CHANCE = 0.8  # of deciding: what "likely" means
MOST_SEEDS = 1_000  # per task and variant; beyond that no number is given
MOST_SIMULATED = 100
SIMULATIONS, DRAWS = 300, 1_000  # data sets per number of seeds; arrangements in each


@dataclass(frozen=True)
class Design:
    """What pilot runs say about the spread of IQM(A) - IQM(B)."""

    per_seed: float  # its variance with one seed of every task and variant
    freedom: float  # its degrees of freedom per (seed - 1)
    tasks: int

    @classmethod
    def of(cls, a: Scores | Sample, b: Scores | Sample) -> Design:
        """From the runs of A and of B; at least two of every task."""
        spreads = [Sample.of(side).spread for side in (a, b)]
        shares = np.concatenate([spread.shares * spread.sizes for spread in spreads])  # [2 T]
        free = np.concatenate([spread.freedom / np.maximum(np.asarray(spread.sizes) - 1, 1) for spread in spreads])
        total, weight = float(shares.sum()), float((shares**2 / free).sum())
        return cls(total, total**2 / weight if weight > 0 else float(free.sum()), shares.size // 2)

    def error(self, seeds: Array) -> Array:
        """Standard error of the difference with this many seeds."""
        return np.sqrt(self.per_seed / seeds)

    def quantile(self, share: float, seeds: Array) -> Array:
        """Of Student's t, at the degrees of freedom that this many seeds give."""
        found: Array = special.stdtrit(self.freedom * (seeds - 1), share)
        return found


def seeds_to_decide(design: Design, difference: float, alpha: float = 0.05, chance: float = CHANCE) -> int | None:
    """Seeds per task and variant that find a true difference with this chance; None beyond `MOST_SEEDS`."""
    seeds = np.arange(2, MOST_SEEDS + 1, dtype=np.float64)
    reach = (design.quantile(1 - alpha / 2, seeds) + design.quantile(chance, seeds)) * design.error(seeds)
    testable = seeds >= fewest_testable(design.tasks, alpha)
    return _first(seeds, (abs(difference) >= reach) & (difference != 0) & testable)


def seeds_to_equate(
    design: Design, difference: float, delta: float, alpha: float = 0.05, chance: float = CHANCE
) -> int | None:
    """Seeds that show with this chance that a true difference is within delta; None beyond `MOST_SEEDS`."""
    seeds = np.arange(2, MOST_SEEDS + 1, dtype=np.float64)
    reach = design.quantile(1 - alpha, seeds) + design.quantile((1 + chance) / 2, seeds)
    return _first(seeds, reach * design.error(seeds) <= delta - abs(difference))


def _first(seeds: Array, enough: NDArray[np.bool_]) -> int | None:
    return int(seeds[np.argmax(enough)]) if enough.any() else None


@dataclass(frozen=True)
class PowerPoint:
    """How often data sets with this many seeds per task and variant were decided, with the standard error."""

    seeds: int
    power: float
    error: float
    simulations: int


@dataclass(frozen=True)
class PowerAnswer:
    """Seeds per task and variant for a difference. `simulated` is by increasing seeds, or empty: too many to try."""

    difference: float
    alpha: float
    chance: float
    by_formula: int | None
    seeds: int | None  # the answer: by simulation where there is one, else by formula
    simulated: tuple[PowerPoint, ...]


def simulate(
    a: Scores,
    b: Scores,
    difference: float,
    seeds: int,
    *,
    rng: np.random.Generator,
    alpha: float = 0.05,
    simulations: int = SIMULATIONS,
) -> PowerPoint:
    """How often the verdict's test finds that A, moved to IQM(B) + difference, is better than B.

    Runs are drawn from the pilot runs with replacement, task by task, plus Gaussian noise of
    1/sqrt(n) of the task's spread, which restores the variance that drawing from n runs loses.
    """
    pilot_a, pilot_b = as_scores(a), as_scores(b)
    shift = difference - (iqm(pilot_a) - iqm(pilot_b))
    arrangements, found = Arrangements(int(rng.integers(2**31)), DRAWS), 0
    for _ in range(simulations):
        drawn_a, drawn_b = ([_draw(task, seeds, rng) for task in pilot] for pilot in (pilot_a, pilot_b))
        found += difference_test([task + shift for task in drawn_a], drawn_b, arrangements).rejects(alpha)
    share = found / simulations
    return PowerPoint(seeds, share, math.sqrt(share * (1 - share) / simulations), simulations)


def how_many_seeds(
    a: Scores,
    b: Scores,
    difference: float,
    *,
    rng: np.random.Generator,
    alpha: float = 0.05,
    chance: float = CHANCE,
    simulations: int = SIMULATIONS,
) -> PowerAnswer:
    """Seeds per task and variant that find `difference` with this chance, from pilot runs of A and of B.

    Starts from the formula's answer and searches until the least number that reaches the chance is known to 10%.
    """
    guess = seeds_to_decide(Design.of(a, b), difference, alpha, chance)
    if guess is None or guess > MOST_SIMULATED:
        return PowerAnswer(difference, alpha, chance, guess, guess, ())
    tried: dict[int, PowerPoint] = {}
    below, above = 1, None
    seeds = guess
    while seeds not in tried and seeds <= 2 * MOST_SIMULATED:
        tried[seeds] = simulate(a, b, difference, seeds, rng=rng, alpha=alpha, simulations=simulations)
        if tried[seeds].power >= chance:
            above = seeds
        else:
            below = max(below, seeds)
        seeds = _next(tried[seeds], below, above, chance)
    return PowerAnswer(difference, alpha, chance, guess, above, tuple(tried[n] for n in sorted(tried)))


def _next(point: PowerPoint, below: int, above: int | None, chance: float) -> int:
    """The next number of seeds to try; one already tried ends the search."""
    if above is not None and above - below <= max(1, above // 10):
        return above
    # Power is about Phi(|d| sqrt(n/V) - z): one point of it gives the slope, and so the place where it is `chance`.
    z = special.ndtri(0.975)
    seen = special.ndtri(min(max(point.power, 0.02), 0.98))
    guess: int = math.ceil(point.seeds * ((z + special.ndtri(chance)) / (z + seen)) ** 2)
    if above is None:
        return max(guess, below + 1)
    return min(max(guess, below + 1), above - 1)


def _draw(task: Array, seeds: int, rng: np.random.Generator) -> Array:
    spread = float(task.std(ddof=1)) if task.size > 1 else 0.0
    return rng.choice(task, seeds) + rng.normal(size=seeds) * spread / math.sqrt(task.size)
