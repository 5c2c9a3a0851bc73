"""A comparison that may be looked at after any block of seeds: no plan, no maximum, and the error rate holds.

Within a block the names A and B are shuffled task by task. With z the block's IQM(A) - IQM(B) over its standard
deviation over the arrangements, and theta a bet made before the block, the block's e-value is

    e = exp(theta z of the runs as named) / mean over arrangements of exp(theta z)

If A and B are alike, every arrangement of a block was equally likely, whatever the blocks before it held. So e is 1
on average, and its product over blocks is a test martingale: it ever reaches 1/alpha with a chance of at most alpha
(Ville 1939), for any number of seeds, any scores and any reason to stop or to go on. That is exact: over all
arrangements where they are few, else over random ones and the runs as named, which keeps the average at 1. Such tests
by betting: Ramdas, Gruenwald, Vovk and Shafer (2023, Statistical Science 38, 576-601); by permutation: Koning (2023,
arXiv:2310.01153).

The product grows fastest where theta is the true z. `BETS` times sqrt(seeds of the block / 2) are tried in both
directions, and the products averaged with fixed weights, which is a test martingale again; in the long run the best
bet makes the average. The small bets let small differences be found at last, the large ones let large ones be found
at once.

The shuffles' null is that A and B are alike. Where only the IQMs are equal the product may grow, so that a claim also
needs the difference over all runs to be beyond Student's quantile times its standard error, as in `stats.compare`. As
it is tested at many looks, each has a fifth of alpha. This guard is approximate: what both
conditions together err is measured by benchmarks/looks.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from dimebench.stats.bootstrap import Sample, resamplable
from dimebench.stats.estimators import Array
from dimebench.stats.looks.sequential import Block, SequentialVerdict, joined
from dimebench.stats.studentised import arranged, degrees, standard_error
from dimebench.stats.testing.arrangements import as_named, every_arrangement, how_many, random_arrangements
from dimebench.stats.testing.permutation import TIE

SHUFFLES = 10_000
BETS = (0.5, 1.0, 2.0, 4.0)  # on z, in a block of 2 seeds
WEIGHTS = (1 / 9, 2 / 9, 4 / 9, 2 / 9)
GUARD = 0.2  # of alpha: the level of the guard at a look


@dataclass(frozen=True)
class Look:
    """One look at the runs so far."""

    seeds: int  # of the task and variant that has most
    e_value: float  # evidence against "A and B are alike": 1 on average where they are
    p_value: float  # 1 / the largest e-value so far: valid at any look
    difference: float  # IQM(A) - IQM(B)
    p_guard: float | None  # of Student's t, where an e-value has reached 1 / alpha; None with one run of a task
    decided: bool


@dataclass(frozen=True)
class AnytimeMonitoring:
    """All looks so far; the first that decided gives the verdict, and later runs do not change it."""

    looks: tuple[Look, ...]
    alpha: float
    verdict: SequentialVerdict

    @property
    def over(self) -> bool:
        """Whether training can stop."""
        return self.verdict != "undecided"


def monitor_anytime(
    blocks: Sequence[Block], *, rng: np.random.Generator, alpha: float = 0.05, shuffles: int = SHUFFLES
) -> AnytimeMonitoring:
    """The looks after each of `blocks`, until one decides; blocks may differ in size.

    A block may lack runs of a task (they failed), but the blocks up to a look must hold one of A and one of B on
    every task. The result depends on the blocks and `rng`'s seed; a longer list of blocks repeats the earlier looks.
    """
    logs = np.repeat(np.log(WEIGHTS)[None], 2, axis=0) - math.log(2)  # of the products, with their weights [2, bets]
    looks: list[Look] = []
    verdict: SequentialVerdict = "undecided"
    most = 0.0  # the largest e-value so far, as a logarithm
    for count, block in enumerate(blocks, start=1):
        a, b = (joined(side) for side in zip(*blocks[:count], strict=True))
        logs = logs + log_e_values(block, rng, shuffles)
        now = float(special.logsumexp(logs))
        most = max(most, now)
        difference = a.iqm - b.iqm
        guard = _student(a, b) if most >= -math.log(alpha) else None
        decided = guard is not None and guard <= GUARD * alpha
        seeds = max(task.size for task in (*a.tasks, *b.tasks))
        looks.append(Look(seeds, math.exp(min(now, 700.0)), math.exp(-most), difference, guard, decided))
        if decided:
            verdict = "A better" if difference > 0 else "B better"
            break
    return AnytimeMonitoring(tuple(looks), alpha, verdict)


def log_e_values(block: Block, rng: np.random.Generator, shuffles: int = SHUFFLES) -> Array:
    """The logarithm of a block's e-value [2, bets]: for A better, for B better, and each of `BETS`.

    Tasks without a run of A or of B in this block are left out.
    """
    pairs = [(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)) for x, y in zip(*block, strict=True)]
    pairs = [(x, y) for x, y in pairs if x.size and y.size]
    if not pairs:
        return np.zeros((2, len(BETS)))
    sizes = [(x.size, y.size) for x, y in pairs]
    if how_many(sizes) <= shuffles:
        others, first = every_arrangement(sizes), 1  # the runs as named are among them
    else:
        others, first = random_arrangements(sizes, shuffles, rng), 0
    members = np.concatenate([as_named(sizes), others], axis=1)
    differences, _ = arranged(members, np.concatenate([runs for pair in pairs for runs in pair]), sizes)
    spread = float(differences[first:].std())
    z = differences / spread if spread > TIE else np.zeros_like(differences)
    seeds = sum(itertools.chain(*sizes)) / (2 * len(sizes))
    exponents = np.multiply.outer([1.0, -1.0], np.multiply.outer(np.sqrt(seeds / 2) * np.asarray(BETS), z))
    average = special.logsumexp(exponents[..., first:], axis=-1) - math.log(z.size - first)
    found: Array = exponents[..., 0] - average
    return found


def _student(a: Sample, b: Sample) -> float | None:
    """The p-value of IQM(A) - IQM(B) over its standard error; None where a task has a single run."""
    if not (resamplable(a.tasks) and resamplable(b.tasks)):
        return None
    difference, error = abs(a.iqm - b.iqm), standard_error(a.spread, b.spread)
    if error <= TIE:
        return 0.0 if difference > TIE else 1.0
    return float(2 * special.stdtr(degrees(a.spread, b.spread), -difference / error))
