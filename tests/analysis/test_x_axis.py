"""Other axes and scores than the suite's own: gradient steps, seconds, area, time to a threshold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dimebench.analysis import NotComparableError, Summary, summarise
from dimebench.analysis.errors import ReportError
from dimebench.analysis.question import Metric, Question
from dimebench.stats import NumpyEngine
from dimebench.tables.answer import plain_lines
from dimebench.wording.notes import remarks
from dimebench.wording.terms import method
from dimebench.wording.verdict import sentences
from tests.analysis.factory import RUN, Book

FAST = NumpyEngine(resamples=300)


def ask(book: Book, budget: int | None = None, **asked) -> Summary:
    return summarise(book.runs, book.evals, ["dime", "sac"], budget, question=Question(engine=FAST, **asked))


def slow_and_fast() -> Book:
    """dime rises by 300 per 100 env steps, sac by 200; a step of dime takes four times as long, with two updates."""
    book = Book()
    for seed in range(5):
        book.add("dime", RUN, seed, [0, 300 + seed, 600 + seed, 900 + seed])
        book.add("sac", RUN, seed, [0, 200 + seed, 400 + seed, 600 + seed])
    for row in book.rows:
        if row["variant"] == "dime":
            row["wall_time_s"], row["grad_step"] = 4 * row["env_step"], 2 * row["env_step"]
        else:
            row["wall_time_s"] = row["env_step"]
    return book


def test_per_env_step_dime_is_ahead_and_per_second_sac() -> None:
    by_step, by_time = ask(slow_and_fast()), ask(slow_and_fast(), axis="wall_time")
    assert by_step.comparisons[0].verdict == "A better"
    assert by_time.comparisons[0].verdict == "B better"
    assert (by_time.axis, by_time.budget) == ("wall_time", 300)
    assert by_time.cell("sac", RUN).scores == pytest.approx((600, 601, 602, 603, 604))
    assert by_time.cell("dime", RUN).scores == pytest.approx((0, 0, 0, 0, 0)), "its first evaluation is after 400 s"
    assert "scored at 5 min 00 s of training" in sentences(by_time)[0]


def test_gradient_steps_count_updates() -> None:
    found = ask(slow_and_fast(), axis="grad_step")
    assert found.budget == 300
    assert found.cell("dime", RUN).scores == pytest.approx((300, 301, 302, 303, 304)), "200 updates: 100 env steps"
    assert found.cell("sac", RUN).scores == pytest.approx((600, 601, 602, 603, 604))
    assert "scored at 300 gradient steps" in sentences(found)[0]
    assert found.aggregates[0].curve.x[-1] == 300


def test_a_budget_along_the_axis_is_met_or_refused() -> None:
    found = ask(slow_and_fast(), budget=250, axis="grad_step")
    assert (found.budget, found.cell("sac", RUN).scores[0]) == (250, pytest.approx(400))
    with pytest.raises(NotComparableError, match=r"not comparable at 400 gradient steps: sac on .* ends at 300"):
        ask(slow_and_fast(), budget=400, axis="grad_step")


def test_an_axis_that_a_run_knows_nothing_of_is_refused() -> None:
    book = slow_and_fast()
    for row in book.rows:
        row["grad_step"] = 0 if row["variant"] == "sac" else row["grad_step"]
    with pytest.raises(NotComparableError, match="sac on dm_control/dog-run seed 0 has no gradient steps"):
        ask(book, axis="grad_step")


def test_a_floor_that_ends_early_is_left_out_with_a_note() -> None:
    book = slow_and_fast().cell("random", RUN, [10, 11])
    for row in book.rows:
        row["grad_step"] = 0 if row["variant"] == "random" else row["grad_step"]
    found = ask(book, axis="grad_step")
    assert found.floor is None
    assert "random is not shown as the floor: it ends before 300 gradient steps" in remarks(found)


def test_a_diverged_run_counts_with_the_lower_bound_from_there_on_any_axis() -> None:
    book = slow_and_fast().add("dime", RUN, 9, [0, 300, 500, 0], status="diverged", diverged_from=200)
    for row in book.rows:
        if row["seed"] == 9:
            row["wall_time_s"], row["grad_step"] = row["env_step"], row["env_step"]
    found = ask(book, axis="wall_time")
    assert found.cell("dime", RUN).scores[-1] == 0
    assert found.cell("dime", RUN).diverged == (9,)


def test_time_to_a_threshold_counts_where_it_is_first_reached() -> None:
    found = ask(slow_and_fast(), metric=Metric("threshold", 0.55))
    assert found.score == "threshold:0.55"
    assert found.cell("dime", RUN).scores == pytest.approx([200] * 5)
    assert found.cell("sac", RUN).scores == pytest.approx([300] * 5)
    assert found.aggregates[0].estimates["iqm"].point == pytest.approx(1 / 3), "a third of the budget is left"
    assert found.comparisons[0].improvement.point == 1.0
    assert "scored by how early a normalised score of 0.55 is reached, within 300 env steps" in sentences(found)[0]
    title = "Mean env steps to a normalised score of 0.55 per task, 300 where it is not reached (seeds)"
    assert title in plain_lines(found)


def test_a_threshold_that_nobody_reaches_decides_nothing() -> None:
    found = ask(slow_and_fast(), metric=Metric("threshold", 0.99))
    assert found.comparisons[0].verdict == "undecided"
    assert found.cell("dime", RUN).scores == pytest.approx([300] * 5)
    assert remarks(found) == ["no run reached a normalised score of 0.99: time to it says nothing here"]
    assert ask(slow_and_fast(), metric=Metric("threshold", 0.55)).notes == ()


def test_the_area_can_be_asked_for_whatever_the_suite_declares() -> None:
    found = ask(slow_and_fast(), metric=Metric("auc"))
    assert found.cell("dime", RUN).scores[0] == pytest.approx(450)
    assert "scored by the area under the learning curve up to 300 env steps" in sentences(found)[0]


def test_the_engine_and_its_method_are_named() -> None:
    found = ask(slow_and_fast())
    assert method(found) == "stratified bootstrap over seeds, expanded percentiles, 300 resamples"
    plain = summarise(
        slow_and_fast().runs, slow_and_fast().evals, question=Question(engine=replace(FAST, method="bca"))
    )
    assert "BCa" in method(plain)


@pytest.mark.parametrize("text", ["", "best", "threshold", "threshold:", "threshold:high", "threshold:inf", "auc:1"])
def test_what_is_no_metric_is_refused(text: str) -> None:
    with pytest.raises(ReportError, match=r"unknown metric \(known: final, auc, threshold:SCORE\)"):
        Metric.parse(text)


@pytest.mark.parametrize("text", ["threshold:0", "threshold:-0.1", "threshold:1.001", "threshold:1e9"])
def test_a_threshold_outside_the_score_is_refused(text: str) -> None:
    with pytest.raises(
        ReportError, match=f"--metric {text}: a threshold is a normalised score above 0 and at most 1"
    ):
        Metric.parse(text)


@pytest.mark.parametrize("text", ["final", "auc", "threshold:0.8", "threshold:1"])
def test_a_metric_reads_as_it_is_written(text: str) -> None:
    assert str(Metric.parse(text)) == text


def test_runs_that_end_within_their_first_second_are_compared_where_they_ended() -> None:
    book = slow_and_fast()
    for row in book.rows:
        row["wall_time_s"] /= 2000
    found = ask(book, axis="wall_time")
    assert found.budget == 1
    assert found.cell("sac", RUN).scores == pytest.approx((600, 601, 602, 603, 604))
    assert found.cell("dime", RUN).scores == pytest.approx((900, 901, 902, 903, 904))
