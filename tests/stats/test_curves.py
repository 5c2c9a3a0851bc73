"""Curves resample whole runs."""

from __future__ import annotations

import numpy as np
import pytest
from rliable import library

from dimebench.stats import auc, estimate, iqm_band, performance_profile, time_to_threshold
from dimebench.stats.bootstrap import draw_counts, stream

STEPS = np.arange(0, 11) * 100.0


def run_curves(runs: int = 6, tasks: int = 2) -> list[np.ndarray]:
    """Runs that differ by a constant: at every env step the same run is best."""
    rng = np.random.default_rng(5)
    return [rng.normal(size=(runs, 1)) + STEPS / 1000 for _ in range(tasks)]


def test_iqm_curve_is_the_iqm_at_each_env_step() -> None:
    curves = run_curves()
    band = iqm_band(STEPS, curves, rng=stream(0, "c"), resamples=200)
    at_300 = estimate([task[:, 3] for task in curves], ["iqm"], rng=stream(0, "c"), resamples=200)["iqm"]
    assert band.x == tuple(STEPS)
    assert band.point[3] == at_300.point
    assert band.low is not None
    assert band.high is not None
    assert at_300.interval is not None
    assert (band.low[3], band.high[3]) == pytest.approx((at_300.interval.low, at_300.interval.high))


def test_band_of_parallel_runs_is_as_wide_everywhere_as_for_one_point() -> None:
    """Were points resampled on their own, the widths of identical spreads would differ by chance."""
    band = iqm_band(STEPS, run_curves(), rng=stream(0, "c"), resamples=500)
    assert band.low is not None
    assert band.high is not None
    widths = np.subtract(band.high, band.low)
    np.testing.assert_allclose(widths, widths[0], rtol=1e-9)


def test_area_interval_of_parallel_runs_equals_the_interval_at_one_env_step() -> None:
    """The point of resampling whole runs: averaging along a run does not shrink its spread."""
    curves = run_curves()
    counts = np.concatenate(list(draw_counts([6, 6], 4000, stream(0, "c"))))
    runs = np.concatenate(curves)
    area_draws = counts @ auc(STEPS, runs) / 12
    point_draws = counts @ runs[:, 5] / 12
    assert area_draws.std() == pytest.approx(point_draws.std(), rel=1e-9)


def test_one_run_per_task_has_a_curve_and_no_band() -> None:
    band = iqm_band(STEPS, [np.ones((1, 11)), np.zeros((3, 11))], rng=stream(0, "c"))
    assert band.low is None
    assert band.high is None
    assert len(band.point) == 11


@pytest.mark.parametrize(
    ("steps", "values", "area"),
    [
        ([0, 100, 200], [0.0, 1.0, 1.0], 0.75),
        ([0, 100, 300], [0.0, 0.0, 1.0], 1 / 3),  # uneven grid: trapezoids, not the mean of the points
        ([50], [0.4], 0.4),
    ],
)
def test_area_under_the_curve_is_its_mean_height(steps, values, area: float) -> None:
    assert auc(steps, values) == pytest.approx(area)


def test_profile_is_rliables_on_a_full_matrix() -> None:
    scores = np.random.default_rng(0).random((5, 4))
    taus = np.linspace(0, 1, 21)
    band = performance_profile(list(scores.T), taus, rng=stream(0, "p"), resamples=2000)
    np.testing.assert_allclose(band.point, library.score_distributions(scores, taus), atol=1e-12)
    _, intervals = library.create_performance_profile({"a": scores}, taus, reps=500)
    assert band.low is not None
    assert band.high is not None
    np.testing.assert_allclose(band.low, intervals["a"][0], atol=0.11)
    np.testing.assert_allclose(band.high, intervals["a"][1], atol=0.11)


def test_profile_falls_from_one_to_zero_and_weighs_ragged_tasks_alike() -> None:
    band = performance_profile([[0.2] * 9, [0.8]], [-0.1, 0.5, 0.9], rng=stream(0, "p"))
    assert band.point == pytest.approx((1.0, 0.5, 0.0))


def test_time_to_a_threshold_is_a_share_of_the_range_and_all_of_it_where_it_is_missed() -> None:
    values = [[0.0, 0.5, 0.9, 0.2], [0.0, 0.1, 0.2, 0.3], [0.8, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.8]]
    assert time_to_threshold([0, 100, 200, 400], values, 0.8).tolist() == [0.5, 1.0, 0.0, 1.0]
