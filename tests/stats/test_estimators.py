"""Point estimates are rliable's on full matrices, and treat tasks alike on ragged ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rliable import metrics

from dimebench.stats import AGGREGATES, probability_of_improvement
from dimebench.stats.estimators import iqm, iqm_along, mean, median, optimality_gap

score = st.floats(-0.5, 1.5, allow_nan=False, width=32)
matrix = hnp.arrays(np.float64, st.tuples(st.integers(1, 8), st.integers(1, 6)), elements=score)
ragged = st.lists(st.lists(score, min_size=1, max_size=7).map(np.asarray), min_size=1, max_size=5)

RLIABLE = {
    "iqm": metrics.aggregate_iqm,
    "median": metrics.aggregate_median,
    "mean": metrics.aggregate_mean,
    "optimality_gap": metrics.aggregate_optimality_gap,
}


@pytest.mark.parametrize("name", sorted(AGGREGATES))
@given(scores=matrix)
@settings(max_examples=60, deadline=None)
def test_full_matrix_gives_rliables_number_exactly(name: str, scores: np.ndarray) -> None:
    assert AGGREGATES[name](list(scores.T)) == RLIABLE[name](scores)


@given(data=st.data(), a=matrix)
@settings(max_examples=60, deadline=None)
def test_probability_of_improvement_is_rliables_also_with_unequal_seed_counts(data, a: np.ndarray) -> None:
    runs_b = data.draw(st.integers(1, 8))
    b = data.draw(hnp.arrays(np.float64, (runs_b, a.shape[1]), elements=score))
    assert probability_of_improvement(list(a.T), list(b.T)) == metrics.probability_of_improvement(a, b)


@given(scores=ragged)
def test_every_average_lies_between_the_worst_and_the_best_run(scores: list[np.ndarray]) -> None:
    runs = np.concatenate(scores)
    for estimator in (iqm, mean, median):
        assert runs.min() - 1e-9 <= estimator(scores) <= runs.max() + 1e-9


@given(scores=ragged, seed=st.integers(0, 2**32 - 1))
def test_order_of_runs_and_of_tasks_does_not_matter(scores: list[np.ndarray], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(scores[i]) for i in rng.permutation(len(scores))]
    for estimator in AGGREGATES.values():
        assert estimator(shuffled) == pytest.approx(estimator(scores), abs=1e-9)


@given(data=st.data(), a=ragged)
def test_probabilities_of_improvement_both_ways_add_up_to_one(data, a: list[np.ndarray]) -> None:
    b = [
        np.asarray(data.draw(st.lists(st.one_of(score, st.sampled_from(list(task))), min_size=1, max_size=6)))
        for task in a
    ]
    assert probability_of_improvement(a, b) + probability_of_improvement(b, a) == pytest.approx(1.0)
    assert probability_of_improvement(a, a) == pytest.approx(0.5)


@given(scores=ragged, times=st.integers(2, 4))
def test_doubling_every_seed_of_ragged_scores_keeps_task_averages(scores, times: int) -> None:
    repeated = [np.repeat(task, times) for task in scores]
    for name in ("mean", "median", "optimality_gap"):
        assert AGGREGATES[name](repeated) == pytest.approx(AGGREGATES[name](scores), abs=1e-9)


def test_more_seeds_on_the_easy_task_do_not_raise_the_score() -> None:
    easy, hard = [0.9] * 4, [0.1] * 4
    assert iqm([easy * 3, hard]) == pytest.approx(0.5)
    assert iqm([easy, hard * 3]) == pytest.approx(0.5)
    assert mean([easy * 3, hard]) == pytest.approx(0.5)
    assert optimality_gap([easy * 3, hard]) == pytest.approx(0.5)


@given(scores=matrix.filter(lambda m: m.shape[0] > 1))
def test_ragged_formula_joins_the_full_one(scores: np.ndarray) -> None:
    """The weighted form, evaluated where all masses are equal, is the trimmed mean."""
    from dimebench.stats.bootstrap import iqm_of_counts
    from dimebench.stats.estimators import run_mass

    runs, tasks = scores.shape
    once = np.ones((1, scores.size))
    weighted = iqm_of_counts(once, scores.T.ravel(), run_mass([runs] * tasks))[0]
    assert weighted == pytest.approx(metrics.aggregate_iqm(scores), abs=1e-9)


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        ([], "scores of no task"),
        ([[0.1], []], "task 1: expected a non-empty vector of run scores, got shape (0,)"),
        ([[0.1, float("nan")]], "task 0: scores must be finite"),
    ],
)
def test_scores_that_mean_nothing_are_refused(scores, line: str) -> None:
    with pytest.raises(ValueError, match="task") as caught:
        iqm(scores)
    assert str(caught.value) == line


def test_variants_must_share_their_tasks() -> None:
    with pytest.raises(ValueError, match="A has 1 tasks, B has 2"):
        probability_of_improvement([[1.0]], [[1.0], [2.0]])


@pytest.mark.parametrize("sizes", [[5], [7, 7, 7], [3, 5, 4]])
def test_iqm_along_a_curve_is_that_of_each_point_to_the_bit(sizes: list[int]) -> None:
    rng = np.random.default_rng(1)
    curves = [rng.normal(size=(runs, 9)) for runs in sizes]
    assert iqm_along(curves).tolist() == [iqm([task[:, k] for task in curves]) for k in range(9)]


def test_iqms_of_several_quantities_on_the_same_counts_are_those_of_each() -> None:
    from dimebench.stats.bootstrap import iqm_of_counts

    rng = np.random.default_rng(2)
    counts, values, mass = rng.integers(0, 3, (50, 6)), rng.normal(size=(6, 4)), np.array([2, 2, 0.5, 0.5, 0.5, 0.5])
    together = iqm_of_counts(counts, values, mass)
    assert together.shape == (50, 4)
    for k in range(4):
        assert (together[:, k] == iqm_of_counts(counts, values[:, k], mass)).all()
