"""The rule that verdicts followed before the studentised test, to measure it beside today's.

A claim needed both: a permutation test of the plain IQM difference, and an expanded-percentile bootstrap interval
that excludes 0.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from dimebench.stats.bootstrap import Sample, bootstrap
from dimebench.stats.studentised import arranged
from dimebench.stats.testing.permutation import TIE, Arrangements

Tasks = list[np.ndarray]


def evidence(a: Tasks, b: Tasks, rng: np.random.Generator, draws: int, method: str = "expanded") -> float:
    """The least alpha at which the bootstrap interval of the difference excludes 0."""
    of_a, of_b = Sample.of(a), Sample.of(b)
    drawn = bootstrap(a, ["iqm"], draws, rng)["iqm"] - bootstrap(b, ["iqm"], draws, rng)["iqm"]
    point, influence = of_a.iqm - of_b.iqm, of_a.influence.minus(of_b.influence)
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    share = min(0.5, (beyond + 1) / (drawn.size + 1))
    if method == "percentile":
        return 2 * share
    z = float(-special.ndtri(share))
    if beyond == 0:
        spread = float(drawn.std())
        z = max(z, abs(point) / spread) if spread > 0 else np.inf
    return 2 * float(special.stdtr(influence.degrees, -z / influence.shortfall))


def permuted(a: Tasks, b: Tasks, arrangements: Arrangements) -> float:
    """The p-value of the plain difference."""
    sizes = [(x.size, y.size) for x, y in zip(a, b, strict=True)]
    members, exact = arrangements.of(sizes)
    values = np.concatenate([np.sort(np.concatenate(pair)) for pair in zip(a, b, strict=True)])
    found = np.abs(arranged(members, values, sizes)[0])
    seen = abs(Sample.of(a).iqm - Sample.of(b).iqm)
    beyond = int((found >= seen - TIE).sum())
    return beyond / found.size if exact else (beyond + 1) / (found.size + 1)


def former(a: Tasks, b: Tasks, arrangements: Arrangements, rng: np.random.Generator, draws: int = 1_000) -> float:
    """The p-value of the former verdict."""
    return max(evidence(a, b, rng, draws), permuted(a, b, arrangements))
