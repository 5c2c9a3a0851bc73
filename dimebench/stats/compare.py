"""Is A better than B? The verdict is a claim about the IQM difference, with an error rate.

"A better" and "B better" need two things at once: the permutation test within tasks rejects, and the interval of
IQM(A) - IQM(B) excludes 0. The test errs at most as often as it says where A and B are alike in everything; the
interval also holds where their IQMs agree and their spreads do not. "equivalent" needs a margin `delta`: the
interval at 1 - 2 alpha lies within (-delta, delta), two one-sided tests (Schuirmann 1987, J. Pharmacokinetics and
Biopharmaceutics 15, 657-680). Everything else is "undecided", which is no claim that A and B are alike.

Several comparisons made together are judged together: Holm's step-down keeps the chance of any wrong claim at
1 - confidence. The comparison with the strongest evidence must hold at alpha/m, the next at alpha/(m-1), and the
first that does not ends the claims. With a `delta` each comparison can claim two things, and Holm's easing is not
safe: then every one is judged at alpha/m (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dimebench.stats.bootstrap import RESAMPLES, resamplable, stream
from dimebench.stats.engine import Engine, NumpyEngine, Pair
from dimebench.stats.estimators import Array, Scores, as_scores, iqm, probability_of_improvement, wins
from dimebench.stats.intervals import CONFIDENCE, Estimate, Interval
from dimebench.stats.permutation import PERMUTATIONS, PermutationTest, holm, permutation_test
from dimebench.stats.power import Design, both_tests, seeds_to_decide, seeds_to_equate

Verdict = Literal["A better", "B better", "equivalent", "undecided"]
TASK_DRAWS = 2_000  # resamples and arrangements of a single task
FEW_SEEDS = 4  # up to here intervals over one or two tasks cover clearly less than they say


@dataclass(frozen=True)
class TaskRow:
    """One task of a comparison, in normalised scores; its verdict is Holm-corrected over the comparison's tasks."""

    task: str
    seeds_a: int
    seeds_b: int
    mean_a: float
    mean_b: float
    improvement: float  # P(A > B) on this task
    difference: float = 0.0  # IQM(A) - IQM(B) on this task
    p_value: float | None = None  # permutation test and interval on this task alone: the larger of the two
    adjusted_p: float | None = None  # Holm over the tasks
    verdict: Verdict = "undecided"


@dataclass(frozen=True)
class Comparison:
    """A against B. Intervals without `judged` are at `confidence`; `judged` is the one the verdict read."""

    a: str
    b: str
    iqm_a: Estimate
    iqm_b: Estimate
    difference: Estimate  # IQM(A) - IQM(B)
    improvement: Estimate  # P(A > B)
    tasks: tuple[TaskRow, ...]
    verdict: Verdict
    reason: str  # why undecided; "" when decided
    confidence: float  # of the whole family of comparisons
    judged: Interval | None  # the difference's interval at the adjusted confidence
    family: int  # how many comparisons were judged together; 0 without an interval
    fewest_seeds: int  # over A's and B's tasks
    most_seeds: int
    p_value: float | None = None  # permutation test within tasks, two-sided
    adjusted_p: float | None = None  # of test and interval together, adjusted for the family
    delta: float | None = None  # the margin of "equivalent", where one was asked for
    seeds_needed: int | None = None  # seeds per task and variant that would likely decide; None: decided, or too many

    @property
    def few_seeds(self) -> bool:
        """Whether the intervals rest on so few seeds that they cover less than they say."""
        return 2 <= self.fewest_seeds <= FEW_SEEDS

    @property
    def more_seeds(self) -> int | None:
        """How many seeds more, per task and variant, would likely decide."""
        return None if self.seeds_needed is None else max(1, self.seeds_needed - self.fewest_seeds)


def compare(
    a: Scores,
    b: Scores,
    *,
    names: tuple[str, str] = ("A", "B"),
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    delta: float | None = None,
    engine: Engine | None = None,
    permutations: int = PERMUTATIONS,
) -> Comparison:
    """One comparison on its own; see `compare_all`."""
    engine = engine or NumpyEngine(resamples, seed, confidence)
    scores = dict(zip(names, (a, b), strict=True))
    return compare_all(
        scores, [names], tasks=tasks, seed=seed, delta=delta, engine=engine, permutations=permutations
    )[0]


def compare_all(
    scores: Mapping[str, Scores],
    pairs: Sequence[tuple[str, str]],
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    delta: float | None = None,
    engine: Engine | None = None,
    permutations: int = PERMUTATIONS,
) -> tuple[Comparison, ...]:
    """All comparisons of one family, in the order of `pairs`, judged together.

    scores: variant -> normalised run scores, over the same tasks for every variant; `tasks` names them. `engine`
    takes the place of `resamples` and `confidence`. Raises ValueError where two variants differ in their number of
    tasks.
    """
    engine = engine or NumpyEngine(resamples, seed, confidence)
    arrays = {name: as_scores(scores[name]) for pair in pairs for name in pair}
    if len({len(array) for array in arrays.values()}) > 1:
        raise ValueError("variants differ in tasks: " + ", ".join(f"{n} {len(a)}" for n, a in arrays.items()))
    sides = {name: engine.side(array, name) for name, array in arrays.items() if resamplable(array)}
    measured = {(a, b): _measure(a, b, arrays[a], arrays[b], tasks, engine.confidence, delta) for a, b in pairs}
    judged = {
        (a, b): _Judged(
            engine.pair(sides[a], sides[b]),
            permutation_test(arrays[a], arrays[b], rng=stream(seed, "names", a, b), permutations=permutations),
        )
        for a, b in pairs
        if a in sides and b in sides
    }
    for (a, b), (claim, interval, adjusted) in _family(judged, engine.confidence, delta).items():
        pair, test = judged[a, b].pair, judged[a, b].test
        found = replace(
            measured[a, b],
            iqm_a=sides[a].iqm(engine.confidence),
            iqm_b=sides[b].iqm(engine.confidence),
            difference=replace(measured[a, b].difference, interval=pair.difference(engine.confidence)),
            improvement=replace(measured[a, b].improvement, interval=pair.improvement(engine.confidence)),
            tasks=_task_verdicts(measured[a, b], arrays[a], arrays[b], seed, min(permutations, TASK_DRAWS)),
            verdict=claim,
            judged=interval,
            family=len(judged),
            p_value=test.p_value,
            adjusted_p=adjusted,
        )
        if claim == "undecided":
            found = replace(
                found, reason=_reason(found, test), seeds_needed=_seeds_needed(found, Design.of(arrays[a], arrays[b]))
            )
        measured[a, b] = found
    return tuple(measured[pair] for pair in pairs)


@dataclass(frozen=True)
class _Judged:
    """What the verdict on a pair reads."""

    pair: Pair
    test: PermutationTest

    @property
    def evidence(self) -> float:
        """The p-value of test and interval together: both must hold."""
        return max(self.test.p_value, self.pair.evidence())

    def claim(self, alpha: float, delta: float | None) -> tuple[Verdict, Interval]:
        """What may be claimed at alpha, and the interval that was read. Within delta a difference does not matter."""
        interval = self.pair.difference(1 - alpha)
        if delta is not None:
            inner = self.pair.difference(1 - 2 * alpha)
            if inner.within(delta):
                return "equivalent", inner
        if self.test.p_value <= alpha and interval.excludes(0.0) and self.pair.evidence() <= alpha:
            return ("A better" if interval.low > 0 else "B better"), interval
        return "undecided", interval


def _family(
    judged: Mapping[tuple[str, str], _Judged], confidence: float, delta: float | None
) -> dict[tuple[str, str], tuple[Verdict, Interval, float]]:
    """For each pair: the claim, the interval that the verdict read, and the adjusted p-value.

    Comparisons after the one that ended the claims are shown at that one's confidence: their evidence is weaker
    still.
    """
    alpha, count = 1 - confidence, len(judged)
    if delta is not None:
        return {p: (*one.claim(alpha / count, delta), min(1.0, count * one.evidence)) for p, one in judged.items()}
    adjusted = dict(zip(judged, holm([one.evidence for one in judged.values()]), strict=True))
    results: dict[tuple[str, str], tuple[Verdict, Interval, float]] = {}
    claiming, level = True, alpha
    for rank, pair in enumerate(sorted(judged, key=lambda pair: judged[pair].evidence)):
        if claiming:
            level = alpha / (count - rank)
        claim, interval = judged[pair].claim(level, None)
        claiming = claiming and claim != "undecided"
        results[pair] = (claim if claiming else "undecided", interval, adjusted[pair])
    return results


def _measure(
    name_a: str,
    name_b: str,
    a: Sequence[Array],
    b: Sequence[Array],
    tasks: Sequence[str] | None,
    confidence: float,
    delta: float | None,
) -> Comparison:
    """The comparison without intervals: all there is to say with one seed."""
    names = list(tasks) if tasks is not None else [f"task {index}" for index in range(len(a))]
    rows = tuple(
        TaskRow(
            task=name,
            seeds_a=x.size,
            seeds_b=y.size,
            mean_a=float(x.mean()),
            mean_b=float(y.mean()),
            improvement=float(wins(x, y).mean()),
            difference=iqm([x]) - iqm([y]),
        )
        for name, x, y in zip(names, a, b, strict=True)
    )
    iqm_a, iqm_b = iqm(a), iqm(b)
    seeds = [task.size for task in (*a, *b)]
    return Comparison(
        a=name_a,
        b=name_b,
        iqm_a=Estimate(iqm_a, None),
        iqm_b=Estimate(iqm_b, None),
        difference=Estimate(iqm_a - iqm_b, None),
        improvement=Estimate(probability_of_improvement(a, b), None),
        tasks=rows,
        verdict="undecided",
        reason=_too_few(name_a, name_b, rows),
        confidence=confidence,
        judged=None,
        family=0,
        fewest_seeds=min(seeds),
        most_seeds=max(seeds),
        delta=delta,
    )


def _task_verdicts(
    found: Comparison, a: Sequence[Array], b: Sequence[Array], seed: int, draws: int
) -> tuple[TaskRow, ...]:
    """The rows with a verdict each, Holm-corrected over the tasks; by the rule of the whole comparison."""
    rows, alpha = found.tasks, 1 - found.confidence
    tests = [
        both_tests([x], [y], stream(seed, "names", found.a, found.b, row.task), draws)
        for row, x, y in zip(rows, a, b, strict=True)
    ]
    return tuple(
        replace(
            row,
            p_value=p,
            adjusted_p=adjusted,
            verdict="undecided" if adjusted > alpha else "A better" if row.difference > 0 else "B better",
        )
        for row, p, adjusted in zip(rows, tests, holm(tests), strict=True)
    )


def _too_few(name_a: str, name_b: str, rows: Sequence[TaskRow]) -> str:
    """Why there is no interval: which side has a single seed, and where."""
    single_a = [row.task for row in rows if row.seeds_a < 2]
    single_b = [row.task for row in rows if row.seeds_b < 2]
    if len(single_a) == len(single_b) == len(rows):
        return "one seed per task gives no interval"
    name, single = (name_a, single_a) if single_a else (name_b, single_b)
    return f"one seed of {name} on {single[0]} gives no interval" if single else ""


def _reason(found: Comparison, test: PermutationTest) -> str:
    """Why a comparison with intervals is undecided."""
    difference, judged = found.difference.interval, found.judged
    assert difference is not None
    assert judged is not None
    alpha = 1 - found.confidence
    if not difference.excludes(0.0):
        return "the interval of the IQM difference contains 0"
    if test.smallest > alpha:
        return f"so few runs allow no p-value below {test.smallest:.2g} in the permutation test"
    if test.p_value > alpha:
        return f"the permutation test gives p = {test.p_value:.2g}, above {alpha:.2g}"
    return (
        f"the {_percent(difference)} interval of the IQM difference excludes 0, "
        f"but not at the {_percent(judged)} that {found.family} comparisons together need"
    )


def _seeds_needed(found: Comparison, design: Design) -> int | None:
    """Seeds that would likely settle it, if what was seen is the truth: a difference or, with delta, equivalence."""
    assert found.judged is not None
    alpha = (1 - found.confidence) / max(found.family, 1)
    wanted = [seeds_to_decide(design, found.difference.point, alpha)]
    if found.delta is not None:
        wanted.append(seeds_to_equate(design, found.difference.point, found.delta, alpha))
    found_any = [seeds for seeds in wanted if seeds is not None]
    return max(min(found_any), found.fewest_seeds + 1) if found_any else None


def _percent(interval: Interval) -> str:
    return f"{100 * interval.confidence:.3g}%"
