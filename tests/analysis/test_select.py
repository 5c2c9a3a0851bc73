"""Which runs count, which do not and why, and what is refused with which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dimebench.analysis.errors import (
    NoRunsError,
    NotComparableError,
    ReportError,
    SuiteChoiceError,
    UnknownSuiteError,
    UnknownVariantError,
)
from dimebench.analysis.select import Selection, choose_suite, select
from dimebench.wording.notes import note, reason
from tests.analysis.factory import PROTOCOL, RUN, WALK, Book, make_run, two_variants


def chosen(book: Book, *names: str, budget: int | None = None) -> Selection:
    return select(book.runs, book.evals, names, budget)


def notes(found: Selection) -> tuple[str, ...]:
    return tuple(map(note, found.notes))


def refusal(book: Book, *names: str) -> str:
    with pytest.raises(ReportError) as caught:
        chosen(book, *names)
    return str(caught.value)


def pair(of_a: dict | None = None, of_b: dict | None = None, **b) -> Book:
    """dime and sac on one task, two seeds each; `of_*` and `b` change what their run.json say."""
    book = Book().cell("dime", RUN, [700, 720], **({"of": of_a} if of_a else {}))
    return book.cell("sac", RUN, [400, 420], **({"of": of_b} if of_b else {}), **b)


def test_all_variants_are_compared_where_none_is_named_and_random_is_the_floor() -> None:
    found = chosen(two_variants())
    assert found.variants == ("dime", "sac")
    assert found.floor == "random"
    assert found.tasks == (RUN, WALK)
    assert found.budget == 300
    assert {len(cell) for cell in found.cells.values()} == {3}
    assert found.left_out == found.left_out_tasks == found.notes == ()


def test_random_is_compared_like_any_other_where_it_is_asked_for() -> None:
    found = chosen(two_variants(), "dime", "random")
    assert (found.variants, found.floor) == (("dime", "random"), None)


def test_failed_runs_do_not_count_and_are_listed_with_their_reason() -> None:
    book = (
        two_variants()
        .add("sac", RUN, 7, status="failed", reason="mujoco: NaN in qacc")
        .add("sac", RUN, 8, status="failed")
    )
    found = chosen(book)
    assert len(found.cells["sac", RUN]) == 3
    assert [(r.seed, r.status, reason(r)) for r in found.left_out] == [
        (7, "failed", "mujoco: NaN in qacc"),
        (8, "failed", "no reason recorded"),
    ]


def test_runs_short_of_the_budget_do_not_count_and_are_listed() -> None:
    book = two_variants().add("sac", RUN, 7, [0, 50, 80], status="running").add("sac", RUN, 8, [0], status="running")
    found = chosen(book)
    assert found.budget == 300
    assert [reason(r) for r in found.left_out] == [
        "reached 200 of 300 env steps",
        "no evaluation after env step 0",
    ]
    assert [c.run.seed for c in chosen(book, budget=200).cells["sac", RUN]] == [0, 1, 2, 7]


def test_run_that_skipped_an_evaluation_is_left_out() -> None:
    book = two_variants().add("sac", RUN, 7, [0, 50, 80], status="running", env_steps=(0, 200, 300))
    assert [reason(r) for r in chosen(book).left_out] == ["no evaluation at env step 100"]


def test_diverged_run_counts() -> None:
    book = two_variants().add("sac", RUN, 7, [0, 50], status="diverged")
    assert len(chosen(book).cells["sac", RUN]) == 4


def test_tasks_that_one_variant_lacks_are_left_out_with_the_reason() -> None:
    book = two_variants().cell("dime", "dm_control/fish-swim", [1, 2]).cell("dime", "dm_control/hopper-hop", [1, 2])
    book.add("sac", "dm_control/hopper-hop", 0, status="failed").add(
        "sac", "dm_control/hopper-hop", 1, [0], status="running"
    )
    found = chosen(book)
    assert found.tasks == (RUN, WALK)
    assert [(t.task, t.reason) for t in found.left_out_tasks] == [
        ("dm_control/fish-swim", "no runs of sac"),
        ("dm_control/hopper-hop", "no usable run of sac (1 failed, 1 not evaluated yet)"),
    ]


def test_no_task_in_common_is_refused() -> None:
    book = Book().cell("dime", RUN, [1, 2]).cell("sac", WALK, [1, 2])
    assert refusal(book, "dime", "sac") == (
        "not comparable: dime and sac share no task with usable runs "
        f"({RUN}: no runs of sac; {WALK}: no runs of dime)"
    )


def test_different_protocols_are_refused() -> None:
    longer = {"protocol": PROTOCOL | {"env_steps": 1000}}
    assert refusal(pair(of_b=longer)) == (
        f"not comparable: protocol.env_steps on {RUN} is 300 for dime and 1000 for sac"
        " (--allow budget compares them all the same)"
    )


def test_different_protocols_of_one_variants_tasks_are_refused() -> None:
    book = (
        Book().cell("dime", RUN, [1, 2]).cell("dime", WALK, [1, 2], of={"protocol": PROTOCOL | {"eval_episodes": 9}})
    )
    assert refusal(book) == (
        f"not comparable: protocol.eval_episodes is 2 for dime seed 0 on {RUN} and 9 for dime seed 0 on {WALK}"
        " (--allow protocol compares them all the same)"
    )


def test_different_physics_are_refused() -> None:
    assert refusal(pair(of_b={"physics": "beef"})) == (
        f"not comparable: physics on {RUN} is f00d-{RUN} for dime and beef for sac"
        " (--allow physics compares them all the same)"
    )


@pytest.mark.parametrize(
    ("score", "what"),
    [
        ({"kind": "auc", "lower": 0.0, "upper": 1000.0}, "score.kind on {} is final for dime and auc for sac"),
        ({"kind": "final", "lower": 0.0, "upper": 500.0}, "score.upper on {} is 1000.0 for dime and 500.0 for sac"),
    ],
)
def test_different_score_definitions_are_refused(score: dict, what: str) -> None:
    assert refusal(pair(score=score)) == f"not comparable: {what.format(RUN)}"


@pytest.mark.parametrize(
    "score",
    [
        {},
        {"kind": "best", "lower": 0, "upper": 1},
        {"kind": "final", "lower": 1, "upper": 1},
        {"kind": "auc", "lower": "0"},
    ],
)
def test_score_that_cannot_be_used_is_refused(score: dict) -> None:
    assert refusal(pair(score=score)) == (
        f"not comparable: results/quick/sac/{RUN}/seed-000/run.json has no usable score: {score}"
    )


def test_seeds_of_one_cell_with_different_settings_are_refused() -> None:
    book = pair().add("dime", RUN, 5, of={"settings": {"batch_size": 64, "utd": 2}})
    assert refusal(book) == (
        f"not comparable: settings.utd on {RUN} is 1 for dime seed 0 and 2 for dime seed 5"
        " (--allow settings compares them all the same)"
    )


def test_variants_may_differ_in_settings() -> None:
    assert chosen(pair(of_b={"settings": {"batch_size": 64, "utd": 20}})).variants == ("dime", "sac")


def test_failed_runs_of_other_physics_do_not_forbid_a_comparison() -> None:
    assert chosen(pair().add("sac", RUN, 9, status="failed", of={"physics": "beef"})).budget == 300


def test_code_packages_and_execution_may_differ_and_are_noted() -> None:
    book = pair(
        of_b={
            "code": "0.2.0+fedcba",
            "execution": {"device": "cuda", "threads": 1, "mode": "eager", "precision": "float32"},
        }
    )
    assert notes(chosen(book)) == (
        "the runs come from 2 versions of dimebench (0.1.0+abcdef and 0.2.0+fedcba)",
        "the runs come from 2 executions (device: cpu and cuda)",
    )


def test_how_the_floor_executes_is_not_worth_a_note() -> None:
    book = pair().cell("random", RUN, [1, 2], of={"execution": {"device": "cpu", "threads": 1, "mode": "graph"}})
    found = chosen(book)
    assert (found.floor, found.notes) == ("random", ())


def test_floor_that_does_not_fit_is_left_out_with_a_note() -> None:
    book = pair().cell("random", WALK, [1, 2])
    found = chosen(book)
    assert found.floor is None
    assert notes(found) == (f"random is not shown as the floor: it has no usable run on {RUN}",)
    short = chosen(pair().add("random", RUN, 0, [0, 1], status="running"))
    assert notes(short) == (f"random is not shown as the floor: no run of it on {RUN} reached 300 env steps",)
    other = chosen(pair().cell("random", RUN, [1], of={"physics": "beef"}))
    assert notes(other) == (
        f"random is not shown as the floor: physics on {RUN} is f00d-{RUN} for dime and beef for random",
    )


def test_only_random_can_be_reported_alone() -> None:
    assert chosen(Book().cell("random", RUN, [1, 2])).variants == ("random",)


def test_unknown_variant_names_the_nearest() -> None:
    with pytest.raises(UnknownVariantError) as caught:
        chosen(two_variants(), "dmie", "sac")
    assert str(caught.value) == "no runs of 'dmie' in suite quick (nearest: dime)"
    assert refusal(two_variants(), "qwrt") == "no runs of 'qwrt' in suite quick (known: dime, random, sac)"


def test_a_variant_named_twice_is_compared_once() -> None:
    assert chosen(two_variants(), "dime", "sac", "dime").variants == ("dime", "sac")


def test_suite_must_be_chosen_where_there_are_several() -> None:
    runs = [make_run("dime", RUN, 0), make_run("dime", RUN, 0, suite="dmc-hard")]
    folder = Path("results")
    with pytest.raises(SuiteChoiceError) as several:
        choose_suite(folder, runs, None)
    assert str(several.value) == "2 suites in 'results': dmc-hard, quick; choose one with suite=NAME"
    with pytest.raises(UnknownSuiteError) as unknown:
        choose_suite(folder, runs, "quik")
    assert str(unknown.value) == "no runs of suite 'quik' in 'results' (nearest: quick)"
    assert choose_suite(folder, runs, "quick") == runs[:1]
    assert choose_suite(folder, runs[:1], None) == runs[:1]


def test_no_runs_is_an_error_that_names_the_folder() -> None:
    with pytest.raises(NoRunsError) as caught:
        choose_suite(Path("results"), [], None)
    assert str(caught.value) == "no runs in 'results'"


def test_refusals_are_one_line() -> None:
    for book, names in ((two_variants(), ["x"]), (pair(of_b={"physics": "beef"}), [])):
        assert "\n" not in refusal(book, *names)


def test_not_comparable_is_told_apart_from_usage() -> None:
    assert not issubclass(UnknownVariantError, NotComparableError)
    assert not issubclass(SuiteChoiceError, NotComparableError)
