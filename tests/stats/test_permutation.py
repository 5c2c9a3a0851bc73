"""The permutation test within tasks, and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dimebench.stats import holm, permutation_test
from dimebench.stats.bootstrap import iqm_of_counts
from dimebench.stats.estimators import iqm
from dimebench.stats.permutation import every_arrangement, iqm_differences, random_arrangements

scores = st.lists(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=4).map(np.asarray), min_size=1, max_size=3)


def test_exact_p_value_is_scipys() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.6, 0.1, 5), rng.normal(0.5, 0.1, 6)
    found = permutation_test([a], [b], rng=rng)
    expected = stats.permutation_test((a, b), lambda x, y: iqm([x]) - iqm([y]), n_resamples=np.inf)
    two_sided = np.mean(np.abs(expected.null_distribution) >= abs(expected.statistic) - 1e-9)
    assert found.exact
    assert found.p_value == pytest.approx(two_sided)


def test_random_arrangements_agree_with_all_of_them() -> None:
    rng = np.random.default_rng(1)
    a, b = list(rng.normal(0.55, 0.1, (3, 3))), list(rng.normal(0.5, 0.1, (3, 3)))
    exact = permutation_test(a, b, rng=rng, permutations=8_000)
    drawn = permutation_test(a, b, rng=rng, permutations=7_000)
    assert (exact.exact, drawn.exact) == (True, False)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.02)


@given(data=st.data(), a=scores, seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_every_arrangements_difference_is_that_of_the_renamed_runs(data, a, seed: int) -> None:
    b = [np.asarray(data.draw(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=4))) for _ in a]
    sizes = [(x.size, y.size) for x, y in zip(a, b, strict=True)]
    pooled = [np.concatenate(pair) for pair in zip(a, b, strict=True)]
    members = random_arrangements(sizes, 3, np.random.default_rng(seed))
    ends = np.cumsum([m + n for m, n in sizes])[:-1]
    for row, found in zip(members, iqm_differences(members, pooled, sizes), strict=True):
        named = list(zip(np.split(row, ends), pooled, strict=True))
        assert [int(part.sum()) for part, _ in named] == [m for m, _ in sizes]
        expected = iqm([runs[part] for part, runs in named]) - iqm([runs[~part] for part, runs in named])
        assert found == pytest.approx(expected, abs=1e-9)


def test_all_arrangements_are_there_once() -> None:
    every = every_arrangement([(2, 2), (1, 2)])
    assert every.shape == (6 * 3, 7)
    assert len({tuple(row) for row in every.tolist()}) == 18


@pytest.mark.parametrize(
    ("seeds", "tasks", "least"), [(3, 1, 0.1), (4, 1, 4 / 70), (8, 1, 12 / 12870), (3, 2, 2 / 400)]
)
def test_the_smallest_p_value_is_that_of_runs_that_do_not_overlap(seeds: int, tasks: int, least: float) -> None:
    a, b = [np.linspace(0.8, 0.9, seeds)] * tasks, [np.linspace(0.1, 0.2, seeds)] * tasks
    found = permutation_test(a, b, rng=np.random.default_rng(0), permutations=20_000)
    assert found.smallest == pytest.approx(least)
    if tasks == 1:
        assert found.p_value == pytest.approx(least)


def test_p_values_of_equal_variants_are_small_no_more_often_than_they_say() -> None:
    rng = np.random.default_rng(2)
    p_values = []
    for _ in range(300):
        a, b = (list(rng.random((2, 4)) ** 4) for _ in "ab")
        p_values.append(permutation_test(a, b, rng=rng, permutations=199).p_value)
    for level in (0.05, 0.2, 0.5):
        assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 300)


def test_equal_scores_give_a_p_value_of_one() -> None:
    assert permutation_test([[0.5] * 4], [[0.5] * 4], rng=np.random.default_rng(0)).p_value == 1.0


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []


@pytest.mark.parametrize("sizes", [[(3, 3)] * 4, [(2, 5), (4, 1)], [(0, 3), (2, 2)]])
def test_random_arrangements_are_the_least_of_the_keys(sizes: list[tuple[int, int]]) -> None:
    found = random_arrangements(sizes, 500, np.random.default_rng(7))
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

    assert (random_arrangements([(2, 2)], 5, Tied()).sum(axis=1) == 2).all()  # type: ignore[arg-type]


def test_equal_numbers_take_a_shorter_way_to_the_same_differences() -> None:
    rng = np.random.default_rng(3)
    sizes, pooled = [(5, 5)] * 3, [rng.normal(size=10).round(1) for _ in range(3)]  # with ties
    members = random_arrangements(sizes, 200, rng)
    values, ones = np.concatenate(pooled), np.ones(30)
    a, b = (iqm_of_counts(counts, values, ones, 15) for counts in (members, ~members))
    assert iqm_differences(members, pooled, sizes) == pytest.approx(a - b, abs=1e-12)
