"""Looking after every block of seeds: what may be decided when, and how often it is wrong."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from dimebench.stats import monitor, planned_analyses
from dimebench.stats.looks.sequential import spending


def blocks(shift: float, looks: tuple[int, ...], tasks: int = 3, seed: int = 0, spread: float = 0.1):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(0.5, spread, (2, tasks, looks[-1]))
    ends = list(zip((0, *looks[:-1]), looks, strict=True))
    return [(list(a[:, i:j] + shift), list(b[:, i:j])) for i, j in ends]


def watch(shift: float, looks: tuple[int, ...] = (3, 6, 9, 12), seed: int = 0, shuffles: int = 2_000, **options):
    return monitor(
        blocks(shift, looks, seed=seed, **options), looks, rng=np.random.default_rng(seed), shuffles=shuffles
    )


def test_analyses_come_after_every_block_and_at_the_end() -> None:
    assert planned_analyses(20, 5) == (5, 10, 15, 20)
    assert planned_analyses(12, 5) == (5, 10, 12)
    assert planned_analyses(4, 4) == (4,)


def test_spending_is_lan_and_demets_and_ends_at_alpha() -> None:
    assert spending(0.0, 0.05) == 0.0
    assert spending(1.0, 0.05) == pytest.approx(0.05)
    # 2 - 2 Phi(1.95996 / sqrt(1/2)) = 2 - 2 Phi(2.7718)
    assert spending(0.5, 0.05) == pytest.approx(0.005575, abs=1e-5)
    shares = [spending(t, 0.05) for t in np.linspace(0.1, 1, 10)]
    assert shares == sorted(shares)


def test_a_large_difference_is_decided_early_and_a_small_one_not() -> None:
    large, none = watch(0.4), watch(0.0)
    assert (large.verdict, large.over) == ("A better", True)
    assert len(large.analyses) == 2
    assert watch(-0.4).verdict == "B better"
    assert (none.verdict, none.over, len(none.analyses)) == ("undecided", True, 4)


def test_the_bound_falls_from_look_to_look() -> None:
    bounds = [each.critical for each in watch(0.0).analyses if each.critical is not None]
    assert len(bounds) >= 3
    assert bounds == sorted(bounds, reverse=True)


def test_later_blocks_do_not_change_earlier_looks() -> None:
    looks = (3, 6, 9, 12)
    every = blocks(0.05, looks)
    found = [monitor(every[:k], looks, rng=np.random.default_rng(1), shuffles=500) for k in range(1, 5)]
    for fewer, more in itertools.pairwise(found):
        assert more.analyses[: len(fewer.analyses)] == fewer.analyses
        assert not fewer.over


def test_identical_runs_are_never_decided() -> None:
    same = [([[0.5] * 3], [[0.5] * 3])] * 4
    found = monitor(same, (3, 6, 9, 12), rng=np.random.default_rng(0), shuffles=500)
    assert found.verdict == "undecided"
    assert all(each.critical is None for each in found.analyses)


def test_runs_that_failed_leave_the_looks_standing() -> None:
    every = blocks(0.5, (3, 6, 9, 12))
    every[1] = ([*every[1][0][:2], every[1][0][2][:0]], every[1][1])  # the second block has no run of A on a task
    assert monitor(every, (3, 6, 9, 12), rng=np.random.default_rng(0), shuffles=2_000).verdict == "A better"
    with pytest.raises(ValueError, match="task 0: expected a non-empty vector"):
        monitor([([[]], [[0.1, 0.2]])], (2, 4), rng=np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["skewed", "spreads"])
def test_equal_variants_are_told_apart_no_more_often_than_alpha_over_all_looks(kind: str) -> None:
    rng, looks, claims = np.random.default_rng(3), (2, 4, 6, 8), 0
    for _ in range(200):
        if kind == "skewed":
            a, b = 1 - rng.lognormal(-2, 1, size=(2, 3, 8))
        else:
            a, b = rng.normal(0.5, 0.2, (3, 8)), rng.normal(0.5, 0.05, (3, 8))
        parts = [(list(a[:, j - 2 : j]), list(b[:, j - 2 : j])) for j in looks]
        claims += monitor(parts, looks, rng=rng, shuffles=400).verdict != "undecided"
    assert claims <= 200 * 0.05 + 3 * np.sqrt(200 * 0.05 * 0.95)
