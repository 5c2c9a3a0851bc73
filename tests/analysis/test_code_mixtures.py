"""What reports say of runs that come from different code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dimebench.analysis import comparability
from dimebench.store import Run
from dimebench.store.provenance import keep_code
from dimebench.wording.notes import note
from tests.analysis.factory import RUN, Book, make_run
from tests.analysis.test_summary import of

OLD, NEW, SAC = "a" * 12, "b" * 12, "c" * 12


def run(variant: str, seed: int, code: str, shared: str = "1", version: str = "0.2.0", **facts: Any) -> Run:
    made = make_run(variant, RUN, seed, of={"code": code})
    return replace(made, provenance=made.provenance | {"dimebench": version, "shared_code": shared} | facts)


def mixtures(runs: list[Run]) -> list[str]:
    """In words, as reports have them."""
    return [note(one) for one in comparability.mixtures(runs)]


def test_algorithms_have_different_code_by_nature() -> None:
    assert mixtures([run("dime", 0, NEW), run("dime:utd=1", 0, NEW), run("sac", 0, SAC)]) == []


def test_runs_of_a_variant_from_different_code_are_noted() -> None:
    runs = [run("dime", 0, OLD), run("dime", 1, NEW), run("sac", 0, SAC)]
    what = f"the dime runs on dm_control come from 2 states of the code ({OLD} and {NEW})"
    assert mixtures(runs) == [what]
    assert mixtures([*runs, run("dime", 2, NEW, code_allowed=[OLD])]) == [f"allowed by run --allow code: {what}"]


def test_variants_that_mix_the_same_are_noted_together() -> None:
    runs = [run(variant, seed, code) for variant in ("dime", "dime:utd=1") for seed, code in enumerate((OLD, NEW))]
    (line,) = mixtures(runs)
    assert line.startswith("the dime and dime:utd=1 runs on dm_control come from 2 states of the code")


def test_algorithms_from_different_training_loops_are_noted() -> None:
    assert mixtures([run("dime", 0, NEW, shared="1"), run("sac", 0, SAC, shared="2")]) == [
        "the runs on dm_control come from 2 states of the training loop (1 for dime, 2 for sac)"
    ]


def test_versions_are_compared_by_what_is_known_of_them() -> None:
    of_the_old_kind = make_run("sac", RUN, 0)  # code 0.1.0+abcdef
    assert mixtures([run("dime", 0, NEW), of_the_old_kind]) == [
        "the runs come from 2 versions of dimebench (0.2.0 and 0.1.0+abcdef)"
    ]
    assert mixtures([run("dime", 0, NEW), run("sac", 0, SAC, version="0.3.0")]) == [
        "the runs come from 2 versions of dimebench (0.2.0 and 0.3.0)"
    ]


@pytest.mark.parametrize("broken", ["", "[1]", "{", '{"{}": null}'])
def test_functions_that_differ_are_named_where_the_results_tell(broken: str, tmp_path: Path) -> None:
    runs = [replace(each, path=tmp_path / each.path) for each in (run("dime", 0, OLD), run("dime", 1, NEW))]
    results = tmp_path / "results"
    keep_code(results, OLD, {"f": "1", "g": "2"})
    keep_code(results, NEW, {"f": "1", "g": "3"})
    assert mixtures(runs) == ["the dime runs on dm_control come from 2 states of the code (g differs)"]
    (results / ".code" / f"{OLD}.json").write_text(broken)
    assert len(mixtures(runs)) == 1


def test_how_the_floor_executes_is_no_note_whether_it_is_compared_or_not() -> None:
    book = Book().cell("dime", RUN, [7, 8, 9], of={"execution": {"mode": "graph"}})
    book.cell("random", RUN, [1, 2, 3], of={"execution": {"mode": "eager"}})
    for names in (("dime",), ("dime", "random")):
        assert of(book, *names).notes == ()
    book.cell("sac", RUN, [1, 2, 3], of={"execution": {"mode": "eager"}})
    assert [note(one) for one in of(book).notes] == ["the runs come from 2 executions (mode: graph and eager)"]
