"""A group-sequential comparison: analyse after every block of seeds, stop once decided, keep the error rate.

Several analyses at 5% each err more than 5% of the time. So alpha is spent over the planned analyses by the
O'Brien-Fleming-type spending function of Lan and DeMets (1983, Biometrika 70, 659-663): next to nothing early,
nearly all at the last one. The critical values come from the runs themselves, by permutation: the names A and B are
shuffled within each task *and block of seeds*, each shuffle is followed over all analyses, and an analysis rejects
no more of the shuffles than its share of alpha allows (the idea of sequential conditional randomization tests:
Plamadeala and Rosenberger 2012, Annals of Statistics 40, 30-44). The observed naming is one of the shuffles. Where A
and B are alike every shuffle was equally likely, so the chance of any false claim over all analyses is at most
alpha, for any number of seeds and any scores.

The statistic is that of `stats.compare`: |T|, the IQM difference over the runs' spread. As there, a claim also needs
the difference to reach Student's quantile times its standard error, here at the share of shuffles beyond the critical
value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from dimebench.stats.bootstrap import Sample, resamplable
from dimebench.stats.estimators import Array, Scores
from dimebench.stats.studentised import arranged, degrees, deviation, standard_error, studentise
from dimebench.stats.testing.arrangements import Members, as_named, random_arrangements
from dimebench.stats.testing.permutation import TIE

SHUFFLES = 20_000

SequentialVerdict = Literal["A better", "B better", "undecided"]
Block = tuple[Scores, Scores]  # the scores of A and of B, over tasks, of one block of seeds


@dataclass(frozen=True)
class InterimAnalysis:
    """One analysis of the runs so far."""

    seeds: int  # per task and variant, planned for this analysis
    spent: float  # alpha that all analyses so far may use
    difference: float  # IQM(A) - IQM(B)
    critical: float | None  # the |difference| from which this analysis decides; None: it can decide nothing
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
    members: list[Members] = []  # per block [N of the block, 1 + shuffles], the first column as named
    blocks_so_far: list[tuple[list[Array], list[Array]]] = []  # A's and B's scores of each block
    stopped = np.zeros(shuffles + 1, dtype=bool)  # shuffles that an earlier analysis rejected
    analyses: list[InterimAnalysis] = []
    verdict: SequentialVerdict = "undecided"
    for block, seeds in zip(blocks, planned, strict=False):
        a, b = ([np.asarray(task, dtype=np.float64) for task in side] for side in block)
        blocks_so_far.append((a, b))
        sizes = [(x.size, y.size) for x, y in zip(a, b, strict=True)]
        members.append(np.concatenate([as_named(sizes), random_arrangements(sizes, shuffles, rng)], axis=1))
        of_a, of_b = (joined(side) for side in zip(*blocks_so_far, strict=True))
        differences, statistics = _so_far(members, blocks_so_far)
        spent = spending(seeds / planned[-1], alpha)
        critical = _critical(statistics, stopped, spent)
        beyond = statistics >= critical
        stopped |= beyond
        needed = math.inf
        if beyond.any() and resamplable(of_a.tasks) and resamplable(of_b.tasks):
            quantile = float(special.stdtrit(degrees(of_a.spread, of_b.spread), 1 - beyond.mean() / 2))
            student = quantile * standard_error(of_a.spread, of_b.spread)
            needed = max(critical * deviation(of_a.tasks, of_b.tasks), student)
        # Rounding may part the two forms of one statement: the shuffles decide.
        decided = bool(beyond[0] and math.isfinite(needed) and abs(differences[0]) >= needed * (1 - TIE))
        shown = needed if math.isfinite(needed) else None
        analyses.append(InterimAnalysis(seeds, spent, float(differences[0]), shown, decided))
        if decided:
            verdict = "A better" if differences[0] > 0 else "B better"
            break
    return Monitoring(tuple(analyses), tuple(planned), alpha, verdict)


def _critical(statistics: Array, stopped: NDArray[np.bool_], spent: float) -> float:
    """The least |T| from which at most `spent` of all shuffles are rejected by now; inf for none."""
    allowed = math.floor(spent * statistics.size + TIE) - int(stopped.sum())
    going = np.sort(statistics[~stopped])[::-1]
    if allowed <= 0 or not going.size:
        return math.inf
    if allowed >= going.size:
        return 0.0
    # Ties with the first that may not be rejected must stay.
    above = going[:allowed][going[:allowed] > going[allowed] + TIE]
    return float(above[-1]) if above.size and above[-1] > TIE else math.inf


def joined(blocks: Sequence[Scores]) -> Sample:
    """One side's runs of all blocks. Raises ValueError where it has no run of a task yet."""
    tasks = zip(*blocks, strict=True)
    return Sample.of([np.concatenate([np.asarray(runs, dtype=np.float64) for runs in task]) for task in tasks])


def _so_far(members: Sequence[Members], blocks: Sequence[tuple[list[Array], list[Array]]]) -> tuple[Array, Array]:
    """IQM(A) - IQM(B) and |T| of every shuffle [1 + shuffles] over all blocks so far."""
    tasks = range(len(blocks[0][0]))
    widths = [[x.size + y.size for x, y in zip(a, b, strict=True)] for a, b in blocks]
    first = [np.cumsum([0, *width]) for width in widths]
    rows = [part[start[task] : start[task + 1]] for task in tasks for part, start in zip(members, first, strict=True)]
    values = np.concatenate([side[task] for task in tasks for block in blocks for side in block])
    sizes = [(sum(a[task].size for a, _ in blocks), sum(b[task].size for _, b in blocks)) for task in tasks]
    differences, deviations = arranged(np.concatenate(rows), values, sizes)
    return differences, studentise(differences, deviations, float(np.ptp(values)))
