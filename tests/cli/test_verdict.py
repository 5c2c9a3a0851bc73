"""`compare` and `report` on results of real training."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calls import TASK, Answer, Call, half_written, snapshot

COMPARED = {"improvement_matrix", "probability_of_improvement"}
FIGURES = {"aggregates", "cost", "learning_curves", "performance_profile", "sample_efficiency", *COMPARED}
SHEETS = {"aggregates", "comparisons", "cost", "ranking", "seeds", "task_verdicts", "tasks"}  # csv has two more


OUTSIDE = "a threshold is a normalised score above 0 and at most 1"


@pytest.fixture
def place_of_variants(grown: tuple[Path, Answer], place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workplace that holds three seeds of dime and of a variant of it; only to be read."""
    monkeypatch.chdir(grown[0])
    return grown[0]


def test_compare_says_its_verdict_and_shows_the_tables(dimebench: Call, results: Path, place: Path) -> None:
    before = snapshot(place)
    answer = dimebench("compare", "dime", "sac")
    assert (answer.code, answer.err) == (0, "")
    assert "dime" in answer.lines[0]
    assert "on tiny (1 task, 2 seeds each, scored at 60 env steps)" in answer.lines[0]
    for title in ("Over all tasks, normalised scores", "Mean return per task (seeds)", "Runs"):
        assert title in answer.lines
    assert any(line.startswith("random (floor)") for line in answer.lines)
    assert any(line.startswith(TASK) for line in answer.lines)
    assert snapshot(place) == before, "compare only reads"


def test_compare_for_programs_is_json_of_the_same(dimebench: Call, results: Path) -> None:
    answer = dimebench("compare", "dime", "sac", "--json")
    assert (answer.code, answer.err) == (0, "")
    found = json.loads(answer.out)
    assert (found["suite"], found["variants"], found["floor"]) == ("tiny", ["dime", "sac"], "random")
    assert (found["tasks"], found["budget"]) == ([TASK], 60)
    assert found["sentences"][0] == dimebench("compare", "dime", "sac").lines[0]
    iqm = found["aggregates"][0]["estimates"]["iqm"]
    assert 0 <= iqm["interval"]["low"] <= iqm["point"] <= iqm["interval"]["high"] <= 1


def test_the_same_comparison_gives_the_same_numbers(dimebench: Call, results: Path) -> None:
    assert dimebench("compare", "dime", "sac", "--json") == dimebench("compare", "dime", "sac", "--json")


def test_a_matched_budget_can_be_asked_for(dimebench: Call, results: Path) -> None:
    for text in ("30", "59", "3e1"):
        assert "scored at 30 env steps)" in dimebench("compare", "dime", "sac", "--budget", text).lines[0]
    assert "scored at 60 env steps)" in dimebench("compare", "dime", "sac", "--budget", "1_000_000").lines[0]


def test_three_algorithms_get_a_table_of_comparisons(dimebench: Call, results: Path) -> None:
    answer = dimebench("compare", "dime", "sac", "crossq", "suite=tiny")
    assert answer.code == 0
    assert "Comparisons" in answer.lines
    assert "Ranking" in answer.lines
    found = json.loads(dimebench("compare", "dime", "sac", "crossq", "--json").out)
    assert len(found["comparisons"]) == 3
    assert sorted(row["variant"] for row in found["ranking"]) == ["crossq", "dime", "sac"]


def test_the_verdict_on_each_task_is_shown_where_it_is_asked_for(dimebench: Call, results: Path) -> None:
    words = ["compare", "dime", "sac", "crossq"]
    answer = dimebench(*words, "--per-task")
    assert (answer.code, answer.err) == (0, "")
    assert "Verdicts per task" in answer.lines
    assert [line for line in answer.lines if line.startswith(f"dime - sac ({TASK})  ")]
    assert set(dimebench(*words).lines) < set(answer.lines)
    assert dimebench(*words, "--per-task", "--json").out == dimebench(*words, "--json").out


def test_a_variant_is_compared_under_its_name_however_it_is_typed(dimebench: Call, place_of_variants: Path) -> None:
    answer = dimebench("compare", "dime", "dime:diffusion_steps=2")
    assert answer.code == 0
    assert "dime:diffusion_steps=2" in answer.lines[0]
    assert "3 seeds each" in answer.lines[0]
    assert dimebench("compare", "dime", "dime:diffusion_steps=2.0").out == answer.out


def test_report_writes_figures_tables_and_a_page(dimebench: Call, results: Path, place: Path) -> None:
    before = snapshot(results)
    answer = dimebench("report", "--html", "--formats", "svg")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines == [
        "8 figures in report/tiny/figures/, tables in report/tiny/tables.txt and report/tiny/tables/",
        "page: report/tiny/report.html",
    ]
    written = {str(file.relative_to(place / "report")) for file in (place / "report").rglob("*") if file.is_file()}
    tables = {f"tiny/tables/{name}.{form}" for name in SHEETS for form in ("csv", "md", "tex")}
    tables -= {"tiny/tables/seeds.tex"}  # no paper prints a row per run
    tables |= {"tiny/tables/curves.csv", "tiny/tables/runs.csv", "tiny/tables.txt"}
    assert written == {f"tiny/figures/{name}.svg" for name in {*FIGURES, "ranking"}} | tables | {"tiny/report.html"}
    page = (place / "report/tiny/report.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert page.count("<svg") >= len(FIGURES)
    assert "dimebench run suite=tiny --seeds 2" in page, "how to get these numbers again"
    assert 'src="http' not in page
    assert half_written(place / "report") == []
    assert snapshot(results) == before, "report only reads the results"


def test_report_writes_the_formats_asked_for_where_it_is_told(dimebench: Call, results: Path, place: Path) -> None:
    answer = dimebench("report", "dime", "sac", "suite=tiny", "--formats", "pdf", "--out", "papers/one")
    assert answer.code == 0
    figures = sorted((place / "papers/one/tiny/figures").iterdir())
    assert [file.name for file in figures] == sorted(f"{name}.pdf" for name in FIGURES)
    assert all(file.read_bytes().startswith(b"%PDF") for file in figures)
    compared = dimebench("compare", "dime", "sac").out
    assert (place / "papers/one/tiny/tables.txt").read_text() == compared, "the tables are those of compare"
    assert not (place / "report").exists()


def test_axis_metric_margin_and_method_can_be_asked_for(dimebench: Call, results: Path) -> None:
    def asked(*options: str) -> dict:
        answer = dimebench("compare", "dime", "sac", "--json", *options)
        assert (answer.code, answer.err) == (0, "")
        return json.loads(answer.out)

    assert asked()["axis"] == "env_step"
    assert asked("--axis", "wall_time")["axis"] == "wall_time"
    assert asked("--axis", "grad_step", "--metric", "threshold:0.2")["score"] == "threshold:0.2"
    found = asked("--metric", "auc", "--delta", "0.9", "--interval", "bca")
    assert (found["score"], found["comparisons"][0]["delta"]) == ("auc", 0.9)
    assert "BCa" in found["method"]
    assert "rliable" in asked("--engine", "rliable")["method"]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--axis", "epochs"], "--axis epochs: unknown axis (known: env_step, grad_step, wall_time)"),
        (["--metric", "best"], "--metric best: unknown metric (known: final, auc, threshold:SCORE)"),
        (["--metric", "threshold:0"], f"--metric threshold:0: {OUTSIDE}"),
        (["--metric", "threshold:1.01"], f"--metric threshold:1.01: {OUTSIDE}"),
        (["--metric", "threshold:-0.5"], f"--metric threshold:-0.5: {OUTSIDE}"),
        (["--delta", "0"], "--delta 0: must be above 0 and below 1, a margin of normalised score"),
        (["--delta", "1"], "--delta 1: must be above 0 and below 1, a margin of normalised score"),
        (["--delta", "nan"], "--delta nan: must be above 0 and below 1, a margin of normalised score"),
        (["--interval", "bac"], "--interval bac: unknown method (nearest: bca)"),
        (["--engine", "scipy"], "--engine scipy: unknown engine (known: numpy, rliable)"),
        (
            ["--engine", "rliable", "--interval", "bca"],
            "--interval bca: rliable has percentile intervals alone; leave out --engine rliable",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_asked_is_named(options: list[str], line: str, dimebench: Call, results: Path) -> None:
    from tests.cli.calls import refused

    refused(dimebench("compare", "dime", "sac", *options), line)


@pytest.mark.parametrize(
    ("words", "cells"), [((), 4), (("suite=tiny",), 4), (("dime", "sac"), 2), (("suite=elsewhere",), 0)]
)
def test_a_report_knows_about_how_much_there_is_to_draw(
    dimebench: Call, results: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], cells: int
) -> None:
    from dimebench.figures.pool import FigurePool

    counted: list[int] = []
    opened = FigurePool._open
    monkeypatch.setattr(FigurePool, "_open", lambda self, cells: (counted.append(cells), opened(self, cells)))
    dimebench("report", "--formats", "svg", *words)
    assert counted[0] == cells
