"""What cannot leave 0 to 1 does not: no share, chance or p-value of a summary lies a rounding error beyond."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.analysis.question import Metric, Question
from dimebench.stats import METHODS, NumpyEngine, performance_profile
from dimebench.stats.bootstrap import iqm_of_counts
from dimebench.stats.estimators import run_mass
from dimebench.stats.intervals import Interval, Method, improvement_interval
from dimebench.wording.programs import to_json
from tests.analysis.factory import RUN, WALK, Book
from tests.analysis.test_summary import of

runs = st.lists(st.floats(0, 1), min_size=2, max_size=6).map(np.asarray)
tasks = st.lists(st.tuples(runs, runs), min_size=1, max_size=4)


@given(tasks, st.floats(0.5, 0.9999))
def test_the_interval_of_a_chance_stays_within_0_and_1(pairs: list, confidence: float) -> None:
    found = improvement_interval([a for a, _ in pairs], [b for _, b in pairs], confidence)
    assert 0 <= found.low <= found.high <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(runs, min_size=1, max_size=4), st.sampled_from(METHODS))
def test_a_share_of_runs_stays_within_0_and_1(scores: list, method: Method) -> None:
    band = performance_profile(
        scores, np.linspace(-0.1, 1.1, 13), rng=np.random.default_rng(0), resamples=50, method=method
    )
    assert band.low is not None
    assert band.high is not None
    for low, point, high in zip(band.low, band.point, band.high, strict=True):
        assert min(low, point) >= 0
        assert max(point, high) <= 1


@given(st.lists(runs, min_size=1, max_size=4), st.integers(0, 99))
def test_an_iqm_of_a_resample_lies_among_its_runs(scores: list, seed: int) -> None:
    sizes, values = [task.size for task in scores], np.concatenate(scores)
    rng = np.random.default_rng(seed)
    counts = np.concatenate([rng.multinomial(size, [1 / size] * size, 20) for size in sizes], axis=1)
    found = iqm_of_counts(counts.astype(float), values, run_mass(sizes))
    assert values.min() <= found.min()
    assert found.max() <= values.max()


@pytest.mark.parametrize(
    ("low", "high", "within"),
    [(-0.1, 0.5, (0, 0.5)), (0.2, 1.0000000000000002, (0.2, 1)), (1.1, 1.2, (1, 1)), (-0.2, -0.1, (0, 0))],
)
def test_an_interval_is_clipped_to_what_can_be(low: float, high: float, within: tuple[float, float]) -> None:
    found = Interval(low, high, 0.9).clipped(0, 1)
    assert (found.low, found.high, found.confidence) == (*within, 0.9)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "student"])
@pytest.mark.parametrize("metric", ["final", "threshold:0.3"])
def test_json_has_no_chance_beyond_0_and_1(method: Method, metric: str) -> None:
    for seed in range(4):
        rng, book = np.random.default_rng(seed), Book()
        for variant in ("a", "b", "c"):
            for task in (WALK, RUN):
                book.cell(variant, task, rng.choice([0.0, 1000.0, 700.0, 333.3], size=rng.integers(2, 7)))
        asked = Question(metric=Metric.parse(metric), engine=NumpyEngine(100, method=method))
        found = json.loads(to_json(of(book, question=asked)))
        values = [value for row in found["improvements"] for value in row]
        for one in found["comparisons"]:
            values += [one["p_value"], one["adjusted_p"], one["judged_at"], *_numbers(one["improvement"])]
            values += [*_numbers(one["iqm_a"]), *_numbers(one["iqm_b"])]  # all runs lie within 0 and 1
            values += [task[key] for task in one["tasks"] for key in ("improvement", "p_value", "adjusted_p")]
        for row in found["aggregates"]:
            values += [value for name in ("point", "low", "high") for value in row["profile"][name]]
            values += [value for name in ("point", "low", "high") for value in row["curve"][name]]
        assert [value for value in values if not 0 <= value <= 1] == []


def _numbers(estimate: dict) -> list[float]:
    return [estimate["point"], estimate["interval"]["low"], estimate["interval"]["high"]]
