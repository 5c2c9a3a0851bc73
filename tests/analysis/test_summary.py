"""The summary's numbers are those of `stats` on the declared scores."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

from dimebench.analysis import Summary, summarise
from dimebench.page.again import commands_of
from dimebench.page.html import page
from dimebench.stats import estimate
from dimebench.stats.bootstrap import stream
from dimebench.wording.programs import to_json
from dimebench.wording.verdict import sentences, where
from tests.analysis.factory import RUN, WALK, Book, four_variants, two_variants


def of(book: Book, *names: str, **options) -> Summary:
    return summarise(book.runs, book.evals, names, **{"resamples": 500, **options})


def test_aggregates_are_estimates_over_the_normalised_scores() -> None:
    book = Book().cell("dime", RUN, [700, 720, 740]).cell("dime", WALK, [900, 910, 950])
    row = of(book).aggregates[0]
    expected = estimate([[0.70, 0.72, 0.74], [0.90, 0.91, 0.95]], rng=stream(0, "runs", "dime"), resamples=500)
    assert row.estimates["iqm"].point == pytest.approx(expected["iqm"].point)
    for name, found in row.estimates.items():
        assert found.interval is not None
        assert found.interval.low == pytest.approx(expected[name].interval.low)


def test_cells_hold_every_seeds_score_in_units_of_return() -> None:
    cell = of(Book().cell("dime", RUN, [700, 720, 740])).cell("dime", RUN)
    assert cell.seeds == (0, 1, 2)
    assert cell.scores == pytest.approx((700, 720, 740))
    assert cell.mean.point == pytest.approx(720)
    assert cell.curve.x == (0, 100, 200, 300)
    assert np.array(cell.run_curves).shape == (3, 4)


def test_diverged_run_pulls_its_cell_down_to_the_lower_bound() -> None:
    book = Book().cell("dime", RUN, [600, 600]).add("dime", RUN, 2, [0, 500], status="diverged")
    found = of(book)
    assert found.cell("dime", RUN).scores == (600, 600, 0)
    assert found.cell("dime", RUN).diverged == (2,)
    assert found.aggregates[0].diverged == 1


def test_floor_is_in_the_tables_and_in_no_verdict() -> None:
    found = of(two_variants())
    assert [row.variant for row in found.aggregates] == ["dime", "sac", "random"]
    assert [row.is_floor for row in found.aggregates] == [False, False, True]
    assert [(c.a, c.b) for c in found.comparisons] == [("dime", "sac")]
    assert found.cell("random", RUN).seeds == (0, 1, 2)


def test_unnamed_variants_come_best_first_and_named_ones_as_named() -> None:
    book = Book().cell("a", RUN, [100, 110]).cell("b", RUN, [900, 910]).cell("c", RUN, [500, 510])
    assert of(book).variants == ("b", "c", "a")
    assert [(c.a, c.b) for c in of(book).comparisons] == [("b", "c"), ("b", "a"), ("c", "a")]
    assert of(book, "a", "b").variants == ("a", "b")
    assert {c.family for c in of(book).comparisons} == {3}


def test_intervals_of_a_variant_do_not_depend_on_its_company() -> None:
    alone, among = of(two_variants(), "dime"), of(two_variants(), "sac", "dime")
    assert alone.aggregates[0] == among.aggregates[1]
    comparison = among.comparisons[0]
    assert comparison.iqm_b == among.aggregates[1].estimates["iqm"]


def test_summary_is_fixed_by_its_seed() -> None:
    assert of(two_variants()) == of(two_variants())
    assert of(two_variants()) != of(two_variants(), seed=1)


def test_matched_budget_cuts_curves_and_scores() -> None:
    found = of(Book().cell("dime", RUN, [300, 600]), budget=250)
    assert found.budget == 200
    assert found.cell("dime", RUN).scores == pytest.approx((200, 400))
    assert found.aggregates[0].curve.x == (0, 100, 200)


def test_time_is_that_of_the_budget() -> None:
    assert of(two_variants(), budget=200).aggregates[0].median_wall_time_s == 2.0


def test_one_seed_gives_points_without_intervals() -> None:
    found = of(Book().cell("dime", RUN, [700]).cell("sac", RUN, [300]))
    assert found.comparisons[0].verdict == "undecided"
    assert found.aggregates[0].estimates["iqm"].interval is None
    assert found.cell("dime", RUN).curve.low is None


def test_runs_are_listed_counted_or_not_with_their_provenance() -> None:
    found = of(two_variants().add("sac", RUN, 7, status="failed", reason="boom"))
    assert len(found.runs) == 19
    lost = next(run for run in found.runs if run.seed == 7)
    assert (lost.status, lost.reason, lost.counted) == ("failed", "boom", False)
    assert sum(run.counted for run in found.runs) == 18
    assert lost.provenance["command"] == "dimebench run suite=quick --seeds 3"


def test_json_is_plain_and_keeps_the_numbers() -> None:
    found = of(two_variants().add("sac", RUN, 7, status="failed", reason="boom"))
    plain = json.loads(to_json(found))
    assert plain["comparisons"][0]["verdict"] == "A better"
    assert plain["comparisons"][0]["difference"]["interval"]["confidence"] == 0.95
    assert plain["aggregates"][0]["estimates"]["iqm"]["point"] == found.aggregates[0].estimates["iqm"].point
    assert plain["left_out"][0]["reason"] == "boom"
    assert plain["sentences"] == list(sentences(found))


def test_ranking_is_by_iqm_with_letters_and_ranks_from_the_verdicts() -> None:
    found = of(four_variants(), "crossq", "sac", "dime", "dime-wide")
    rows = [(row.variant, row.best_rank, row.worst_rank, row.letters) for row in found.ranking]
    assert rows == [("dime", 1, 2, "a"), ("dime-wide", 1, 3, "ab"), ("sac", 2, 3, "b"), ("crossq", 4, 4, "c")]
    assert [row.iqm for row in found.ranking] == [found.aggregates[k].estimates["iqm"] for k in (2, 3, 1, 0)]
    plain = json.loads(to_json(found))["ranking"]
    assert [(row["variant"], row["best_rank"], row["worst_rank"], row["letters"]) for row in plain] == rows
    assert plain[0]["iqm"]["interval"]["low"] == found.ranking[0].iqm.interval.low


def test_two_variants_and_the_floor_are_not_ranked() -> None:
    assert of(two_variants()).ranking == ()
    assert json.loads(to_json(of(two_variants())))["ranking"] == []
    three = of(two_variants().cell("crossq", RUN, [1, 2, 3]).cell("crossq", WALK, [1, 2, 3]))
    assert [row.variant for row in three.ranking] == ["dime", "sac", "crossq"]


def test_variants_with_one_seed_share_a_letter_and_all_ranks() -> None:
    found = of(Book().cell("a", RUN, [700]).cell("b", RUN, [300]).cell("c", RUN, [300]))
    assert [(r.variant, r.best_rank, r.worst_rank, r.letters) for r in found.ranking] == [
        (name, 1, 3, "a") for name in "abc"
    ]


def test_of_many_unnamed_variants_the_best_is_compared_with_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("dimebench.analysis.build"), "MOST_PAIRED", 3)
    book = Book()
    for k, name in enumerate(("a", "b", "c", "d")):
        book.cell(name, RUN, [100.0 * k + 10 * seed for seed in range(6)])
    found, named = of(book), of(book, "d", "c", "b", "a")
    assert [(c.a, c.b) for c in found.comparisons] == [("d", "c"), ("d", "b"), ("d", "a")]
    assert {c.family for c in found.comparisons} == {6}
    assert len(named.comparisons) == 6
    assert [c.difference for c in found.comparisons] == [c.difference for c in named.comparisons[:3]]
    assert found.improvements == named.improvements
    assert found.improvements[0][1] == found.comparisons[0].improvement.point
    assert "judged as strictly as if all 6 pairs were" in where(found)
    assert "judged as strictly" not in where(named)
    html = page(found)
    assert "judged as strictly as if all 6 pairs were" in html
    assert "P(c &gt; a)" in html or "P(c \\u003e a)" in html  # the matrix has every pair
    assert commands_of(found)[-1] == "dimebench report suite=quick --budget 300 --html"


def test_pairs_that_are_not_judged_give_no_letters_and_wider_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("dimebench.analysis.build"), "MOST_PAIRED", 3)
    found, named = of(four_variants()), of(four_variants(), "dime", "dime-wide", "sac", "crossq")
    rows = [(row.variant, row.best_rank, row.worst_rank, row.letters) for row in found.ranking]
    assert rows == [("dime", 1, 2, None), ("dime-wide", 1, 4, None), ("sac", 2, 4, None), ("crossq", 2, 4, None)]
    for wide, narrow in zip(found.ranking, named.ranking, strict=True):
        assert wide.best_rank <= narrow.best_rank <= narrow.worst_rank <= wide.worst_rank
    assert json.loads(to_json(found))["ranking"][0]["letters"] is None
