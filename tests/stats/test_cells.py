"""Cells worked out together: the intervals that each would have by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.stats import (
    METHODS,
    Cell,
    Estimate,
    Method,
    NumpyEngine,
    RliableEngine,
    estimate,
    estimate_cells,
    iqm_band,
)
from dimebench.stats.bootstrap import draw_counts, iqm_of_counts, stream
from dimebench.stats.cells import AT_ONCE, MOST_RUNS, rank_draws
from dimebench.stats.estimators import run_mass

X = (0, 100, 200)
ENGINE = NumpyEngine(resamples=2_000)


def cell(runs: int, number: int = 0) -> Cell:
    rng = np.random.default_rng([runs, number])
    curves = 100 * rng.gamma(2.0, size=(runs, 1)) + rng.normal(size=(runs, len(X)))
    return Cell(("sac", f"task-{number}"), curves[:, -1], X, curves)


def width(found: Estimate) -> float:
    assert found.interval is not None
    return found.interval.high - found.interval.low


@pytest.mark.parametrize("method", ["expanded", "percentile", "bca", "student"])
@pytest.mark.parametrize("runs", [10, MOST_RUNS])  # of fewer, a quantile jumps with the draws
def test_a_cell_has_the_interval_of_draws_of_its_own(runs: int, method) -> None:
    one = cell(runs)
    engine = NumpyEngine(resamples=20_000, method=method)
    (found,) = estimate_cells(engine, [one])
    own = estimate([one.scores], ("mean", "iqm"), rng=stream(9, "own"), resamples=20_000, method=method)
    band = iqm_band(X, [one.curves], rng=stream(9, "band"), resamples=2_000, method=method)
    for name in ("mean", "iqm"):
        here, there = getattr(found, name), own[name]
        assert here.point == there.point
        assert (here.interval.low, here.interval.high) == pytest.approx(
            (there.interval.low, there.interval.high), abs=0.05 * width(there)
        )
    assert found.curve.x == band.x
    assert found.curve.point == band.point
    wide = np.subtract(band.high, band.low)
    for here, there in ((found.curve.low, band.low), (found.curve.high, band.high)):
        assert (np.abs(np.subtract(here, there)) <= 0.15 * wide).all()


@given(
    st.lists(st.sampled_from([1, 2, 3, 5, 7, MOST_RUNS, MOST_RUNS + 2]), min_size=1, max_size=2 * AT_ONCE + 3),
    st.sampled_from(METHODS),
)
@settings(max_examples=40, deadline=None)
def test_a_cell_is_the_same_alone_and_among_others(sizes: list[int], method: Method) -> None:
    """To rounding, which depends on how many columns are multiplied at once."""
    cells = [cell(runs, number) for number, runs in enumerate(sizes)]
    engine = NumpyEngine(resamples=200, method=method)
    together = estimate_cells(engine, cells)
    for one, found in zip(cells, together, strict=True):
        (alone,) = estimate_cells(engine, [one])
        for name in ("mean", "iqm"):
            here, there = getattr(found, name), getattr(alone, name)
            assert here.point == there.point
            if one.scores.size == 1:
                assert here.interval is None
                assert found.curve.low is None
            else:
                assert (here.interval.low, here.interval.high) == pytest.approx(
                    (there.interval.low, there.interval.high), rel=1e-9
                )
        assert found.curve.point == alone.curve.point
        if alone.curve.low is not None:
            np.testing.assert_allclose(found.curve.low, alone.curve.low, rtol=1e-9)
            np.testing.assert_allclose(found.curve.high, alone.curve.high, rtol=1e-9)


def test_weights_by_place_give_the_iqm_and_mean_of_each_resample() -> None:
    """With runs in order of size, a resample's draws are those of the same counts."""
    runs = np.sort(np.random.default_rng(0).normal(size=(7, 2)), axis=0)
    counts = np.concatenate(list(draw_counts([7], 500, stream(3, "ranks", "7"))))
    np.testing.assert_allclose(rank_draws("mean", runs, 500, 3), counts @ runs / 7, atol=1e-12)
    np.testing.assert_allclose(
        rank_draws("iqm", runs, 500, 3), iqm_of_counts(counts, runs, run_mass([7])), atol=1e-12
    )


def test_the_seed_decides_the_draws() -> None:
    found = [estimate_cells(replace(ENGINE, seed=seed), [cell(10)])[0] for seed in (0, 0, 1)]
    assert found[0] == found[1]
    assert found[0].iqm != found[2].iqm


def test_rliables_engine_makes_each_cell_itself() -> None:
    one = cell(5)
    engine = RliableEngine(resamples=200)
    (found,) = estimate_cells(engine, [one])
    assert found.iqm.point == engine.estimates([one.scores], ("iqm",), "cell", *one.name)["iqm"].point
    assert found.curve.point == engine.band(X, [one.curves]).point


def test_scores_that_are_not_finite_are_refused() -> None:
    one = cell(5)
    with pytest.raises(ValueError, match="finite"):
        estimate_cells(ENGINE, [one, replace(one, scores=np.array([0.0, 1, 2, 3, np.nan]))])


def test_no_cells_are_no_estimates() -> None:
    assert estimate_cells(ENGINE, []) == []
