"""Intervals: what each method is, and that the default covers better than percentiles over few runs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dimebench.stats import estimate
from dimebench.stats.bootstrap import bootstrap, influence, stream
from dimebench.stats.estimators import mean
from dimebench.stats.intervals import Interval, bounds, improvement_interval, interval

ragged = st.lists(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=6).map(np.asarray), min_size=1, max_size=4)


def sample(runs: int = 8, tasks: int = 1, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).beta(2, 1, size=(tasks, runs)))


def test_expanded_percentiles_stand_where_hesterberg_puts_them() -> None:
    """One task, the mean: percentiles at Phi(-+ sqrt(n/(n-1)) t(n-1))."""
    scores = sample(8)
    draws = bootstrap(scores, ["mean"], 20_000, stream(0, "x"))["mean"]
    found = interval(draws, mean(scores), influence(scores, "mean"))
    tail = stats.norm.cdf(-np.sqrt(8 / 7) * stats.t.ppf(0.975, 7))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [tail, 1 - tail])))


def test_student_interval_of_one_tasks_mean_is_the_t_interval() -> None:
    scores = sample(8)
    low, high = bounds(np.empty(0), np.asarray(mean(scores)), influence(scores, "mean"), method="student")
    expected = stats.t.interval(0.95, 7, loc=scores[0].mean(), scale=stats.sem(scores[0]))
    assert (float(low), float(high)) == pytest.approx(expected)


def test_bca_agrees_with_scipys() -> None:
    scores = sample(12)
    draws = bootstrap(scores, ["mean"], 50_000, stream(0, "x"))["mean"]
    found = interval(draws, mean(scores), influence(scores, "mean"), method="bca")
    expected = stats.bootstrap((scores[0],), np.mean, method="BCa", n_resamples=50_000, rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.004)


def test_degrees_of_freedom_add_up_over_tasks_of_one_spread() -> None:
    scores = [sample(5)[0] + k for k in range(7)]
    found = influence(scores, "mean")
    assert float(found.degrees) == pytest.approx(7 * 4)
    assert float(found.variance) == pytest.approx(scores[0].var(ddof=1) / 5 / 7)
    assert float(found.shortfall) == pytest.approx(np.sqrt(5 / 4))


@given(scores=ragged, name=st.sampled_from(["iqm", "mean", "optimality_gap"]))
@settings(max_examples=60, deadline=None)
def test_pulls_of_a_tasks_runs_add_up_to_nothing(scores, name: str) -> None:
    found = influence(scores, name)
    per_task = np.split(found.pulls, np.cumsum(found.sizes)[:-1])
    assert [float(task.sum()) for task in per_task] == pytest.approx([0.0] * len(scores), abs=1e-9)


@given(scores=ragged, seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_expanded_holds_percentile_and_stays_within_the_scores(scores, seed: int) -> None:
    found = {
        method: estimate(scores, ["iqm"], rng=np.random.default_rng(seed), resamples=300, method=method)[
            "iqm"
        ].interval
        for method in ("expanded", "percentile")
    }
    wide, narrow = found["expanded"], found["percentile"]
    assert wide is not None
    assert narrow is not None
    assert np.concatenate(scores).min() - 1e-9 <= wide.low <= narrow.low + 1e-9
    assert narrow.high - 1e-9 <= wide.high <= np.concatenate(scores).max() + 1e-9


def test_an_unknown_method_is_named_with_those_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"unknown interval method 'magic' \(known: expanded, percentile, bca, student"
    ):
        interval(np.ones(5), 1.0, influence(sample(), "iqm"), method="magic")  # type: ignore[arg-type]


def test_expanded_intervals_cover_where_percentiles_fall_short() -> None:
    """Five seeds of seven bimodal tasks, 250 data sets: the table of docs/statistics.md in small."""
    rng = np.random.default_rng(0)
    shares = np.linspace(0.3, 0.9, 7)
    covered = {"expanded": 0, "percentile": 0}
    truth = mean([np.where(np.arange(1000) < 1000 * p, 0.85, 0.15) for p in shares])
    for _ in range(250):
        scores = [np.where(rng.random(5) < p, 0.85, 0.15) for p in shares]
        draws = bootstrap(scores, ["mean"], 400, rng)["mean"]
        for method in covered:
            found = interval(draws, mean(scores), influence(scores, "mean"), method=method)
            covered[method] += found.low <= truth <= found.high
    assert covered["percentile"] < 0.93 * 250
    assert 0.91 * 250 <= covered["expanded"] <= 0.99 * 250


@given(a=ragged, data=st.data())
@settings(max_examples=60, deadline=None)
def test_improvement_interval_holds_its_point_and_mirrors(a, data) -> None:
    b = [np.asarray(data.draw(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=5))) for _ in a]
    found, other = improvement_interval(a, b), improvement_interval(b, a)
    point = np.mean([(x[:, None] > y).mean() + 0.5 * (x[:, None] == y).mean() for x, y in zip(a, b, strict=True)])
    assert found.low + 1e-9 >= 0
    assert found.low - 1e-9 <= point <= found.high + 1e-9
    assert found.high <= 1 + 1e-9
    assert (found.low, found.high) == pytest.approx((1 - other.high, 1 - other.low), abs=1e-9)
    assert found.high - found.low > 0.01


def test_improvement_of_all_runs_over_all_is_not_taken_for_certain() -> None:
    few = improvement_interval([[0.8, 0.9, 0.7]], [[0.1, 0.2, 0.3]])
    many = improvement_interval([np.linspace(0.8, 0.9, 20)], [np.linspace(0.1, 0.2, 20)])
    assert few.high == many.high == 1.0
    assert few.low < 0.5 < 0.85 < many.low


def test_within_a_margin_leaves_out_its_ends() -> None:
    assert Interval(-0.01, 0.04, 0.9).within(0.05)
    assert not Interval(-0.01, 0.05, 0.9).within(0.05)
    assert not Interval(-0.06, 0.01, 0.9).within(0.05)
