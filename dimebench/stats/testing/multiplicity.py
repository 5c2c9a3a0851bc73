"""Several comparisons judged together: the chance of any wrong claim among them stays at alpha.

Holm (1979, Scandinavian Journal of Statistics 6, 65-70) supposes the worst of how the tests depend on each other.
For pairs of variants it is known: A - B and A - C share A's runs. So the strongest evidence is held against the
largest of all pairs' statistics, drawn from a normal distribution with the correlations that the variants' variances
give; the next against the largest of those that remain, and so on (step-down maxT: Westfall and Young 1993,
Resampling-Based Multiple Testing; Romano and Wolf 2005, Econometrica 73, 1237-1282). Pairs also depend by logic: if A
and B are alike, and B and C, so are A and C. Once A and B are told apart, not all others can be alike, and only what
still can be is held against (Shaffer 1986, JASA 81, 826-831; Westfall 1997, JASA 92, 299-306).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

from dimebench.stats.estimators import Array
from dimebench.stats.testing.arrangements import fewest_testable

Pair = tuple[str, str]
DRAWS = 15  # powers of 2: of the normal distribution
MOST_BY_LOGIC = 7  # variants; their 877 partitions are gone through


@dataclass(frozen=True)
class Judgement:
    """What a comparison has to hold at, and whether it does."""

    alpha: float  # its own level
    claimed: bool
    adjusted: float  # the least alpha of the whole family at which it is claimed


def holm(p_values: Sequence[float], alpha: float) -> list[Judgement]:
    """Each p-value's judgement, in the order given. Those after the first that fails are judged at its level."""
    found: list[Judgement | None] = [None] * len(p_values)
    claiming, level, adjusted = True, alpha, 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable")):
        left = len(p_values) - rank
        level = alpha / left if claiming else level
        adjusted = min(1.0, max(adjusted, left * p_values[place]))
        claiming = claiming and p_values[place] <= level
        found[place] = Judgement(level, claiming, adjusted)
    return [one for one in found if one is not None]


def bonferroni(p_values: Sequence[float], alpha: float) -> list[Judgement]:
    """Each p-value judged at alpha over their number."""
    level = alpha / max(len(p_values), 1)
    return [Judgement(level, p <= level, min(1.0, len(p_values) * p)) for p in p_values]


def step_down(
    p_values: Mapping[Pair, float], variances: Mapping[str, float], alpha: float, unmade: Sequence[Pair] = ()
) -> dict[Pair, Judgement]:
    """The judgement of each pair. Those after the first that fails are judged at its level.

    variances: of each variant's estimate. unmade: pairs that could have been compared, where the scores themselves
    chose those that are; they count as undecided.
    """
    if len(p_values) + len(unmade) <= 1:
        return {pair: Judgement(alpha, p <= alpha, p) for pair, p in p_values.items()}
    order = sorted(p_values, key=lambda pair: p_values[pair])
    pairs = [*order, *unmade]
    names = list(dict.fromkeys(itertools.chain(*pairs)))
    sizes = _sizes(names, pairs, variances)
    complete = len(names) <= MOST_BY_LOGIC and len(pairs) == len(names) * (len(names) - 1) // 2
    logic = _Logic(names, pairs, sizes) if complete else None
    largest = np.maximum.accumulate(sizes[::-1], axis=0)[::-1]  # [P, G] of each pair and those after it
    found: dict[Pair, Judgement] = {}
    claiming, level, adjusted = True, alpha, 0.0
    for rank, pair in enumerate(order):
        p, left = p_values[pair], len(pairs) - rank
        against = [(np.sort(largest[rank]), left)]
        if logic and claiming:
            against = logic.against(rank)
        if claiming:
            level = min(_level(draws, alpha, count) for draws, count in against)
        own = max(_share_beyond(draws, p, count) for draws, count in against)
        adjusted = min(1.0, max(adjusted, own, p))
        claiming = claiming and p <= level
        # The two are read off the same draws, but between two of them: they must not part.
        told = min(adjusted, alpha) if claiming else max(adjusted, np.nextafter(alpha, 1))
        found[pair] = Judgement(level, claiming, float(told))
    return found


def fewest_seeds(tasks: int, variants: int, alpha: float) -> int:
    """The least number of seeds on every task with which a pair can be told apart, all pairs judged together."""
    names = [str(place) for place in range(variants)]
    pairs = list(itertools.combinations(names, 2))
    judged = step_down(dict.fromkeys(pairs, 1.0), dict.fromkeys(names, 1.0), alpha)
    return fewest_testable(tasks, max(one.alpha for one in judged.values()))


def _sizes(names: Sequence[str], pairs: Sequence[Pair], variances: Mapping[str, float]) -> NDArray[np.float32]:
    """|z| of each pair [P, G] where no two variants differ."""
    points = qmc.Sobol(len(names), seed=0).random_base2(DRAWS)  # evenly spread: few are as good as many random ones
    spread = np.sqrt([variances[name] for name in names])
    floor = 1e-6 * spread.max() if spread.max() > 0 else 1.0
    levels = special.ndtri(np.clip(points, 1e-12, 1 - 1e-12)) * np.maximum(spread, floor)
    at = {name: place for place, name in enumerate(names)}
    deviation = np.maximum(spread, floor)
    found = np.empty((len(pairs), len(points)), dtype=np.float32)
    for row, (a, b) in zip(found, pairs, strict=True):
        i, j = at[a], at[b]
        row[:] = np.abs(levels[:, i] - levels[:, j]) / np.hypot(deviation[i], deviation[j])
    return found


def _level(ordered: Array, alpha: float, count: int) -> float:
    """The level that the largest of `count` |z| exceeds with chance alpha; never below Bonferroni's."""
    place = ordered.size - int(alpha * ordered.size) - 1
    return max(2 * float(special.ndtr(-float(ordered[place]))), alpha / count)


def _share_beyond(ordered: Array, p: float, count: int) -> float:
    """How often the largest of `count` |z| is as far out as the p-value says; never above Bonferroni's."""
    size = -float(special.ndtri(p / 2))
    return min(1 - float(np.searchsorted(ordered, size)) / ordered.size, count * p)


class _Logic:
    """Which pairs can be alike together: those within the blocks of a partition of the variants."""

    def __init__(self, names: Sequence[str], pairs: Sequence[Pair], sizes: NDArray[np.float32]) -> None:
        at = {frozenset(pair): place for place, pair in enumerate(pairs)}
        both = itertools.combinations(range(len(names)), 2)
        of_two = {(i, j): at[frozenset((names[i], names[j]))] for i, j in both}
        self.masks = np.array([_mask(blocks, of_two) for blocks in _partitions(len(names))], dtype=np.int64)
        self.sizes = sizes
        self.known: dict[int, Array] = {}

    def against(self, rank: int) -> list[tuple[Array, int]]:
        """The largest |z| [G], in order, of each set of pairs from `rank` on, with that pair, that can be alike."""
        gone, own = (1 << rank) - 1, 1 << rank
        masks = self.masks[(self.masks & gone == 0) & (self.masks & own != 0)]
        within = (masks[:, None] & ~masks[None, :]) == 0  # [i, j]: i is a part of j
        largest = masks[within.sum(axis=1) == 1]
        return [(self._drawn(int(mask)), int(mask).bit_count()) for mask in largest]

    def _drawn(self, mask: int) -> Array:
        if mask not in self.known:
            rows = [place for place in range(len(self.sizes)) if mask >> place & 1]
            self.known[mask] = np.sort(self.sizes[rows].max(axis=0))
        return self.known[mask]


def _mask(blocks: Sequence[Sequence[int]], of_two: Mapping[tuple[int, int], int]) -> int:
    return sum(1 << of_two[pair] for block in blocks for pair in itertools.combinations(sorted(block), 2))


@cache
def _partitions(count: int) -> tuple[tuple[tuple[int, ...], ...], ...]:
    """All ways to part 0 to count - 1 into blocks."""
    return tuple(_grow(count))


def _grow(count: int) -> Iterator[tuple[tuple[int, ...], ...]]:
    if count == 0:
        yield ()
        return
    last = count - 1
    for blocks in _grow(last):
        yield (*blocks, (last,))
        for place in range(len(blocks)):
            yield (*blocks[:place], (*blocks[place], last), *blocks[place + 1 :])
