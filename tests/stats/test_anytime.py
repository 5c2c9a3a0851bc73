"""Looking after any block of seeds, without a plan: the e-values are exact, and how often a claim is wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dimebench.stats.looks.anytime import GUARD, WEIGHTS, log_e_values, monitor_anytime
from dimebench.stats.testing.arrangements import every_arrangement


def blocks(shift: float, count: int = 6, size: int = 2, tasks: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.5, 0.1, (2, count, tasks, size))
    return [(list(x + shift), list(y)) for x, y in zip(a, b, strict=True)]


def watch(every, shuffles: int = 500, seed: int = 0):
    return monitor_anytime(every, rng=np.random.default_rng(seed), shuffles=shuffles)


def namings(block):
    """The block with its runs named in every way."""
    pooled = [np.concatenate(pair) for pair in zip(*block, strict=True)]
    sizes = [(len(x), len(y)) for x, y in zip(*block, strict=True)]
    cuts = np.cumsum([m + n for m, n in sizes])[:-1]
    for members in every_arrangement(sizes).T == 1:
        named = list(zip(pooled, np.split(members, cuts), strict=True))
        yield [runs[mine] for runs, mine in named], [runs[~mine] for runs, mine in named]


@pytest.mark.parametrize("sizes", [[(2, 2)], [(2, 2), (2, 2)], [(3, 2), (1, 2)], [(1, 1), (1, 1), (1, 1)]])
def test_the_e_values_of_a_block_are_1_on_average_over_all_namings(sizes: list[tuple[int, int]]) -> None:
    rng = np.random.default_rng(1)
    block = [rng.lognormal(size=m) for m, _ in sizes], [rng.lognormal(size=n) for _, n in sizes]
    e_values = [np.exp(log_e_values(one, rng)) for one in namings(block)]
    assert len(e_values) > 1
    np.testing.assert_allclose(np.mean(e_values, axis=0), 1.0, rtol=1e-12)
    assert np.std([e[0] @ WEIGHTS for e in e_values]) > 0.1


def test_the_product_over_blocks_is_a_martingale() -> None:
    first, second = blocks(0.05, count=2, tasks=2)
    before = watch([first]).looks[0].e_value
    after = [watch([first, one]).looks[1].e_value for one in namings(second)]
    assert np.mean(after) == pytest.approx(before, rel=1e-12)


def test_random_shuffles_keep_the_average_at_1_with_the_runs_as_named_among_them() -> None:
    rng = np.random.default_rng(2)
    e_values = [np.exp(log_e_values(blocks(0.0, 1, seed=k)[0], rng, shuffles=3))[0] for k in range(2_000)]
    errors = np.std(e_values, axis=0) / np.sqrt(2_000)
    assert (np.abs(np.mean(e_values, axis=0) - 1) < 4 * errors).all()
    assert np.max(e_values) <= 4 + 1e-9  # of four arrangements one has at most all of the mean


def test_a_large_difference_is_decided_early_and_none_is_not() -> None:
    large, none = watch(blocks(0.4, tasks=7)), watch(blocks(0.0))
    assert large.verdict == "A better"
    assert [look.seeds for look in large.looks] == [2]
    assert large.looks[0].p_value <= 0.05
    assert large.looks[0].p_value == pytest.approx(1 / large.looks[0].e_value)
    assert (none.verdict, len(none.looks)) == ("undecided", 6)
    assert not any(look.decided for look in none.looks)


def test_a_small_difference_is_found_at_last() -> None:
    found = watch(blocks(0.04, count=60))
    assert found.verdict == "A better"
    assert len(found.looks) > 5


def test_swapping_a_and_b_swaps_the_verdict_and_keeps_the_evidence() -> None:
    # 20 x 20 x 20 arrangements of three runs each: all of them, so that chance plays no part.
    every = blocks(0.2, size=3)
    found, swapped = watch(every, shuffles=8_000), watch([(b, a) for a, b in every], shuffles=8_000)
    assert (found.verdict, swapped.verdict) == ("A better", "B better")
    for look, other in zip(found.looks, swapped.looks, strict=True):
        assert look.e_value == pytest.approx(other.e_value)
        assert look.difference == pytest.approx(-other.difference)
    assert found.looks[-1].p_guard == pytest.approx(swapped.looks[-1].p_guard)


def test_later_blocks_only_add_looks_and_the_seed_fixes_the_result() -> None:
    every = blocks(0.03, size=4)
    found = [watch(every[:k]) for k in range(1, 7)]
    for fewer, more in itertools.pairwise(found):
        assert more.looks[: len(fewer.looks)] == fewer.looks
        assert len(more.looks) == len(fewer.looks) + 1
    assert watch(every) == found[-1]
    assert watch(every, seed=1) != found[-1]


def test_a_verdict_stays_and_the_p_value_never_rises() -> None:
    decided = watch(blocks(0.4, count=2))
    assert watch(blocks(0.4, count=2) + blocks(-0.4, count=4, seed=1)) == decided
    p_values = [look.p_value for look in watch(blocks(0.0, count=20)).looks]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[0] <= 1


def test_identical_runs_are_no_evidence() -> None:
    found = watch([([[0.5] * 3], [[0.5] * 3])] * 4)
    assert found.verdict == "undecided"
    assert [look.e_value for look in found.looks] == pytest.approx([1.0] * 4)


def test_a_claim_needs_the_guard_too() -> None:
    # On two tasks A is always a little better; on the third the runs of A lie far apart.
    every = [([[0.52, 0.53], [0.52, 0.53], [0.0, 1.0]], [[0.5, 0.51], [0.5, 0.51], [0.5, 0.51]])] * 6
    found = watch(every)
    reached = [look for look in found.looks if look.p_value <= 0.05]
    assert [look.p_guard is not None for look in found.looks] == [look in reached for look in found.looks]
    assert all(look.decided == (look.p_guard <= GUARD * 0.05) for look in reached)


def test_one_run_of_a_task_decides_nothing_yet() -> None:
    every = blocks(0.4, count=2, tasks=7)
    every[0][0][6] = every[0][0][6][:1]
    found = watch(every)
    assert (found.looks[0].p_guard, found.looks[0].decided) == (None, False)
    assert found.looks[0].p_value <= 0.05
    assert (found.verdict, len(found.looks)) == ("A better", 2)


def test_runs_that_failed_leave_the_looks_standing() -> None:
    every = blocks(0.3, size=3)
    every[1] = ([*every[1][0][:2], every[1][0][2][:0]], every[1][1])  # the second block has no run of A on a task
    assert watch(every).verdict == "A better"
    two_tasks = [side[:2] for side in every[1]]
    seeded = [log_e_values(block, np.random.default_rng(0)) for block in (every[1], two_tasks)]
    np.testing.assert_array_equal(*seeded)
    nothing = log_e_values(([np.zeros(0)] * 3, every[1][1]), np.random.default_rng(0))
    np.testing.assert_array_equal(nothing, 0.0)
    with pytest.raises(ValueError, match="task 0: expected a non-empty vector"):
        watch([([[]], [[0.1, 0.2]])])


@pytest.mark.parametrize("kind", ["skewed", "two levels", "spreads"])
def test_equal_variants_are_told_apart_no_more_often_than_alpha_over_all_looks(kind: str) -> None:
    rng, claims, trials = np.random.default_rng(3), 0, 150
    for _ in range(trials):
        if kind == "skewed":
            a, b = 1 - rng.lognormal(-2, 1, size=(2, 3, 16))
        elif kind == "two levels":
            a, b = rng.choice([0.1, 0.9], size=(2, 3, 16))
        else:
            a, b = rng.normal(0.5, 0.2, (3, 16)), rng.normal(0.5, 0.05, (3, 16))
        parts = [(list(a[:, i : i + 2]), list(b[:, i : i + 2])) for i in range(0, 16, 2)]
        claims += monitor_anytime(parts, rng=rng, shuffles=200).verdict != "undecided"
    assert claims <= trials * 0.05 + 3 * np.sqrt(trials * 0.05 * 0.95)
