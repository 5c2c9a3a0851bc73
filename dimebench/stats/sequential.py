"""A group-sequential comparison: analyse after every block of seeds, stop once decided, keep the error rate.

Several analyses at 5% each err more than 5% of the time. So alpha is spent over the planned analyses by the
O'Brien-Fleming-type spending function of Lan and DeMets (1983, Biometrika 70, 659-663): next to nothing early,
nearly all at the last one. The critical values come from the runs themselves, by permutation: the names A and B are
shuffled within each task *and block of seeds*, each shuffle is followed over all analyses, and an analysis rejects
no more of the shuffles than its share of alpha allows (the idea of sequential conditional randomization tests:
Plamadeala and Rosenberger 2012, Annals of Statistics 40, 30-44). The observed naming is one of the shuffles. Where A
and B are alike every shuffle was equally likely, so the chance of any false claim over all analyses is at most
alpha, for any number of seeds and any scores.

As in `stats.compare`, a claim also needs the interval of the difference to exclude 0, here at the share of shuffles
beyond the critical value. That guards the case where the IQMs are equal and the spreads are not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dimebench.stats.bootstrap import resamplable
from dimebench.stats.estimators import Array, Scores, as_scores
from dimebench.stats.permutation import TIE, as_named, iqm_differences, random_arrangements
from dimebench.stats.power import interval_test

SHUFFLES = 20_000
INTERVAL_DRAWS = 5_000

SequentialVerdict = Literal["A better", "B better", "undecided"]
Block = tuple[Scores, Scores]  # the scores of A and of B, over tasks, of one block of seeds


@dataclass(frozen=True)
class InterimAnalysis:
    """One analysis of the runs so far."""

    seeds: int  # per task and variant, planned for this analysis
    spent: float  # alpha that all analyses so far may use
    difference: float  # IQM(A) - IQM(B)
    critical: float | None  # |difference| from which this analysis rejects; None: it can reject nothing
    p_interval: float | None  # of the interval, where the critical value is reached; None with one run of a task
    decided: bool


@dataclass(frozen=True)
class Monitoring:
    """All analyses so far; the first that decided gives the verdict, and later runs do not change it."""

    analyses: tuple[InterimAnalysis, ...]
    planned: tuple[int, ...]  # seeds at each planned analysis
    alpha: float
    verdict: SequentialVerdict

    @property
    def over(self) -> bool:
        """Whether training can stop: decided, or the last planned analysis is done."""
        return self.verdict != "undecided" or len(self.analyses) == len(self.planned)


def planned_analyses(most: int, block: int) -> tuple[int, ...]:
    """Seeds at each analysis: block, 2 block, ... and `most`."""
    return tuple(dict.fromkeys([*range(block, most, block), most]))


def spending(fraction: float, alpha: float) -> float:
    """Alpha that may be used up to an information fraction, 0 to 1: 2 - 2 Phi(z(1 - alpha/2) / sqrt(fraction))."""
    if fraction <= 0:
        return 0.0
    return float(2 * special.ndtr(-special.ndtri(1 - alpha / 2) / math.sqrt(min(fraction, 1.0))))


def monitor(
    blocks: Sequence[Block],
    planned: Sequence[int],
    *,
    rng: np.random.Generator,
    alpha: float = 0.05,
    shuffles: int = SHUFFLES,
) -> Monitoring:
    """The analyses after each of `blocks`, up to `len(planned)` of them.

    A block may lack runs of a task (they failed), but the blocks up to an analysis must hold one of A and one of B on
    every task. The result depends on the blocks, the plan and `rng`'s seed; a longer list of blocks repeats the
    earlier analyses.
    """
    members: list[NDArray[np.bool_]] = []  # per block [1 + shuffles, N of the block], the first row as named
    pooled: list[list[Array]] = []  # per block, over tasks
    sizes: list[list[tuple[int, int]]] = []
    pulled: list[tuple[list[Array], list[Array]]] = []  # A's and B's scores of each block
    stopped = np.zeros(shuffles + 1, dtype=bool)  # shuffles that an earlier analysis rejected
    analyses: list[InterimAnalysis] = []
    verdict: SequentialVerdict = "undecided"
    for block, seeds in zip(blocks, planned, strict=False):
        a, b = ([np.asarray(task, dtype=np.float64) for task in side] for side in block)
        pulled.append((a, b))
        sizes.append([(x.size, y.size) for x, y in zip(a, b, strict=True)])
        pooled.append([np.concatenate(pair) for pair in zip(a, b, strict=True)])
        members.append(np.concatenate([as_named(sizes[-1]), random_arrangements(sizes[-1], shuffles, rng)]))
        differences = _so_far(members, pooled, sizes)
        spent = spending(seeds / planned[-1], alpha)
        critical = _critical(np.abs(differences), stopped, spent)
        beyond = np.abs(differences) >= critical
        interval_rng = rng.spawn(1)[0]  # drawn at every analysis, used or not: later ones must not depend on it
        found = _interval(pulled, interval_rng) if beyond[0] else None
        decided = bool(beyond[0]) and found is not None and bool(found <= beyond.mean())
        stopped |= beyond
        shown = critical if math.isfinite(critical) else None
        analyses.append(InterimAnalysis(seeds, spent, float(differences[0]), shown, found, decided))
        if decided:
            verdict = "A better" if differences[0] > 0 else "B better"
            break
    return Monitoring(tuple(analyses), tuple(planned), alpha, verdict)


def _critical(sizes: Array, stopped: NDArray[np.bool_], spent: float) -> float:
    """The least |difference| from which at most `spent` of all shuffles are rejected by now; inf for none."""
    allowed = math.floor(spent * sizes.size + TIE) - int(stopped.sum())
    going = np.sort(sizes[~stopped])[::-1]
    if allowed <= 0 or not going.size:
        return math.inf
    if allowed >= going.size:
        return 0.0
    # Ties with the first that may not be rejected must stay.
    above = going[:allowed][going[:allowed] > going[allowed] + TIE]
    return float(above[-1]) if above.size and above[-1] > TIE else math.inf


def _interval(blocks: Sequence[tuple[list[Array], list[Array]]], rng: np.random.Generator) -> float | None:
    """The p-value of the interval over all blocks so far; None where a task has a single run."""
    a, b = ([np.concatenate(runs) for runs in zip(*side, strict=True)] for side in zip(*blocks, strict=True))
    return interval_test(a, b, rng, INTERVAL_DRAWS) if resamplable(a) and resamplable(b) else None


def _so_far(
    members: Sequence[NDArray[np.bool_]],
    pooled: Sequence[Sequence[Array]],
    sizes: Sequence[Sequence[tuple[int, int]]],
) -> Array:
    """IQM(A) - IQM(B) of every shuffle [1 + shuffles] over all blocks so far."""
    tasks = range(len(sizes[0]))
    runs = [np.cumsum([0, *(m + n for m, n in block)]) for block in sizes]
    columns = [
        members[k][:, runs[k][task] : runs[k][task + 1]] for task in tasks for k in range(len(sizes))
    ]  # task by task, its blocks in order
    values = [np.concatenate([block[task] for block in pooled]) for task in tasks]
    totals = [(sum(block[task][0] for block in sizes), sum(block[task][1] for block in sizes)) for task in tasks]
    as_scores([np.ones(min(pair)) for pair in totals])  # raises where a side has no run of a task yet
    return iqm_differences(np.concatenate(columns, axis=1), values, totals)
