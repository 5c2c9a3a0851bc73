"""`--engine rliable` is rliable itself, behind the same questions as our kernel."""

from __future__ import annotations

import numpy as np
import pytest
from rliable import library, metrics

from dimebench.stats import NumpyEngine, RaggedError, RliableEngine, compare_all

SCORES = list(np.random.default_rng(7).beta(0.7, 1.5, size=(4, 8)))  # four tasks, eight runs
CURVES = [np.cumsum(np.random.default_rng(k).random((8, 5)), axis=1) / 5 for k in range(4)]
STEPS = np.arange(5) * 100


@pytest.fixture
def engine() -> RliableEngine:
    return RliableEngine(resamples=400)


def close(ours, theirs, share: float = 0.2) -> None:
    width = theirs[1] - theirs[0]
    assert ours.low == pytest.approx(theirs[0], abs=share * width)
    assert ours.high == pytest.approx(theirs[1], abs=share * width)


def test_estimates_are_the_librarys(engine: RliableEngine) -> None:
    found = engine.estimates(SCORES)
    runs = np.stack(SCORES, axis=1)
    assert found["iqm"].point == metrics.aggregate_iqm(runs)
    assert found["optimality_gap"].point == metrics.aggregate_optimality_gap(runs)
    _, theirs = library.get_interval_estimates({"": runs}, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=400)
    close(found["iqm"].interval, theirs[""].ravel())


def test_both_engines_agree_on_percentile_intervals(engine: RliableEngine) -> None:
    ours = NumpyEngine(5_000, method="percentile")
    other = [task * 0.8 for task in SCORES]
    for name in ("iqm", "mean"):
        there = engine.estimates(SCORES)[name].interval
        assert there is not None
        close(ours.estimates(SCORES, [name], "x")[name].interval, (there.low, there.high))
    pairs = [one.pair(one.side(SCORES, "a"), one.side(other, "b")) for one in (ours, engine)]
    mine, theirs = (pair.improvement(0.95) for pair in pairs)
    close(mine, (theirs.low, theirs.high))


def test_curves_and_profiles_have_the_same_points_from_both(engine: RliableEngine) -> None:
    ours = NumpyEngine(400)
    taus = np.linspace(0, 1, 11)
    for mine, theirs in (
        (ours.band(STEPS, CURVES, "c"), engine.band(STEPS, CURVES)),
        (ours.profile(SCORES, taus, "p"), engine.profile(SCORES, taus)),
    ):
        assert mine.x == theirs.x
        assert mine.point == pytest.approx(theirs.point)
        assert theirs.low is not None
        assert np.all(np.subtract(theirs.high, theirs.low) >= 0)


def test_the_interval_of_a_difference_is_the_tests_whoever_makes_the_others(engine: RliableEngine) -> None:
    scores = {"a": SCORES, "b": [task - 0.5 for task in SCORES]}
    (theirs,) = compare_all(scores, [("a", "b")], engine=engine, permutations=500)
    (ours,) = compare_all(scores, [("a", "b")], resamples=400, permutations=500)
    assert theirs.verdict == "A better"
    assert theirs.difference == ours.difference
    assert theirs.improvement.interval != ours.improvement.interval
    assert engine.method == "rliable"


def test_unequal_numbers_of_runs_are_refused_in_one_line(engine: RliableEngine) -> None:
    with pytest.raises(RaggedError, match="rliable needs equally many seeds on every task, not 8, 3"):
        engine.estimates([SCORES[0], SCORES[1][:3]])


def test_one_run_has_points_and_no_intervals(engine: RliableEngine) -> None:
    single = [task[:1] for task in SCORES]
    assert engine.estimates(single)["iqm"].interval is None
    assert engine.profile(single, [0.1]).low is None
    assert engine.band(STEPS, [curve[:1] for curve in CURVES]).low is None
