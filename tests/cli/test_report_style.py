"""`report --style` and `--name` as one types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calls import Call, refused
from tests.figures.test_layout import many


def test_a_style_writes_a_folder_for_the_paper_and_names_are_for_readers(
    dimebench: Call, results: Path, place: Path
) -> None:
    words = ("report", "dime", "sac", "--formats", "svg", "--style", "icml", "--name", "dime=DIME $x_1$", "--json")
    answer = dimebench(*words)
    assert (answer.code, answer.err) == (0, "")
    folder = place / "report/tiny"
    written = json.loads(answer.out)["paper"]
    assert {place / path for path in written} == {path for path in (folder / "icml").rglob("*") if path.is_file()}
    assert (folder / "icml/figures/aggregates-column.pdf").is_file()
    assert (folder / "icml/figures/aggregates.svg").is_file()
    assert r"DIME \$x\_1\$" in (folder / "icml/tables/aggregates.tex").read_text()
    assert r"DIME \$x\_1\$" in (folder / "tables/aggregates.tex").read_text()
    assert "DIME $x_1$" in (folder / "figures/aggregates.svg").read_text()
    assert "DIME" not in (folder / "tables/aggregates.csv").read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--style", "icml2025"], "--style icml2025: unknown style (nearest: icml)"),
        (["--runs"], "--runs: works on a paper's figures: add --style"),
        (["--html", "--watch", "--style", "icml"], "--style: works on files; --watch writes the page alone"),
        (["--name", "dyme=DIME"], "--name dyme=DIME: no 'dyme' in this report (nearest: dime)"),
        (["--name", "dime=X", "--name", "sac=X"], "--name: both 'dime' and 'sac' would be called 'X'"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_is_written(
    dimebench: Call, results: Path, place: Path, options: list[str], message: str
) -> None:
    refused(dimebench("report", "dime", "sac", *options), message)
    assert not (place / "report").exists()


def test_a_report_of_many_variants_says_nothing_but_where_it_is(
    dimebench: Call, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = many(26, long=True)
    monkeypatch.setattr("dimebench.analysis.read_summary", lambda *_, **__: summary)
    answer = dimebench("report", "--formats", "pdf", "--results", str(place))
    assert (answer.code, answer.err) == (0, "")
