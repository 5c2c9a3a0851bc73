"""Learning curves, the declared rule for diverged runs, and the matched budget."""

from __future__ import annotations

import numpy as np
import pytest

from dimebench.analysis.curves import Curve, curves, shared_env_steps
from dimebench.analysis.errors import NotComparableError
from tests.analysis.factory import RUN, Book, make_run, two_variants


def curve_of(*returns: float, status: str = "finished", **options) -> Curve:
    book = Book().add("dime", RUN, 0, returns, status, **options)
    return curves(book.runs, book.evals)[0]


def test_curve_is_the_mean_return_over_the_episodes_of_each_evaluation() -> None:
    curve = curve_of(0, 10, 20, 30)
    assert curve.env_steps == (0, 100, 200, 300)
    assert curve.returns == (0, 10, 20, 30)  # the factory's two episodes are 5 below and 5 above
    assert curve.wall_time_s == (0, 1, 2, 3)


def test_rows_may_come_in_any_order() -> None:
    book = two_variants()
    whole, shuffled = book.evals, book.evals.sample(frac=1, random_state=0)
    assert not shuffled["env_step"].is_monotonic_increasing
    assert curves(book.runs, shuffled) == curves(book.runs, whole)


def test_run_that_diverged_counts_with_the_lower_bound_from_there_on() -> None:
    score = {"kind": "final", "lower": -100.0, "upper": 1000.0}
    curve = curve_of(0, 500, 700, 800, status="diverged", diverged_from=200, score=score)
    assert curve.diverged_at == 200
    assert curve.values([0, 100, 200, 300]).tolist() == [0, 500, -100, -100]
    assert curve.score([0, 100]) == 500
    assert curve.score([0, 100, 200]) == -100
    assert not curve.diverged_by(100)
    assert curve.diverged_by(200)


def test_divergence_between_evaluations_counts_from_the_next_one() -> None:
    curve = curve_of(0, 500, 0, env_steps=(0, 100, 137), status="diverged", diverged_from=137)
    assert curve.values([0, 100, 200, 300]).tolist() == [0, 500, 0, 0]
    assert curve.covers(1_000_000)
    assert not curve.covers(50)


def test_diverged_run_without_a_row_that_says_so_counts_from_its_last_evaluation() -> None:
    curve = curve_of(0, 500, status="diverged")
    assert curve.values([0, 100, 200]).tolist() == [0, 500, 0]


def test_return_that_is_not_finite_counts_as_divergence() -> None:
    curve = curve_of(0, float("inf"), 700, 800)
    assert curve.values([0, 100, 200, 300]).tolist() == [0, 0, 0, 0]


def test_score_is_the_evaluation_at_the_budget_or_the_mean_height_of_the_curve() -> None:
    assert curve_of(0, 100, 300, 900).score([0, 100, 200, 300]) == 900
    auc = {"kind": "auc", "lower": 0.0, "upper": 1000.0}
    curve = curve_of(0, 100, 300, 900, score=auc)
    assert curve.score([0, 100, 200, 300]) == pytest.approx((50 + 200 + 600) / 3)
    assert curve.score([0, 100]) == pytest.approx(50)


def test_scores_are_normalised_by_the_suites_bounds() -> None:
    curve = curve_of(0, 0, 0, 0, score={"kind": "final", "lower": -200.0, "upper": 800.0})
    assert curve.normalised(np.array([-200.0, 300.0, 800.0, 1800.0])).tolist() == [0, 0.5, 1, 2]


def test_run_without_evaluations_has_not_begun() -> None:
    assert not curves([make_run("dime", RUN, 0, "running")], Book().evals)[0].begun
    assert not curve_of(0.0, status="running").begun
    assert curve_of(0.0, 1.0, status="running").begun


def cells(*returns_by_run: tuple[list[float], str]) -> list[list[Curve]]:
    return [[curve_of(*returns, status=status) for returns, status in returns_by_run]]


def test_default_budget_is_the_last_evaluation_that_all_finished_runs_share() -> None:
    finished = cells(([0, 1, 2, 3], "finished"), ([0, 1], "running"))
    assert shared_env_steps(finished, None) == (0, 100, 200, 300)


def test_cell_without_a_finished_run_is_decided_by_its_unfinished_runs() -> None:
    mixed = cells(([0, 1, 2, 3], "finished")) + cells(([0, 1, 2], "running"), ([0, 1], "interrupted"))
    assert shared_env_steps(mixed, None) == (0, 100)


def test_diverged_runs_do_not_hold_the_budget_back() -> None:
    assert shared_env_steps(cells(([0, 1, 2, 3], "finished"), ([0, 1], "diverged")), None)[-1] == 300


def test_asked_budget_takes_the_largest_shared_evaluation_at_or_below_it() -> None:
    finished = cells(([0, 1, 2, 3], "finished"))
    assert shared_env_steps(finished, 250) == (0, 100, 200)
    assert shared_env_steps(finished, 200) == (0, 100, 200)
    assert shared_env_steps(finished, 10**9) == (0, 100, 200, 300)


@pytest.mark.parametrize(
    ("budget", "line"),
    [
        (
            99,
            "not comparable: no evaluation that all runs share at or below 99 env steps (the first is at 100)",
        ),
        (
            -5,
            "not comparable: no evaluation that all runs share at or below -5 env steps (the first is at 100)",
        ),
    ],
)
def test_budget_below_the_first_evaluation_is_refused(budget: int, line: str) -> None:
    with pytest.raises(NotComparableError) as caught:
        shared_env_steps(cells(([0, 1, 2, 3], "finished")), budget)
    assert str(caught.value) == line


def test_runs_that_were_never_evaluated_together_are_refused() -> None:
    apart = [[curve_of(0, 1, env_steps=(0, 100))], [curve_of(0, 1, env_steps=(0, 150))]]
    with pytest.raises(NotComparableError, match="the runs share no evaluation after env step 0"):
        shared_env_steps(apart, None)
