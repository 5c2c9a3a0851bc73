"""Tables for papers and programs: bold where the data do not tell apart, names escaped, numbers in full."""

from __future__ import annotations

import csv
import importlib
import io
import zipfile
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dimebench.analysis import Summary
from dimebench.analysis.question import Metric, Question
from dimebench.export.archive import write_archive
from dimebench.page.again import commands_of
from dimebench.page.html import page
from dimebench.page.pdf import write_pdf
from dimebench.papers import PAPERS
from dimebench.stats import Estimate, Interval, NumpyEngine, RliableEngine
from dimebench.tables.answer import plain_lines
from dimebench.tables.content import bold, tables
from dimebench.tables.files import csv_text, markdown, records, write_tables
from dimebench.tables.model import PAPER, Caption, Cell, Column, Table
from dimebench.tables.paper import paper_tables
from dimebench.tables.plain import plain
from dimebench.wording import terms
from tests.analysis.factory import RUN, Book, four_variants, two_variants
from tests.analysis.test_summary import of
from tests.store.runs import written


def table_of(summary: Summary, name: str) -> Table[Any]:
    (found,) = (table for table in tables(summary) if table.name == name)
    return found


def paper(title: str, headings: Sequence[str], *rows: Sequence[Cell]) -> Table[Any]:
    return Table("x", rows, [Column(name, itemgetter(k)) for k, name in enumerate(headings)], paper=Caption(title))


def estimate(point: float, low: float, high: float) -> Estimate:
    return Estimate(point, Interval(low, high, 0.95))


def test_bold_is_the_best_and_each_whose_interval_holds_its_point() -> None:
    found = [estimate(0.8, 0.7, 0.9), estimate(0.75, 0.6, 0.81), estimate(0.7, 0.6, 0.79), Estimate(0.8, None)]
    assert bold(found) == [found[0], found[1], found[3]]


def test_least_is_best_of_the_optimality_gap_and_the_floor_is_never_bold() -> None:
    table = table_of(of(two_variants()), "aggregates")
    gap = table.headings.index("optimality gap")
    assert [row[0].text for row in table.rows] == ["dime", "sac", "random (floor)"]
    assert [row[gap].bold for row in table.rows] == [True, False, False]


def test_tables_name_the_axis_and_the_score() -> None:
    book = Book().cell("dime", RUN, [600, 700, 800]).cell("sac", RUN, [300, 310, 290])
    timed = of(book, question=Question("wall_time", engine=NumpyEngine(200)))
    titles = {table.name: table.paper.title for table in tables(timed) if table.paper}
    assert titles["aggregates"] == "quick: normalised scores at 3.0 s of training over 1 task"
    assert titles["tasks"] == "quick: mean return per task at 3.0 s of training"
    assert records(table_of(timed, "curves"))[0][2] == "wall_time"
    sooner = of(book, question=Question("env_step", Metric.parse("threshold:0.4"), 0.02, NumpyEngine(200)))
    tasks = table_of(sooner, "tasks")
    assert tasks.paper is not None
    assert (
        tasks.paper.title
        == "quick: mean env steps to a normalised score of 0.4 per task, 300 where it is not reached"
    )
    assert [cell.bold for cell in tasks.rows[0]] == [False, True, False]  # the soonest
    for found, what in ((timed, "normalised scores"), (sooner, "shares of the budget left")):
        assert rf"\caption{{quick: {what} (" in paper_tables(found, PAPERS["plain"])["aggregates.tex"]
        assert f"Over all tasks, {what}" in "\n".join(plain_lines(found))
    header, rows = records(table_of(sooner, "seeds"))
    assert header[3:5] == ("env_step_to_0.4", "normalised")
    assert all(row[4] == pytest.approx(1 - row[3] / 300) for row in rows)
    for found, words in ((timed, "3.0 s of training"), (sooner, "env steps to 0.4")):
        html = page(found)
        assert words in html
        assert ("300 env steps" in html) == (found is sooner)
    assert "--budget 3 --axis wall_time --html" in commands_of(timed)[-1]
    assert "--metric threshold:0.4 --delta 0.02 --html" in commands_of(sooner)[-1]
    asked = of(book, question=Question(engine=NumpyEngine(200, method="bca")), allow=["settings", "physics"])
    *_, compared, reported = commands_of(asked)
    assert compared.endswith(" --interval bca --allow physics,settings")
    assert reported.endswith(" --interval bca --allow physics,settings --html")
    assert "--engine rliable --html" in commands_of(of(book, question=Question(engine=RliableEngine(50))))[-1]


def test_markdown_keeps_its_columns_whatever_a_name_holds() -> None:
    text = markdown(paper("t", ("a", "b"), (Cell("x|y<z"), Cell("1", bold=True))))
    assert text.splitlines()[4] == r"| x\|y&lt;z | **1** |"


def test_csv_has_every_number_in_full() -> None:
    summary = of(two_variants())
    rows = list(csv.DictReader(io.StringIO(csv_text(table_of(summary, "seeds")))))
    assert len(rows) == 3 * 2 * 3
    cell = summary.cell("dime", RUN)
    assert [float(r["return"]) for r in rows if (r["variant"], r["task"]) == ("dime", RUN)] == list(cell.scores)


def test_ranking_has_ranks_and_letters_in_every_format() -> None:
    summary = of(four_variants())
    table = table_of(summary, "ranking")
    iqms = [terms.estimate(row.iqm) for row in summary.ranking]
    note = "Variants that share a letter are not told apart at 95%; the rank intervals hold for all variants at once."
    assert table.headings == ["variant", "rank", "IQM [95% CI]", "letters"]
    lines = markdown(table).splitlines()
    assert lines[0] == "**quick: ranking by IQM at 300 env steps over 2 tasks**"
    assert lines[4:6] == [f"| dime | 1-2 | {iqms[0]} | a |", f"| dime-wide | 1-3 | {iqms[1]} | ab |"]
    assert lines[9].startswith(note)
    rows = list(csv.DictReader(io.StringIO(csv_text(table))))
    assert [(r["variant"], r["best_rank"], r["worst_rank"], r["letters"]) for r in rows[1:3]] == [
        ("dime-wide", "1", "3", "ab"),
        ("sac", "2", "3", "b"),
    ]
    assert float(rows[0]["iqm_point"]) == summary.ranking[0].iqm.point
    drawn = plain(table)
    assert drawn[0] == "Ranking"
    assert drawn[2].split() == ["dime", "1-2", *iqms[0].split(), "a"]
    assert drawn[-1] == note


def test_ranking_leaves_out_letters_where_not_every_pair_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("dimebench.analysis.build"), "MOST_PAIRED", 3)
    table = table_of(of(four_variants()), "ranking")
    assert table.on(PAPER).headings == ["variant", "rank", "IQM [95% CI]"]
    assert plain(table)[-1] == (
        "No letters: only the variant with the highest IQM is compared with the others; at 95%, the rank intervals "
        "hold for all variants at once."
    )
    header, rows = records(table)
    assert [dict(zip(header, row, strict=True))["letters"] for row in rows] == [None] * 4


def test_only_three_variants_and_more_have_a_ranking() -> None:
    assert "ranking" not in [table.name for table in tables(of(two_variants()))]


def test_every_table_is_written_in_every_format_and_the_pdf_embeds_its_fonts(tmp_path: Path) -> None:
    summary = of(two_variants())
    names = {path.name for path in write_tables(summary, tmp_path)}
    assert {"aggregates.csv", "aggregates.md", "aggregates.tex", "seeds.md", "curves.csv"} <= names
    pdf = write_pdf(summary, tmp_path / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf


def test_the_archive_holds_the_runs_as_they_lie_and_explains_them(tmp_path: Path) -> None:
    runs = [written(tmp_path / "results", seed=seed) for seed in (0, 1)]
    target = tmp_path / "out" / "small.zip"
    assert write_archive(runs, tmp_path / "results", target) == 7
    first = target.read_bytes()
    write_archive(runs, tmp_path / "results", target)
    assert target.read_bytes() == first
    with zipfile.ZipFile(target) as archive:
        assert archive.testzip() is None
        readme = archive.read("README.md").decode()
        evals = next(name for name in archive.namelist() if name.endswith("seed-001/evals.parquet"))
        frame = pd.read_parquet(io.BytesIO(archive.read(evals)))
    assert all(f"`{name}`" in readme for name in frame.columns)
    assert "| `dime` | dm_control/dog-run | 2 |" in readme
    assert [path.name for path in target.parent.iterdir()] == ["small.zip"]


def test_cost_has_energy_where_a_run_recorded_it() -> None:
    book = Book().cell("dime", RUN, [1, 2], progress={"env_step": 300, "grad_step": 40, "energy_j": 7.2e6})
    header, rows = records(table_of(of(book), "cost"))
    assert dict(zip(header, rows[0], strict=True))["energy_kwh"] == pytest.approx(2.0)


def test_where_one_seed_per_task_gives_no_interval_nothing_says_that_there_are_some() -> None:
    one = of(Book().cell("dime", RUN, [6]).cell("sac", RUN, [3]).cell("crossq", RUN, [2]), resamples=50)
    texts = ["\n".join(plain_lines(one)), page(one)]
    for text in texts:
        assert "one seed per task: no intervals" in text.lower()
        assert "no intervals of differences" in text
        assert "95% interval" not in text
