"""Is A better than B? The verdict is a claim about the IQM difference, with an error rate.

One test makes the verdict, the p-value and the intervals of IQM(A) - IQM(B): "A better" and "B better" are the same
statements as that the judged interval excludes 0 (`testing.permutation`). "equivalent" needs a margin `delta`: the
interval at 1 - 2 alpha lies within (-delta, delta), two one-sided tests (Schuirmann 1987, J. Pharmacokinetics and
Biopharmaceutics 15, 657-680). Everything else is "undecided", which is no claim that A and B are alike.

Several comparisons made together are judged together (`testing.multiplicity`): the chance of any wrong claim stays at
1 - confidence. With a `delta` each comparison can claim two things, and stepping down is not safe: then every one is
judged at alpha over their number (Bonferroni).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dimebench.numbers import percent
from dimebench.stats.bootstrap import RESAMPLES, Sample, resamplable
from dimebench.stats.engine import Engine, NumpyEngine, Side
from dimebench.stats.estimators import Scores, probability_of_improvement
from dimebench.stats.intervals import CONFIDENCE, Estimate, Interval
from dimebench.stats.power import Design, seeds_to_decide, seeds_to_equate
from dimebench.stats.tasks import TASK_PERMUTATIONS, TaskRow, Verdict, judge_tasks, task_rows
from dimebench.stats.testing.multiplicity import Judgement, Pair, bonferroni, step_down
from dimebench.stats.testing.permutation import PERMUTATIONS, Arrangements, DifferenceTest, difference_test
from dimebench.stats.threads import in_threads

FEW_SEEDS = 4  # up to here the intervals of IQMs over one or two tasks cover clearly less than they say


@dataclass(frozen=True)
class Comparison:
    """A against B. Intervals without `judged` are at `confidence`; `judged` is the one the verdict read.

    An interval of the difference is None where so few runs bound nothing at its confidence.
    """

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
    judged: Interval | None  # the difference's interval at `judged_at`
    judged_at: float | None  # the confidence that the verdict must hold at; None where nothing could be judged
    family: int  # how many comparisons its error rate is shared with, itself included; 0 where nothing was judged
    fewest_seeds: int  # over A's and B's tasks
    most_seeds: int
    p_value: float | None = None  # of the test of the IQM difference, two-sided, for this comparison alone
    adjusted_p: float | None = None  # the same, adjusted for the family
    delta: float | None = None  # the margin of "equivalent", where one was asked for
    seeds_needed: int | None = None  # seeds per task and variant that would likely decide; None: decided, or too many

    @property
    def winner(self) -> Pair | None:
        """(better, worse), or None while undecided or equivalent."""
        if self.verdict in ("undecided", "equivalent"):
            return None
        return (self.a, self.b) if self.verdict == "A better" else (self.b, self.a)

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
    names: Pair = ("A", "B"),
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
    pairs: Sequence[Pair],
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    delta: float | None = None,
    engine: Engine | None = None,
    permutations: int = PERMUTATIONS,
    sides: Mapping[str, Side] | None = None,
    chosen_from: Sequence[Pair] = (),
) -> tuple[Comparison, ...]:
    """All comparisons of one family, in the order of `pairs`, judged together.

    scores: variant -> normalised run scores, over the same tasks for every variant; `tasks` names them. `engine`
    replaces `resamples` and `confidence`; `sides` are its sides of these scores, if they exist already.
    chosen_from: the pairs that could have been made, where the scores themselves decided which to make; the others
    count as made and undecided. Raises ValueError where two variants differ in their number of tasks.
    """
    engine = engine or NumpyEngine(resamples, seed, confidence)
    named = itertools.chain(*pairs, *chosen_from)
    samples = {name: Sample.of(scores[name]) for name in dict.fromkeys(named)}
    if len({len(sample.tasks) for sample in samples.values()}) > 1:
        raise ValueError("variants differ in tasks: " + ", ".join(f"{n} {len(s.tasks)}" for n, s in samples.items()))
    resampled = [name for name, sample in samples.items() if resamplable(sample.tasks)]
    made = sides or {}
    known: dict[str, Any] = {name: made.get(name) or engine.side(samples[name].tasks, name) for name in resampled}
    levels = dict(zip(known, in_threads(lambda name: known[name].iqm(engine.confidence), known), strict=True))
    measured = {(a, b): _measure((a, b), samples[a], samples[b], tasks, engine.confidence, delta) for a, b in pairs}
    testable = [(a, b) for a, b in measured if a in known and b in known]
    arrangements = Arrangements(seed, permutations)
    on_a_task = Arrangements(seed, min(permutations, TASK_PERMUTATIONS))

    def test(pair: Pair) -> tuple[DifferenceTest, tuple[TaskRow, ...]]:
        a, b = (samples[name] for name in pair)
        whole, each = difference_test(a, b, arrangements), zip(a.each, b.each, strict=True)
        tests = [whole] if len(a.tasks) == 1 else [difference_test(x, y, on_a_task) for x, y in each]
        return whole, judge_tasks(measured[pair].tasks, tests, 1 - engine.confidence)

    tested = dict(zip(testable, in_threads(test, testable), strict=True))
    p_values = {pair: found.p_value for pair, (found, _) in tested.items()}
    unmade = [(a, b) for a, b in chosen_from if a in known and b in known and not {(a, b), (b, a)} & set(tested)]
    variances = {name: samples[name].spread.variance for name in known}
    judgements = _judge(p_values, variances, 1 - engine.confidence, delta, unmade)

    def completed(pair: Pair) -> Comparison:
        (a, b), (found, rows) = pair, tested[pair]
        judgement = judgements[pair]
        verdict, judged = _claim(found, judgement, delta)
        comparison = replace(
            measured[pair],
            iqm_a=levels[a],
            iqm_b=levels[b],
            difference=Estimate(found.point, found.interval(1 - engine.confidence)),
            improvement=replace(
                measured[pair].improvement, interval=engine.pair(known[a], known[b]).improvement(engine.confidence)
            ),
            tasks=rows,
            verdict=verdict,
            judged=judged,
            judged_at=1 - (2 if verdict == "equivalent" else 1) * judgement.alpha,
            family=len(tested) + len(unmade),
            p_value=found.p_value,
            adjusted_p=judgement.adjusted,
        )
        if verdict != "undecided":
            return comparison
        needed = _seeds_needed(comparison, found, Design.of(samples[a], samples[b]), judgement.alpha)
        return replace(comparison, reason=_reason(comparison, found), seeds_needed=needed)

    measured |= zip(testable, in_threads(completed, testable), strict=True)
    return tuple(measured[pair] for pair in pairs)


def _judge(
    p_values: Mapping[Pair, float],
    variances: Mapping[str, float],
    alpha: float,
    delta: float | None,
    unmade: Sequence[Pair],
) -> dict[Pair, Judgement]:
    if delta is None:
        return step_down(p_values, variances, alpha, unmade)
    judged = bonferroni([*p_values.values(), *[1.0] * len(unmade)], alpha)
    return dict(zip(p_values, judged, strict=False))


def _claim(test: DifferenceTest, judgement: Judgement, delta: float | None) -> tuple[Verdict, Interval | None]:
    """What may be claimed, and the interval that was read. Within delta a difference does not matter."""
    if delta is not None:
        inner = test.interval(2 * judgement.alpha)
        if inner is not None and inner.within(delta) and not _still(inner):
            return "equivalent", inner
    better: Verdict = "A better" if test.point > 0 else "B better"
    return (better if judgement.claimed else "undecided"), test.interval(judgement.alpha)


def _measure(
    pair: Pair, a: Sample, b: Sample, tasks: Sequence[str] | None, confidence: float, delta: float | None
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
        judged_at=None,
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


def _reason(found: Comparison, test: DifferenceTest) -> str:
    """Why a comparison that was judged is undecided."""
    assert found.judged_at is not None
    alpha, interval = 1 - found.confidence, found.difference.interval
    if test.smallest > alpha:
        return f"so few runs allow no p-value below {test.smallest:.2g}"
    if interval is None:
        return "so many equal scores leave no spread to judge the difference by"
    if _still(interval):
        return "the runs of each never differ, which says nothing about the difference's uncertainty"
    if not interval.excludes(0.0):
        return f"the {percent(found.confidence)} interval of the IQM difference contains 0"
    return (
        f"the {percent(found.confidence)} interval of the IQM difference excludes 0, "
        f"but not at the {percent(found.judged_at)} that {found.family} comparisons together need"
    )


def _seeds_needed(found: Comparison, test: DifferenceTest, design: Design, alpha: float) -> int | None:
    """Seeds that would likely decide if the observed difference is the true one; with delta, also equivalence."""
    if test.error == 0:
        return None
    wanted = [seeds_to_decide(design, found.difference.point, alpha)]
    if found.delta is not None:
        wanted.append(seeds_to_equate(design, found.difference.point, found.delta, alpha))
    found_any = [seeds for seeds in wanted if seeds is not None]
    return max(min(found_any), found.fewest_seeds + 1) if found_any else None


def _still(interval: Interval) -> bool:
    """Whether the interval has no width: the runs never differ, which is no sign of precision."""
    return interval.low == interval.high
