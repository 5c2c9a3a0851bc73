"""The test of the IQM difference, and the interval that says the same."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import special, stats

from dimebench.stats import Arrangements, difference_test
from dimebench.stats.estimators import iqm
from dimebench.stats.studentised import Spread
from dimebench.stats.testing.arrangements import (
    every_arrangement,
    fewest_testable,
    how_many,
    random_arrangements,
    smallest_p_value,
)

ALL = Arrangements(0, 20_000)
FEW = Arrangements(0, 300)


def statistic(a, b) -> float:
    return (iqm([a]) - iqm([b])) / math.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)


def test_exact_share_of_arrangements_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 0.1, 5), rng.normal(0.5, 0.1, 6)
    found = difference_test([a], [b], ALL)
    expected = stats.permutation_test((a, b), statistic, n_resamples=np.inf)
    beyond = np.mean(np.abs(expected.null_distribution) >= abs(expected.statistic) - 1e-9)
    error = math.sqrt(Spread.of([a]).variance + Spread.of([b]).variance)
    student = 2 * special.stdtr(found.freedom, -abs(iqm([a]) - iqm([b])) / error)
    assert found.exact
    assert found.statistic == pytest.approx(abs(expected.statistic))
    assert found.p_value == pytest.approx(max(beyond, student))


def test_random_arrangements_agree_with_all_of_them() -> None:
    rng = np.random.default_rng(1)
    a, b = list(rng.normal(0.55, 0.1, (3, 3))), list(rng.normal(0.5, 0.1, (3, 3)))
    exact, drawn = difference_test(a, b, Arrangements(0, 8_000)), difference_test(a, b, Arrangements(0, 7_000))
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.02)


levels = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]) | st.floats(0, 1, width=32) | st.floats(-1e5, 1e5, width=32)


@st.composite
def samples(draw) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Ragged, tied, wholly apart, tiny and huge: over 1 to 3 tasks, 2 to 7 runs of each side."""
    shift = draw(st.sampled_from([0.0, 0.0, 0.3, 5.0, 1e4]))
    size = draw(st.sampled_from([1.0, 1.0, 1e-9, 1e9]))
    task = st.lists(levels, min_size=2, max_size=7).map(lambda runs: size * np.asarray(runs))
    count = draw(st.integers(1, 3))
    return [draw(task) + shift * size for _ in range(count)], [draw(task) for _ in range(count)]


@given(sides=samples(), alpha=st.sampled_from([0.001, 0.01, 0.05 / 3, 0.05, 1 - 0.95, 0.1, 0.2, 0.5]))
@settings(max_examples=300, deadline=None)
def test_the_interval_excludes_zero_exactly_where_the_test_rejects(sides, alpha: float) -> None:
    found = difference_test(*sides, FEW)
    interval = found.interval(alpha)
    assert found.rejects(alpha) == (found.p_value <= alpha)
    assert found.rejects(alpha) == (interval is not None and interval.excludes(0.0))
    if interval is not None:
        assert interval.low <= found.point <= interval.high or found.point == pytest.approx(interval.low, rel=1e-9)
        assert (interval.low > 0) == (found.rejects(alpha) and found.point > 0)


@given(sides=samples())
@settings(max_examples=60, deadline=None)
def test_intervals_lie_within_those_of_higher_confidence(sides) -> None:
    found = difference_test(*sides, FEW)
    wider = [found.interval(alpha) for alpha in (0.5, 0.1, 0.05, 0.01)]
    for inner, outer in itertools.pairwise(wider):
        if outer is not None:
            assert inner is not None
            assert outer.low <= inner.low <= inner.high <= outer.high


@given(sides=samples(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_neither_the_order_of_runs_nor_which_is_a_matters(sides, seed: int) -> None:
    a, b = sides
    found = difference_test(a, b, FEW)
    rng = np.random.default_rng(seed)
    mixed = difference_test([rng.permutation(task) for task in a], [rng.permutation(task) for task in b], FEW)
    turned = difference_test(b, a, FEW)
    assert mixed.p_value == pytest.approx(found.p_value)
    assert turned.p_value == pytest.approx(found.p_value)
    assert turned.point == -found.point


@given(sides=samples(), shift=st.sampled_from([-0.25, 0.5, 4.0]))
@settings(max_examples=60, deadline=None)
def test_scores_that_are_all_moved_or_stretched_are_judged_the_same(sides, shift: float) -> None:
    a, b = sides
    reach = np.ptp(np.concatenate([*a, *b]))
    assume(reach > 1e-3)
    found = difference_test(a, b, FEW)
    moved = difference_test(*([4 * task + shift for task in side] for side in sides), FEW)
    assume(found.deviation > 1e-5 * reach and found.error > 1e-5 * reach)
    assert moved.p_value == pytest.approx(found.p_value, abs=1e-6)


def test_all_arrangements_are_there_once() -> None:
    every = every_arrangement([(2, 2), (1, 2)])
    assert every.shape == (7, 6 * 3) == (7, how_many([(2, 2), (1, 2)]))
    assert len({tuple(column) for column in every.T.tolist()}) == 18


@pytest.mark.parametrize(
    ("seeds", "tasks", "least"), [(3, 1, 0.1), (4, 1, 2 / 70), (5, 1, 2 / 252), (8, 1, 2 / 12870), (3, 2, 2 / 400)]
)
def test_the_smallest_p_value_is_that_of_runs_that_do_not_overlap(seeds: int, tasks: int, least: float) -> None:
    a, b = [np.linspace(0.899, 0.9, seeds)] * tasks, [np.linspace(0.1, 0.101, seeds)] * tasks
    found = difference_test(a, b, ALL)
    assert found.smallest == pytest.approx(least)
    assert found.p_value == pytest.approx(least)


def test_four_seeds_that_are_wholly_apart_decide_and_three_cannot() -> None:
    """DIME 0.905 against random 0.028."""
    four = difference_test([[0.905, 0.911, 0.893, 0.908]], [[0.028, 0.021, 0.033, 0.027]], ALL)
    assert four.rejects(0.05)
    assert four.p_value == pytest.approx(2 / 70)
    assert not difference_test([[0.905, 0.911, 0.893]], [[0.028, 0.021, 0.033]], ALL).rejects(0.05)
    assert [fewest_testable(tasks, 0.05) for tasks in (1, 2, 7)] == [4, 3, 2]


def test_unequal_numbers_have_no_twins() -> None:
    assert smallest_p_value([(3, 5)]) == pytest.approx(1 / 56)
    assert smallest_p_value([(3, 3), (2, 4)]) == pytest.approx(1 / 300)


def test_p_values_of_equal_variants_are_small_no_more_often_than_they_say() -> None:
    rng = np.random.default_rng(2)
    shuffles = Arrangements(0, 200)
    p_values = [difference_test(*(list(rng.random((2, 4)) ** 4) for _ in "ab"), shuffles).p_value for _ in range(300)]
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 300)


def test_arrangements_do_not_depend_on_what_was_asked_before_and_few_are_kept() -> None:
    many, rng = Arrangements(0, 50), np.random.default_rng(0)
    sides = [([rng.random(5), rng.random(n)], [rng.random(5), rng.random(4)]) for n in range(3, 20)]
    first = [difference_test(a, b, many).p_value for a, b in sides]
    assert len(many._made) <= 8
    assert [difference_test(a, b, many).p_value for a, b in sides[::-1]] == first[::-1]


def test_equal_scores_say_nothing() -> None:
    found = difference_test([[0.5] * 4], [[0.5] * 4], ALL)
    assert found.p_value == 1.0
    assert found.interval(0.05) is not None
    assert not found.interval(0.05).excludes(0.0)


def test_runs_that_never_differ_within_a_side_are_told_apart_by_counting() -> None:
    found = difference_test([[0.9] * 5], [[0.1] * 5], ALL)
    assert found.statistic == math.inf
    assert found.p_value == pytest.approx(2 / 252)
    assert found.interval(0.05).low == found.interval(0.05).high == pytest.approx(0.8)
    assert found.interval(0.001) is None, "nothing is bounded at a confidence that so few runs cannot reach"


@pytest.mark.parametrize("sizes", [[(3, 3)] * 4, [(2, 5), (4, 1)], [(0, 3), (2, 2)]])
def test_random_arrangements_are_the_least_of_the_keys(sizes: list[tuple[int, int]]) -> None:
    found = random_arrangements(sizes, 500, np.random.default_rng(7)).T
    rng, first = np.random.default_rng(7), 0
    for m, n in sizes:
        keys = rng.random((500, m + n), dtype=np.float32)
        expected = np.zeros_like(keys, dtype=bool)
        np.put_along_axis(expected, np.argsort(keys, axis=1)[:, :m], True, axis=1)
        assert (found[:, first : first + m + n] == expected).all()
        first += m + n


def test_equal_keys_still_name_as_many_as_there_are() -> None:
    class Tied:
        def random(self, shape: tuple[int, int], dtype: type) -> np.ndarray:
            return np.tile(np.array([0.5, 0.5, 0.5, 0.1], dtype), (shape[0], 1))

    assert (random_arrangements([(2, 2)], 5, Tied()).sum(axis=0) == 2).all()  # type: ignore[arg-type]
