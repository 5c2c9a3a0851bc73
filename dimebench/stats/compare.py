"""Is A better than B? The verdict is a claim about the IQM difference, with an error rate.

"A better" and "B better" are said when the interval of IQM(A) - IQM(B) excludes 0; everything else is
"undecided", which is no claim that A and B are alike. When several comparisons are made together, Holm's
step-down keeps the chance of any wrong claim at 1 - confidence: the comparison with the strongest
evidence must exclude 0 at 1 - alpha/m, the next at 1 - alpha/(m-1), and the first that does not ends the
claims.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dimebench.stats.bootstrap import (
    CONFIDENCE,
    RESAMPLES,
    Estimate,
    Interval,
    bootstrap,
    bootstrap_improvement,
    percentile_interval,
    resamplable,
    stream,
)
from dimebench.stats.estimators import Array, Scores, as_scores, iqm, probability_of_improvement, wins

Verdict = Literal["A better", "B better", "undecided"]
FEW_SEEDS = 4  # up to here percentile intervals cover clearly less than they say


@dataclass(frozen=True)
class TaskRow:
    """One task of a comparison, in normalised scores. Descriptive: no verdict is made per task."""

    task: str
    seeds_a: int
    seeds_b: int
    mean_a: float
    mean_b: float
    improvement: float  # P(A > B) on this task


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
    judged: Interval | None  # the difference's interval at the Holm-adjusted confidence
    family: int  # how many comparisons were judged together; 0 without an interval
    fewest_seeds: int  # over A's and B's tasks
    most_seeds: int

    @property
    def few_seeds(self) -> bool:
        """Whether the intervals rest on so few seeds that they cover less than they say."""
        return 2 <= self.fewest_seeds <= FEW_SEEDS


def compare(
    a: Scores,
    b: Scores,
    *,
    names: tuple[str, str] = ("A", "B"),
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Comparison:
    """One comparison on its own; see `compare_all`."""
    scores = dict(zip(names, (a, b), strict=True))
    return compare_all(scores, [names], tasks=tasks, resamples=resamples, confidence=confidence, seed=seed)[0]


def compare_all(
    scores: Mapping[str, Scores],
    pairs: Sequence[tuple[str, str]],
    *,
    tasks: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> tuple[Comparison, ...]:
    """All comparisons of one family, in the order of `pairs`, judged together with Holm's correction.

    scores: variant -> normalised run scores, over the same tasks for every variant; `tasks` names them.
    Raises ValueError where two variants differ in their number of tasks.
    """
    arrays = {name: as_scores(scores[name]) for pair in pairs for name in pair}
    if len({len(array) for array in arrays.values()}) > 1:
        raise ValueError("variants differ in tasks: " + ", ".join(f"{n} {len(a)}" for n, a in arrays.items()))
    draws = {
        name: bootstrap(array, ["iqm"], resamples, stream(seed, "runs", name))["iqm"]
        for name, array in arrays.items()
        if resamplable(array)
    }
    differences = {(a, b): draws[a] - draws[b] for a, b in pairs if a in draws and b in draws}
    judged = _holm(differences, confidence)
    comparisons = []
    for a, b in pairs:
        measured = _measure(a, b, arrays[a], arrays[b], tasks, confidence)
        if (a, b) in judged:
            chance = bootstrap_improvement(
                arrays[a], arrays[b], resamples, stream(seed, "runs", a), stream(seed, "runs", b)
            )
            intervals = [
                percentile_interval(drawn, confidence) for drawn in (draws[a], draws[b], differences[a, b], chance)
            ]
            measured = _decide(measured, intervals, *judged[a, b], len(judged))
        comparisons.append(measured)
    return tuple(comparisons)


def evidence(draws: Array) -> float:
    """Smallest alpha at which the percentile interval of the draws [R] excludes 0 (two-sided).

    Counts one draw more on 0's side than there were, so that it is never 0. Used to order comparisons.
    """
    beyond = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (draws.size + 1))


def _holm(
    differences: Mapping[tuple[str, str], Array], confidence: float
) -> dict[tuple[str, str], tuple[Interval, bool]]:
    """For each pair's draws: the interval the verdict reads, and whether a claim is made.

    Comparisons after the one that ended the claims are shown at that one's confidence: their evidence
    is weaker still, so they do not exclude 0 there either.
    """
    results: dict[tuple[str, str], tuple[Interval, bool]] = {}
    claiming, level = True, confidence
    for rank, pair in enumerate(sorted(differences, key=lambda pair: evidence(differences[pair]))):
        if claiming:
            level = 1 - (1 - confidence) / (len(differences) - rank)
        interval = percentile_interval(differences[pair], level)
        claiming = claiming and interval.excludes(0.0)
        results[pair] = (interval, claiming)
    return results


def _measure(
    name_a: str,
    name_b: str,
    a: Sequence[Array],
    b: Sequence[Array],
    tasks: Sequence[str] | None,
    confidence: float,
) -> Comparison:
    """The comparison without intervals: all there is to say with one seed."""
    names = list(tasks) if tasks is not None else [f"task {index}" for index in range(len(a))]
    rows = tuple(
        TaskRow(name, x.size, y.size, float(x.mean()), float(y.mean()), float(wins(x, y).mean()))
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
    )


def _too_few(name_a: str, name_b: str, rows: Sequence[TaskRow]) -> str:
    """Why there is no interval: which side has a single seed, and where."""
    single_a = [row.task for row in rows if row.seeds_a < 2]
    single_b = [row.task for row in rows if row.seeds_b < 2]
    if len(single_a) == len(single_b) == len(rows):
        return "one seed per task gives no interval"
    name, single = (name_a, single_a) if single_a else (name_b, single_b)
    return f"one seed of {name} on {single[0]} gives no interval" if single else ""


def _decide(
    measured: Comparison, intervals: Sequence[Interval], judged: Interval, claimed: bool, family: int
) -> Comparison:
    """The comparison with its intervals (IQM of A and B, difference, P(A > B)) and its verdict."""
    iqm_a, iqm_b, difference, improvement = intervals
    verdict: Verdict = "undecided"
    reason = ""
    if claimed:
        verdict = "A better" if judged.low > 0 else "B better"
    elif difference.excludes(0.0):
        reason = (
            f"the {_percent(difference)} interval of the IQM difference excludes 0, "
            f"but not at the {_percent(judged)} that {family} comparisons together need"
        )
    else:
        reason = "the interval of the IQM difference contains 0"
    return replace(
        measured,
        iqm_a=replace(measured.iqm_a, interval=iqm_a),
        iqm_b=replace(measured.iqm_b, interval=iqm_b),
        difference=replace(measured.difference, interval=difference),
        improvement=replace(measured.improvement, interval=improvement),
        verdict=verdict,
        reason=reason,
        judged=judged,
        family=family,
    )


def _percent(interval: Interval) -> str:
    return f"{100 * interval.confidence:.3g}%"
