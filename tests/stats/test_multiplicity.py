"""Several comparisons judged together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.stats import fewest_seeds
from dimebench.stats.testing.multiplicity import bonferroni, holm, step_down


def pairs_of(names: str) -> list[tuple[str, str]]:
    return list(itertools.combinations(names, 2))


def test_holm_multiplies_by_what_is_left_and_never_falls() -> None:
    assert [one.adjusted for one in holm([0.01, 0.04, 0.03], 0.05)] == pytest.approx([0.03, 0.06, 0.06])
    assert [one.adjusted for one in holm([0.5, 0.9], 0.05)] == pytest.approx([1.0, 1.0])
    assert holm([], 0.05) == []


def test_holm_eases_step_by_step_and_stops_at_the_first_that_fails() -> None:
    found = holm([0.001, 0.04, 0.03], 0.05)
    assert [one.alpha for one in found] == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2])
    assert [one.claimed for one in found] == [True, False, False]


p_values = st.sampled_from([1e-5, 0.002, 0.01, 0.02, 0.049, 0.2, 1.0]) | st.floats(1e-6, 1.0)


@given(data=st.data(), count=st.integers(2, 5), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_a_claim_is_made_exactly_where_its_adjusted_p_is_at_most_alpha(data, count: int, seed: int) -> None:
    names = "abcde"[:count]
    given_ = {pair: data.draw(p_values) for pair in pairs_of(names)}
    spread = dict(zip(names, np.random.default_rng(seed).random(count) ** 4, strict=True))
    found = step_down(given_, spread, 0.05)
    for pair, one in found.items():
        assert one.claimed == (one.adjusted <= 0.05)
        assert one.adjusted >= given_[pair]
        assert one.claimed == (given_[pair] <= one.alpha) or not one.claimed
    in_order = sorted(found, key=lambda pair: given_[pair])
    adjusted = [found[pair].adjusted for pair in in_order]
    assert adjusted == sorted(adjusted)
    claimed = [found[pair].claimed for pair in in_order]
    assert claimed == sorted(claimed, reverse=True), "no claim follows one that was not made"
    for pair, one in zip(given_, holm(list(given_.values()), 0.05), strict=True):
        assert found[pair].claimed or not one.claimed, "whatever Holm claims is claimed"


def test_one_comparison_is_judged_at_alpha() -> None:
    assert step_down({("a", "b"): 0.05}, {"a": 1.0, "b": 1.0}, 0.05)["a", "b"].claimed


@pytest.mark.parametrize(("count", "critical"), [(3, 2.3437), (4, 2.5690), (7, 2.9480)])
def test_the_first_level_is_tukeys_where_spreads_are_equal(count: int, critical: float) -> None:
    """The studentised range at infinite degrees of freedom over sqrt(2)."""
    names = "abcdefg"[:count]
    found = step_down(dict.fromkeys(pairs_of(names), 1.0), dict.fromkeys(names, 1.0), 0.05)
    from scipy.stats import norm

    assert {round(one.alpha, 6) for one in found.values()} == {round(max(o.alpha for o in found.values()), 6)}
    assert norm.isf(max(one.alpha for one in found.values()) / 2) == pytest.approx(critical, abs=0.02)


def test_the_first_level_against_one_is_dunnetts() -> None:
    """Two-sided, infinite degrees of freedom, correlations 1/2: 2.5121 for four comparisons with a control."""
    found = step_down({("a", other): 1.0 for other in "bcde"}, dict.fromkeys("abcde", 1.0), 0.05)
    from scipy.stats import norm

    assert norm.isf(found["a", "b"].alpha / 2) == pytest.approx(2.4415, abs=0.02)


def test_of_three_one_claim_leaves_the_others_at_alpha() -> None:
    """Once a and c differ, at most one of the other two can be no difference (Shaffer 1986)."""
    found = step_down({("a", "b"): 0.04, ("a", "c"): 0.001, ("b", "c"): 0.049}, dict.fromkeys("abc", 1.0), 0.05)
    assert [found[pair].claimed for pair in pairs_of("abc")] == [True, True, True]
    assert found["a", "b"].alpha == found["b", "c"].alpha == 0.05
    assert found["a", "c"].alpha < 0.02


def test_pairs_that_could_have_been_made_are_counted() -> None:
    spread = dict.fromkeys("abcd", 1.0)
    made = {("a", other): p for other, p in zip("bcd", (0.0001, 0.005, 0.9), strict=True)}
    of_all = step_down(made, spread, 0.05, pairs_of("bcd"))
    alone = step_down(made, spread, 0.05)
    assert of_all["a", "b"].alpha < alone["a", "b"].alpha
    assert of_all["a", "c"].adjusted > alone["a", "c"].adjusted


def test_variants_that_never_vary_are_judged_too() -> None:
    found = step_down(dict.fromkeys(pairs_of("abc"), 0.001), dict.fromkeys("abc", 0.0), 0.05)
    assert all(one.claimed for one in found.values())


@pytest.mark.parametrize("true", ["aaaa", "aabb", "aaab"])
def test_any_wrong_claim_is_as_rare_as_alpha(true: str) -> None:
    """Z-tests of means that are equal within a letter and far apart between letters."""
    rng, wrong, rounds = np.random.default_rng(1), 0, 400
    deviation = np.array([0.5, 1.0, 1.0, 2.0])
    level = np.array([4.0 * (letter == "b") for letter in true])
    from scipy.special import ndtr

    for _ in range(rounds):
        means = level + deviation * rng.normal(size=4)
        p = {
            (i, j): 2 * ndtr(-abs(means[i] - means[j]) / np.hypot(deviation[i], deviation[j]))
            for i, j in itertools.combinations(range(4), 2)
        }
        named = {(str(i), str(j)): max(value, 1e-12) for (i, j), value in p.items()}
        found = step_down(named, {str(i): deviation[i] ** 2 for i in range(4)}, 0.05)
        wrong += any(found[str(i), str(j)].claimed for i, j in p if true[i] == true[j])
    assert wrong <= rounds * 0.05 + 3 * np.sqrt(rounds * 0.05 * 0.95)


def test_bonferroni_divides_alpha() -> None:
    found = bonferroni([0.01, 0.03], 0.05)
    assert [(one.alpha, one.claimed, one.adjusted) for one in found] == [(0.025, True, 0.02), (0.025, False, 0.06)]


def test_more_variants_need_more_seeds_to_be_told_apart() -> None:
    assert [fewest_seeds(1, variants, 0.05) for variants in (2, 3, 7)] == [4, 5, 6]
    assert [fewest_seeds(tasks, 2, 0.05) for tasks in (1, 2, 7)] == [4, 3, 2]
