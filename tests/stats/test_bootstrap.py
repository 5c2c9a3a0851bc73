"""The counts bootstrap is the stratified bootstrap, checked by brute force and against rliable."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rliable import library, metrics

from dimebench.stats import AGGREGATES, estimate, percentile_interval
from dimebench.stats.bootstrap import bootstrap, bootstrap_improvement, draw_counts, stream

ragged = st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6).map(np.asarray), min_size=1, max_size=4)


def skewed_scores(runs: int = 10, tasks: int = 7) -> np.ndarray:
    return np.random.default_rng(7).beta(0.7, 1.5, size=(runs, tasks))


@given(scores=ragged, seed=st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_every_draw_is_the_estimator_of_a_resampled_data_set(scores, seed: int) -> None:
    sizes = [task.size for task in scores]
    draws = bootstrap(scores, tuple(AGGREGATES), 5, np.random.default_rng(seed))
    counts = np.concatenate(list(draw_counts(sizes, 5, np.random.default_rng(seed))))
    for row, count in enumerate(counts):
        per_task = np.split(count.astype(int), np.cumsum(sizes)[:-1])
        resample = [np.repeat(task, times) for task, times in zip(scores, per_task, strict=True)]
        for name, estimator in AGGREGATES.items():
            assert draws[name][row] == pytest.approx(estimator(resample), abs=1e-9)


def test_every_task_keeps_its_number_of_runs_in_every_resample() -> None:
    sizes = [3, 1, 10]
    counts = np.concatenate(list(draw_counts(sizes, 500, np.random.default_rng(0), chunk=100)))
    assert counts.shape == (500, 14)
    for task, size in zip(np.split(counts, [3, 4], axis=1), sizes, strict=True):
        assert (task.sum(axis=1) == size).all()
    assert counts[:, 4:].mean() == pytest.approx(1.0)
    assert counts[:, :3].mean(axis=0) == pytest.approx([1, 1, 1], abs=0.12)


def test_memory_chunks_do_not_change_the_draws() -> None:
    small = np.concatenate(list(draw_counts([4, 6], 1000, np.random.default_rng(1), chunk=70)))
    large = np.concatenate(list(draw_counts([4, 6], 1000, np.random.default_rng(1), chunk=10**9)))
    np.testing.assert_array_equal(small, large)


@pytest.mark.parametrize("name", ["iqm", "median", "mean", "optimality_gap"])
def test_intervals_agree_with_rliable_within_monte_carlo_error(name: str) -> None:
    scores = skewed_scores()
    aggregate = getattr(metrics, f"aggregate_{name}")
    points, intervals = library.get_interval_estimates({"a": scores}, lambda x: np.array([aggregate(x)]), reps=2000)
    found = estimate(list(scores.T), [name], rng=stream(0, "runs", "a"), resamples=50_000, method="percentile")
    ours = found[name]
    low, high = intervals["a"].ravel()
    tolerance = 0.06 * (high - low)  # 2,000 resamples put a standard error of about 1.5% of it on each end
    assert ours.point == points["a"][0]
    assert ours.interval is not None
    assert ours.interval.low == pytest.approx(low, abs=tolerance)
    assert ours.interval.high == pytest.approx(high, abs=tolerance)


def test_interval_of_improvement_agrees_with_rliable_within_monte_carlo_error() -> None:
    a, b = skewed_scores(5, 3), skewed_scores(7, 3) * 0.8
    _, intervals = library.get_interval_estimates(
        {"a,b": (a, b)}, lambda x, y: np.array([metrics.probability_of_improvement(x, y)]), reps=1000
    )
    draws = bootstrap_improvement(list(a.T), list(b.T), 50_000, stream(0, "a"), stream(0, "b"))
    ours = percentile_interval(draws)
    low, high = intervals["a,b"].ravel()
    assert ours.low == pytest.approx(low, abs=0.08 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.08 * (high - low))


def test_same_seed_same_interval_and_another_seed_another() -> None:
    scores = list(skewed_scores().T)

    def interval(seed: int):
        return estimate(scores, ["iqm"], rng=stream(seed, "runs", "sac"), resamples=2000)["iqm"].interval

    assert interval(0) == interval(0)
    assert interval(0) != interval(1)


def test_interval_contains_the_point_and_is_centred_for_symmetric_scores() -> None:
    half = np.random.default_rng(3).normal(size=10)
    scores = [0.5 + np.concatenate([half, -half]) for _ in range(3)]
    for name in ("iqm", "mean"):
        found = estimate(scores, [name], rng=stream(0, "x"), resamples=20_000)[name]
        assert found.interval is not None
        assert found.interval.low < found.point < found.interval.high
        centre = (found.interval.low + found.interval.high) / 2
        assert centre == pytest.approx(found.point, abs=0.05 * (found.interval.high - found.interval.low))


@given(scores=ragged)
@settings(max_examples=30, deadline=None)
def test_there_is_an_interval_exactly_where_every_task_has_two_runs(scores) -> None:
    found = estimate(scores, ["iqm"], rng=stream(0, "x"), resamples=50)["iqm"]
    assert (found.interval is not None) == all(task.size >= 2 for task in scores)


def test_fifty_thousand_resamples_of_ten_seeds_on_seven_tasks_take_under_a_second() -> None:
    scores = list(skewed_scores().T)
    seconds = []
    for _ in range(3):  # the best of three: the machine may have other work
        started = time.process_time()
        bootstrap(scores, ["iqm"], 50_000, stream(0, "x"))
        seconds.append(time.process_time() - started)
    assert min(seconds) < 1.0
