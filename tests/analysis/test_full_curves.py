"""Curves over every evaluation that a variant has: other variants cut none, and no number depends on them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from dimebench.analysis import Summary
from dimebench.analysis.question import Question
from dimebench.figures.curves import draw_learning_curves, draw_sample_efficiency
from dimebench.figures.files import FIGURES
from dimebench.figures.rows import draw_cost
from dimebench.numbers import time_unit
from tests.analysis.factory import RUN, WALK, Book
from tests.analysis.test_summary import of

COARSE, FINE = (0, 200, 400), (0, 100, 200, 300, 400, 500, 600)


def uneven(fine: tuple[int, ...] = FINE) -> Book:
    """sac is evaluated seldom and up to 400; dime often, beyond it, and one of its runs on RUN not quite so far."""
    book = Book()
    for task in (WALK, RUN):
        for seed in range(3):
            book.add("sac", task, seed, [0, 200 + seed, 400 + 9 * seed], env_steps=COARSE)
            end = 500 if (task, seed) == (RUN, 2) else 600
            steps = [step for step in fine if step <= end]
            book.add("dime", task, seed, [1.2 * step + seed for step in steps], env_steps=steps)
    return book


def test_each_curve_has_every_evaluation_that_all_its_runs_have() -> None:
    found = of(uneven())
    assert found.budget == 400
    by_name = {row.variant: row for row in found.aggregates}
    assert by_name["sac"].full_curve.x == by_name["sac"].curve.x == COARSE
    assert by_name["dime"].curve.x == COARSE
    assert by_name["dime"].full_curve.x == FINE[:-1]  # on one task a run ends there
    assert found.cell("dime", WALK).full_curve.x == FINE
    assert found.cell("dime", RUN).full_curve.x == FINE[:-1]
    assert np.shape(found.cell("dime", WALK).full_run_curves) == (3, len(FINE))
    assert np.shape(found.cell("dime", WALK).run_curves) == (3, len(COARSE))
    assert found.cell("dime", WALK).full_curve.point == pytest.approx([1.2 * step + 1 for step in FINE])


def test_scores_verdicts_and_the_curves_of_tables_are_those_without_the_other_evaluations() -> None:
    found, cut = of(uneven()), of(uneven(COARSE))

    def but_figures(summary: Summary) -> Summary:
        curve = summary.aggregates[0].curve
        rows = tuple(replace(row, full_curve=curve) for row in summary.aggregates)
        cells = tuple(replace(cell, full_curve=curve, full_run_curves=()) for cell in summary.cells)
        return replace(summary, aggregates=rows, cells=cells, notes=(), runs=())

    assert but_figures(found) == but_figures(cut)


def test_runs_along_another_axis_go_on_to_their_own_end() -> None:
    found = of(uneven(), question=Question(axis="grad_step"))
    assert found.budget == 400
    assert found.cell("sac", WALK).full_curve.x[-1] == 400
    assert found.cell("dime", WALK).full_curve.x[-1] == 600
    assert found.cell("dime", RUN).full_curve.x[-1] == 500
    assert found.cell("dime", WALK).full_curve.point[-1] == pytest.approx(721)


def test_a_line_marks_the_budget_where_curves_go_on_and_the_caption_says_so() -> None:
    captions = {spec.name: spec.caption for spec in FIGURES}
    for name, draw in (("learning_curves", draw_learning_curves), ("sample_efficiency", draw_sample_efficiency)):
        for book, goes_on in ((uneven(), True), (uneven(COARSE), False)):
            found = of(book)
            axes = draw(found).figure.axes[0]
            assert any(list(line.get_xdata()) == [400, 400] for line in axes.lines) == goes_on
            assert ("dotted vertical line is the matched budget of 400" in captions[name](found)) == goes_on
            assert axes.get_xlim()[1] > (500 if goes_on and name == "sample_efficiency" else 400)
            longest = max(line.get_xdata()[-1] for line in axes.lines if len(line.get_xdata()) > 2 or goes_on)
            assert longest == max(curve.x[-1] for curve in _drawn(found, name))


def test_an_axis_ends_at_twice_the_budget_and_the_caption_says_how_far_the_curves_go() -> None:
    book = uneven()
    for seed in range(3):
        book.add("crossq", RUN, seed, [0, 300, 500, 700], env_steps=(0, 200, 400, 1600))
        book.add("crossq", WALK, seed, [0, 300, 500, 700], env_steps=(0, 200, 400, 1600))
    found = of(book)
    assert max(axes.get_xlim()[1] for axes in draw_learning_curves(found).figure.axes) == pytest.approx(800 * 1.02)
    caption = next(spec.caption(found) for spec in FIGURES if spec.name == "learning_curves")
    assert caption.count("Shown up to 2 times the budget; the longest curve goes on to 1,600 env steps.") == 1


def test_times_are_written_in_the_unit_that_suits_the_longest() -> None:
    assert [time_unit(s)[0] for s in (0.0, 90.0, 600.0, 90_000.0)] == ["seconds", "seconds", "minutes", "hours"]
    book = Book().cell("dime", RUN, [1, 2]).cell("sac", RUN, [3, 4])
    assert draw_cost(of(book)).figure.axes[0].get_xlabel() == "seconds"


def _drawn(found: Summary, name: str) -> list:
    if name == "sample_efficiency":
        return [row.full_curve for row in found.aggregates]
    return [cell.full_curve for cell in found.cells if cell.task == found.tasks[0]]
