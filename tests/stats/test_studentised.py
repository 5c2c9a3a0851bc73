"""The IQM difference over its standard error: as named, and for every other arrangement of the names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats.mstats import winsorize

from dimebench.stats.estimators import iqm
from dimebench.stats.studentised import Spread, arranged, degrees, deviation, scale, studentise, winsorised
from dimebench.stats.testing.arrangements import random_arrangements

side = st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6).map(np.asarray), min_size=1, max_size=3)


@pytest.mark.parametrize("runs", [5, 8, 12, 20])
def test_one_task_has_yuens_standard_error_of_one_run_less(runs: int) -> None:
    scores = np.random.default_rng(runs).normal(size=runs)
    near = winsorised(runs)
    assert near == runs // 4 - 1
    clipped = np.asarray(winsorize(scores, limits=(near / runs, near / runs)))
    kept = runs - 2 * near
    squares = ((clipped - clipped.mean()) ** 2).sum() / (kept * (kept - 1))
    further = scale(runs) * kept * (kept - 1) / (runs * (runs - 1))
    assert Spread.of([scores]).variance == pytest.approx(squares * further)
    assert 1 < further < 1.2, "what the further cut costs a Gaussian"


def test_three_runs_are_not_cut_and_have_the_mean_s_standard_error() -> None:
    scores = np.array([0.2, 0.5, 0.9])
    assert scale(3) == 1.0
    assert Spread.of([scores]).variance == pytest.approx(scores.var(ddof=1) / 3)


def test_the_variance_of_gaussian_iqms_is_told_without_bias() -> None:
    rng = np.random.default_rng(0)
    for runs, tasks in ((5, 1), (10, 1), (20, 1), (5, 7)):
        data = rng.normal(np.linspace(0, 0.3, tasks)[:, None], 1.0, size=(2_000, tasks, runs))
        true = np.var([iqm(list(scores)) for scores in data])
        told = np.mean([Spread.of(list(scores)).variance for scores in data])
        assert told == pytest.approx(true, rel=0.12), (runs, tasks)


@given(data=st.data(), a=side, seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_arrangements_difference_and_deviation_are_those_of_the_renamed_runs(data, a, seed: int) -> None:
    b = [np.asarray(data.draw(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6))) for _ in a]
    sizes = [(x.size, y.size) for x, y in zip(a, b, strict=True)]
    pooled = [np.concatenate(pair) for pair in zip(a, b, strict=True)]
    members = random_arrangements(sizes, 3, np.random.default_rng(seed))
    ends = np.cumsum([m + n for m, n in sizes])[:-1]
    found = arranged(members, np.concatenate(pooled), sizes)
    for column, difference, divisor in zip(members.T, *found, strict=True):
        named = list(zip(np.split(column == 1, ends), pooled, strict=True))
        of_a, of_b = [runs[part] for part, runs in named], [runs[~part] for part, runs in named]
        assert [task.size for task in of_a] == [m for m, _ in sizes]
        assert difference == pytest.approx(iqm(of_a) - iqm(of_b), abs=1e-9)
        assert divisor == pytest.approx(deviation(of_a, of_b), abs=1e-7)


def test_degrees_of_freedom_are_satterthwaites_as_welch_has_them() -> None:
    none, some = Spread(np.array([0.0]), (5,)), Spread(np.array([2.0]), (5,))
    alone = 4 * (1 - 1 / 5)  # of 5 runs, one is cut at each end: 2 x 1 - 1 of 5
    assert degrees(none, some) == pytest.approx(alone), "all of the variance is one side's"
    assert degrees(some, some) == pytest.approx(2 * alone * (1 + 2 / 4) - 2 * alone / 4)
    assert degrees(none, none) == pytest.approx(alone)
    assert degrees(Spread(np.array([0.1]), (3,)), some) == 2, "three runs say next to nothing of how they vary"


def test_degrees_of_freedom_of_many_tasks_are_told_without_bias() -> None:
    """14 equal variances of 2 degrees each have 28; taken as they are, the largest would make it half of that."""
    rng = np.random.default_rng(0)
    told = []
    for _ in range(300):
        a, b = (Spread(rng.chisquare(2, 7) / 2, (3,) * 7) for _ in "ab")
        told.append(degrees(a, b))
    true = 14 * 2 * (1 - 9 / 21)  # the IQM of 21 runs cuts 5 at each end
    assert true * 0.8 < np.median(told) < true * 1.4


def test_no_spread_is_infinitely_many_standard_errors_or_none() -> None:
    found = studentise(np.array([0.5, 0.0, -0.5, 0.5]), np.array([0.0, 0.0, 0.0, 0.25]), 1.0)
    assert found.tolist() == [np.inf, 0.0, np.inf, 2.0]
