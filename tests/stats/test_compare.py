"""Verdicts: what is claimed, at which confidence, and when nothing is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.numbers import percent
from dimebench.stats import compare, compare_all


def runs(level: float, seeds: int = 10, tasks: int = 3, spread: float = 0.05, seed: int = 0):
    rng = np.random.default_rng(seed)
    return [level + spread * rng.normal(size=seeds) for _ in range(tasks)]


def quick(a, b, **options):
    return compare(a, b, **{"resamples": 2000, "permutations": 2000, **options})


def test_clearly_higher_scores_are_called_better() -> None:
    found = quick(runs(0.7), runs(0.4, seed=1), names=("dime", "sac"), tasks=["x", "y", "z"])
    assert found.verdict == "A better"
    assert found.reason == ""
    assert found.difference.interval is not None
    assert found.difference.interval.low > 0
    assert found.difference.point == pytest.approx(found.iqm_a.point - found.iqm_b.point)
    assert found.improvement.point == 1.0
    assert found.judged == found.difference.interval
    assert [row.task for row in found.tasks] == ["x", "y", "z"]
    assert {row.seeds_a for row in found.tasks} == {10}


def test_swapping_the_sides_mirrors_everything() -> None:
    a, b = runs(0.7), runs(0.4, seed=1)
    one, other = quick(a, b, names=("dime", "sac")), quick(b, a, names=("sac", "dime"))
    assert (one.verdict, other.verdict) == ("A better", "B better")
    assert one.difference.interval is not None
    assert other.difference.interval is not None
    assert one.difference.interval.low == pytest.approx(-other.difference.interval.high)
    assert one.improvement.point + other.improvement.point == pytest.approx(1.0)
    assert one.iqm_a == other.iqm_b


def test_overlapping_scores_are_undecided_with_the_reason() -> None:
    found = quick(runs(0.5), runs(0.5, seed=1))
    assert found.verdict == "undecided"
    assert found.reason == "the 95% interval of the IQM difference contains 0"


def test_identical_scores_are_undecided() -> None:
    found = quick([[0.5, 0.5]], [[0.5, 0.5]])
    assert found.verdict == "undecided"
    assert found.improvement.point == 0.5


def test_one_seed_per_task_gives_no_interval_and_no_verdict() -> None:
    found = quick([[0.9], [0.9]], [[0.1], [0.1]])
    assert found.verdict == "undecided"
    assert found.reason == "one seed per task gives no interval"
    assert found.difference.interval is None
    assert found.judged is None
    assert found.improvement.interval is None
    assert not found.few_seeds


def test_a_single_seed_anywhere_is_named() -> None:
    found = quick([[0.9, 0.8], [0.9]], [[0.1, 0.2], [0.1, 0.2]], names=("dime", "sac"), tasks=["run", "walk"])
    assert found.verdict == "undecided"
    assert found.reason == "one seed of dime on walk gives no interval"


@pytest.mark.parametrize(("seeds", "few"), [(2, True), (4, True), (5, False)])
def test_two_to_four_seeds_are_marked_as_few(seeds: int, few: bool) -> None:
    assert quick(runs(0.7, seeds), runs(0.4, 10)).few_seeds is few


def test_seed_fixes_the_result_and_company_does_not_change_it() -> None:
    scores = {"a": runs(0.7), "b": runs(0.65, seed=1), "c": runs(0.2, seed=2)}
    alone = compare_all(scores, [("a", "b")], resamples=1000, seed=4)[0]
    again = compare_all(scores, [("a", "b")], resamples=1000, seed=4)[0]
    among = compare_all(scores, [("a", "c"), ("a", "b")], resamples=1000, seed=4)[1]
    assert alone == again
    assert (alone.difference, alone.improvement) == (among.difference, among.improvement)
    assert alone != compare_all(scores, [("a", "b")], resamples=1000, seed=5)[0]


def test_the_strongest_comparison_is_asked_most_and_the_others_less() -> None:
    scores = {"a": runs(0.9), "b": runs(0.5, seed=1), "c": runs(0.5, seed=2), "d": runs(0.1, seed=3)}
    pairs = [("b", "c"), ("a", "b"), ("a", "d")]
    found = dict(zip(pairs, compare_all(scores, pairs, resamples=2000), strict=True))
    levels = [found[pair].judged_at for pair in pairs]
    assert levels[0] == pytest.approx(0.95)
    assert all(0.95 < level <= 1 - 0.05 / 3 for level in levels[1:])
    assert [found[p].verdict for p in pairs] == ["undecided", "A better", "A better"]
    assert all(c.family == 3 for c in found.values())
    assert all(c.judged.confidence == c.judged_at for c in found.values())


def test_what_one_comparison_would_claim_many_may_not() -> None:
    """A difference whose 95% interval just excludes 0, judged beside others that show nothing."""
    rng = np.random.default_rng(0)
    base = [rng.normal(0.5, 0.1, size=20)]
    shift = next(
        s
        for s in np.linspace(0.02, 0.2, 200)
        if (alone := quick([base[0] + s], base)).verdict == "A better" and alone.judged.low < 0.003
    )
    scores = {"A": [base[0] + shift], "B": base, "C": [base[0] + 0.001], "D": [base[0] - 0.001]}
    pairs = [("A", "B"), ("B", "C"), ("B", "D"), ("C", "D")]
    found = compare_all(scores, pairs, resamples=2000, permutations=2000)
    assert {c.verdict for c in found} == {"undecided"}
    assert found[0].reason == (
        f"the 95% interval of the IQM difference excludes 0, but not at the {percent(found[0].judged_at)} "
        "that 4 comparisons together need"
    )
    assert len({c.judged_at for c in found}) == 1
    assert 0.975 < found[0].judged_at <= 1 - 0.05 / 4


@given(seed=st.integers(0, 10_000), variants=st.integers(2, 4), delta=st.sampled_from([None, 0.05]))
@settings(max_examples=60, deadline=None)
def test_better_and_a_judged_interval_that_excludes_zero_are_the_same_statement(
    seed: int, variants: int, delta: float | None
) -> None:
    rng = np.random.default_rng(seed)
    decimals = int(rng.choice([1, 3, 12]))  # with and without ties
    scores = {
        n: [rng.normal(rng.random() * shift, 0.1, rng.integers(2, 7)).round(decimals) for _ in "xy"]
        for n, shift in zip("abcd"[:variants], rng.choice([0, 0.3, 3], variants), strict=True)
    }
    pairs = list(itertools.combinations(scores, 2))
    for found in compare_all(scores, pairs, resamples=100, permutations=300, delta=delta):
        for row in (found, *found.tasks):
            claimed = "better" in row.verdict
            excludes = row.judged is not None and row.judged.excludes(0.0)
            assert claimed == excludes or row.verdict == "equivalent"
            if claimed:
                assert (row.judged.low > 0) == (row.verdict == "A better") == (row.difference.point > 0)
            assert row.judged is None or row.judged.confidence == pytest.approx(row.judged_at)
            if row.verdict != "equivalent":
                assert claimed == (row.p_value <= 1 - row.judged_at + 1e-12)
                assert claimed == (row.adjusted_p <= 1 - 0.95)
            if row.difference.interval is not None and not row.difference.interval.excludes(0.0):
                assert not claimed, "what one comparison cannot claim, several cannot"
        assert (found.reason == "") == (found.verdict != "undecided")


def test_an_undecided_comparison_never_shows_an_interval_that_decides() -> None:
    """Ten published seeds against three: the interval used to exclude 0 at the level that the verdict failed."""
    rng = np.random.default_rng(0)
    many = [rng.normal(0.75, 0.05, 10) for _ in range(7)]
    few = [rng.normal(0.40, 0.05, 3) for _ in range(7)]
    others = {f"v{k}": [rng.normal(0.5, 0.1, 5) for _ in range(7)] for k in range(5)}
    scores = {"BRO": many, "TD-MPC2": few, **others}
    for found in compare_all(scores, list(itertools.combinations(scores, 2)), resamples=100, permutations=5_000):
        assert ("better" in found.verdict) == found.judged.excludes(0.0)
        if {found.a, found.b} == {"BRO", "TD-MPC2"}:
            assert found.verdict == "A better"


def test_variants_over_different_tasks_are_refused() -> None:
    with pytest.raises(ValueError, match="variants differ in tasks: A 1, B 2"):
        compare([[0.1]], [[0.1], [0.2]])


def test_few_false_claims_between_equal_variants() -> None:
    """With ten seeds the claim rate under no difference is near 5%, not a multiple of it."""
    claims = 0
    for seed in range(120):
        rng = np.random.default_rng(seed)
        a, b = ([rng.beta(2, 2, size=10) for _ in range(3)] for _ in "ab")
        claims += compare(a, b, resamples=400, seed=seed, permutations=400).verdict != "undecided"
    assert claims <= 120 * 0.05 + 3 * np.sqrt(120 * 0.05 * 0.95)


def test_differences_within_the_margin_are_equivalent_and_others_not() -> None:
    a = runs(0.5, seeds=20, spread=0.02)
    found = quick(a, runs(0.5, seeds=20, spread=0.02, seed=1), delta=0.05)
    assert (found.verdict, found.reason, found.delta) == ("equivalent", "", 0.05)
    assert found.judged is not None
    assert found.judged.within(0.05)
    assert found.judged.confidence == pytest.approx(0.9), "two one-sided tests at 5%"
    assert quick(a, runs(0.5, seeds=20, spread=0.02, seed=1)).verdict == "undecided", "no margin, no equivalence"
    assert quick(a, runs(0.4, seeds=20, spread=0.02, seed=1), delta=0.05).verdict == "A better"
    assert quick(runs(0.5, 4), runs(0.5, 4, seed=1), delta=0.01).verdict == "undecided"


def test_runs_that_never_differ_are_not_called_equivalent() -> None:
    found = quick([[0.0] * 5, [0.0] * 5], [[0.0] * 5, [0.0] * 5], delta=0.02)
    assert found.verdict == "undecided"
    assert found.reason.startswith("the runs of each never differ")
    assert found.seeds_needed is None
    slightly = quick([[0.5] * 8, [0.5] * 8], [[0.51] * 8, [0.51] * 8], delta=0.02)
    assert slightly.verdict == "B better", "that the test can tell"


def test_with_a_margin_every_comparison_is_judged_at_the_same_level() -> None:
    scores = {"a": runs(0.9), "b": runs(0.5, seed=1), "c": runs(0.1, seed=2)}
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    found = compare_all(scores, pairs, resamples=2000, delta=0.01)
    assert {c.verdict for c in found} == {"A better"}
    assert {round(c.judged.confidence, 6) for c in found if c.judged} == {round(1 - 0.05 / 3, 6)}


def test_so_few_runs_that_the_test_cannot_reject_decide_nothing() -> None:
    found = quick([[0.9, 0.91, 0.92]], [[0.1, 0.11, 0.12]])
    assert found.verdict == "undecided"
    assert found.p_value == pytest.approx(0.1)
    assert found.reason == "so few runs allow no p-value below 0.1"
    assert (found.seeds_needed, found.more_seeds) == (4, 1)


def test_an_undecided_comparison_says_how_many_seeds_would_decide() -> None:
    found = quick(runs(0.53, 6, spread=0.08), runs(0.5, 6, spread=0.08, seed=1))
    assert found.verdict == "undecided"
    assert found.seeds_needed is not None
    assert found.more_seeds == found.seeds_needed - 6 >= 1
    decided = quick(runs(0.7), runs(0.4, seed=1))
    assert (decided.seeds_needed, decided.more_seeds) == (None, None)


def test_tasks_get_a_verdict_each_corrected_over_them() -> None:
    a, b = runs(0.5, tasks=4), runs(0.5, tasks=4, seed=1)
    a[2] = a[2] + 0.4
    rows = quick(a, b).tasks
    assert [row.verdict for row in rows] == ["undecided", "undecided", "A better", "undecided"]
    assert rows[2].difference.point == pytest.approx(0.4, abs=0.08)
    for row in rows:
        assert row.p_value is not None
        assert row.adjusted_p is not None
        assert row.adjusted_p >= row.p_value
    assert rows[2].adjusted_p == pytest.approx(4 * rows[2].p_value)


def test_equal_iqms_of_unequal_spread_and_numbers_are_seldom_told_apart() -> None:
    """A permutation test of the plain difference errs there several times as often as it says."""
    rng, claims, rejected = np.random.default_rng(5), 0, 0
    plain = np.random.default_rng(6)
    for seed in range(120):
        a, b = rng.normal(0.5, 0.2, 5), rng.normal(0.5, 0.03, 15)
        claims += compare([a], [b], resamples=100, seed=seed, permutations=400).verdict != "undecided"
        pooled = plain.permuted(np.tile(np.concatenate([a, b]), (400, 1)), axis=1)
        others = np.abs(pooled[:, :5].mean(axis=1) - pooled[:, 5:].mean(axis=1))
        rejected += float((others >= abs(a.mean() - b.mean())).mean()) <= 0.05
    assert rejected > 0.2 * 120
    assert claims <= 0.05 * 120 + 3 * np.sqrt(120 * 0.05 * 0.95)


def test_a_tasks_row_is_the_comparison_of_that_task() -> None:
    a, b = runs(0.6, tasks=1, spread=0.1), runs(0.5, tasks=1, spread=0.1, seed=1)
    found = quick(a, b)
    (row,) = found.tasks
    assert (row.p_value, row.verdict, row.judged) == (found.p_value, found.verdict, found.judged)
    assert row.difference == found.difference


def test_the_best_against_each_claims_no_more_than_all_pairs_do() -> None:
    """The runs chose the best: so its comparisons share the error rate of all there were to make."""
    scores = {f"v{k}": runs(0.5 + 0.03 * k, seeds=6, seed=k) for k in range(5)}
    every = [(a, b) for k, a in enumerate(scores) for b in list(scores)[k + 1 :]]
    best = [(a, b) for a, b in every if b == "v4"]
    options = {"resamples": 2000, "permutations": 2000}
    of_all = {(c.a, c.b): c for c in compare_all(scores, every, **options)}
    of_best = compare_all(scores, best, chosen_from=every, **options)
    alone = compare_all(scores, best, **options)
    assert {c.family for c in of_best} == {10}
    assert any(c.verdict == "B better" for c in of_best)
    for found, other in zip(of_best, alone, strict=True):
        whole = of_all[found.a, found.b]
        assert found.difference == whole.difference
        assert found.p_value == whole.p_value
        assert found.verdict in ("undecided", whole.verdict)
        assert other.adjusted_p <= found.adjusted_p


def test_numbers_do_not_depend_on_how_many_cores_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = {f"v{k}": runs(0.5 + 0.05 * k, seed=k) for k in range(4)}
    pairs = [("v0", "v1"), ("v1", "v2"), ("v2", "v3")]
    found = []
    for threads in (1, 3):
        monkeypatch.setattr("dimebench.stats.threads.usable_cores", lambda threads=threads: threads)
        found.append(compare_all(scores, pairs, resamples=2000, permutations=2000))
    assert found[0] == found[1]
