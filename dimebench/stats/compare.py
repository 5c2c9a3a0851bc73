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

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dimebench.stats.bootstrap import RESAMPLES, Sample, resamplable, stream
from dimebench.stats.engine import Engine, NumpyEngine, Pair, Side
from dimebench.stats.estimators import Scores, probability_of_improvement
from dimebench.stats.intervals import CONFIDENCE, Estimate, Interval
from dimebench.stats.permutation import PERMUTATIONS, PermutationTest, holm, permutation_test
from dimebench.stats.power import Design, seeds_to_decide, seeds_to_equate
from dimebench.stats.tasks import TASK_DRAWS, TaskRow, Verdict, judge_tasks, task_rows
from dimebench.stats.threads import in_threads

FEW_SEEDS = 4  # up to here intervals over one or two tasks cover clearly less than they say


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
    family: int  # how many comparisons its error rate is shared with, itself included; 0 without an interval
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
    sides: Mapping[str, Side] | None = None,
    chosen_from: int = 0,
) -> tuple[Comparison, ...]:
    """All comparisons of one family, in the order of `pairs`, judged together.

    scores: variant -> normalised run scores, over the same tasks for every variant; `tasks` names them. `engine`
    replaces `resamples` and `confidence`; `sides` are its sides of these scores, if they exist already.
    chosen_from: how many comparisons were possible, where the scores themselves decided which to make; the others
    count as made and undecided. Raises ValueError where two variants differ in their number of tasks.
    """
    engine = engine or NumpyEngine(resamples, seed, confidence)
    samples = {name: Sample.of(scores[name]) for name in dict.fromkeys(itertools.chain(*pairs))}
    if len({len(sample.tasks) for sample in samples.values()}) > 1:
        raise ValueError("variants differ in tasks: " + ", ".join(f"{n} {len(s.tasks)}" for n, s in samples.items()))
    resampled = [name for name, sample in samples.items() if resamplable(sample.tasks)]
    made = sides or {}
    known: dict[str, Any] = {name: made.get(name) or engine.side(samples[name].tasks, name) for name in resampled}
    levels = dict(zip(known, in_threads(lambda name: known[name].iqm(engine.confidence), known), strict=True))
    measured = {(a, b): _measure((a, b), samples[a], samples[b], tasks, engine.confidence, delta) for a, b in pairs}
    testable = [(a, b) for a, b in measured if a in known and b in known]

    def judge(pair: tuple[str, str]) -> _Judged:
        a, b = pair
        test = permutation_test(
            samples[a].tasks, samples[b].tasks, rng=stream(seed, "names", a, b), permutations=permutations
        )
        return _Judged(engine.pair(known[a], known[b]), test)

    judged = dict(zip(testable, in_threads(judge, testable), strict=True))
    count = max(len(judged), chosen_from)
    claims = _family(judged, engine.confidence, delta, count)

    def completed(pair: tuple[str, str]) -> Comparison:
        (a, b), (claim, interval, adjusted) = pair, claims[pair]
        found, draws = measured[pair], min(permutations, TASK_DRAWS)
        found = replace(
            found,
            iqm_a=levels[a],
            iqm_b=levels[b],
            difference=replace(found.difference, interval=judged[pair].pair.difference(engine.confidence)),
            improvement=replace(found.improvement, interval=judged[pair].pair.improvement(engine.confidence)),
            tasks=judge_tasks(found.tasks, samples[a], samples[b], pair, 1 - engine.confidence, seed, draws),
            verdict=claim,
            judged=interval,
            family=count,
            p_value=judged[pair].test.p_value,
            adjusted_p=adjusted,
        )
        if claim != "undecided":
            return found
        seeds_needed = _seeds_needed(found, Design.of(samples[a], samples[b]))
        return replace(found, reason=_reason(found, judged[pair].test), seeds_needed=seeds_needed)

    measured |= zip(testable, in_threads(completed, testable), strict=True)
    return tuple(measured[pair] for pair in pairs)


@dataclass(frozen=True)
class _Judged:
    """What the verdict on a pair reads."""

    pair: Pair
    test: PermutationTest

    @cached_property
    def evidence(self) -> float:
        """The p-value of test and interval together: both must hold."""
        return max(self.test.p_value, self.pair.evidence())

    def claim(self, alpha: float, delta: float | None) -> tuple[Verdict, Interval]:
        """What may be claimed at alpha, and the interval that was read. Within delta a difference does not matter."""
        interval = self.pair.difference(1 - alpha)
        if delta is not None:
            inner = self.pair.difference(1 - 2 * alpha)
            if inner.within(delta) and not _still(inner):
                return "equivalent", inner
        if self.test.p_value <= alpha and interval.excludes(0.0) and self.pair.evidence() <= alpha:
            return ("A better" if interval.low > 0 else "B better"), interval
        return "undecided", interval


def _family(
    judged: Mapping[tuple[str, str], _Judged], confidence: float, delta: float | None, count: int
) -> dict[tuple[str, str], tuple[Verdict, Interval, float]]:
    """For each pair of a family of `count`: the claim, the interval that the verdict read, and the adjusted p-value.

    Comparisons after the one that ended the claims are shown at its confidence: their evidence is weaker.
    """
    alpha = 1 - confidence
    if delta is not None:
        return {p: (*one.claim(alpha / count, delta), min(1.0, count * one.evidence)) for p, one in judged.items()}
    unmade = [1.0] * (count - len(judged))
    adjusted = dict(zip(judged, holm([*(one.evidence for one in judged.values()), *unmade]), strict=False))
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
    pair: tuple[str, str], a: Sample, b: Sample, tasks: Sequence[str] | None, confidence: float, delta: float | None
) -> Comparison:
    """The comparison without intervals, which is all that one seed allows."""
    names = list(tasks) if tasks is not None else [f"task {index}" for index in range(len(a.tasks))]
    rows = task_rows(names, a, b)
    seeds = [task.size for task in (*a.tasks, *b.tasks)]
    return Comparison(
        a=pair[0],
        b=pair[1],
        iqm_a=Estimate(a.iqm, None),
        iqm_b=Estimate(b.iqm, None),
        difference=Estimate(a.iqm - b.iqm, None),
        improvement=Estimate(probability_of_improvement(a.tasks, b.tasks), None),
        tasks=rows,
        verdict="undecided",
        reason=_too_few(*pair, rows),
        confidence=confidence,
        judged=None,
        family=0,
        fewest_seeds=min(seeds),
        most_seeds=max(seeds),
        delta=delta,
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
    if _still(difference) and (not difference.excludes(0.0) or (found.delta and judged.within(found.delta))):
        return "all resamples have the same IQM difference, which says nothing about its uncertainty"
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
    """Seeds that would likely decide if the observed difference is the true one; with delta, also equivalence."""
    assert found.judged is not None
    if _still(found.judged):
        return None
    alpha = (1 - found.confidence) / max(found.family, 1)
    wanted = [seeds_to_decide(design, found.difference.point, alpha)]
    if found.delta is not None:
        wanted.append(seeds_to_equate(design, found.difference.point, found.delta, alpha))
    found_any = [seeds for seeds in wanted if seeds is not None]
    return max(min(found_any), found.fewest_seeds + 1) if found_any else None


def _still(interval: Interval) -> bool:
    """Whether the interval has no width: the runs never differ, which is no sign of precision."""
    return interval.low == interval.high


def _percent(interval: Interval) -> str:
    return f"{100 * interval.confidence:.3g}%"
