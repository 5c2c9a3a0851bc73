"""`export`, `render`, `status --watch` and `report --watch` as one types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.calls import TASK, Call, cell, refused


def test_a_published_name_that_does_not_fit_is_refused(dimebench: Call, results: Path) -> None:
    answer = dimebench("compare", "dime", "paper:DIME")
    assert (answer.code, answer.out) == (4, "")
    assert answer.err.startswith(
        "dimebench: not comparable: paper:DIME has no figures on dm_control/cartpole-balance"
    )
    unknown = dimebench("compare", "dime", "paper:DIMEE")
    assert unknown.code == 2
    assert "no published figures of 'paper:DIMEE' (nearest: paper:DIME" in unknown.err


def test_export_writes_each_format(dimebench: Call, results: Path, place: Path) -> None:
    answer = dimebench("export", "dime", "sac", "--format", "csv,markdown,latex,figures,zip")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[-1] == "zip: export/tiny.zip, 4 runs in 15 files"
    assert "tiny" in (place / "export/tiny/tables/aggregates.tex").read_text()
    assert (place / "export/tiny/figures/aggregates.pdf").read_bytes().startswith(b"%PDF")
    refused(dimebench("export", "--format", "cvs"), "--format cvs: unknown format 'cvs' (nearest: csv)")


def test_watching_ends_where_nothing_is_running(dimebench: Call, results: Path, place: Path) -> None:
    answer = dimebench("status", "--watch", "--every", "0.1")
    assert answer.code == 0
    assert answer.lines[0].endswith("8 finished")
    assert dimebench("report", "--html", "--watch", "--every", "0.1").lines == [
        "page: report/tiny/report.html at 60 env steps, 8 finished"
    ]
    assert "data-refresh=" not in (place / "report/tiny/report.html").read_text()


def test_watching_shows_an_evaluation_that_lands(
    dimebench: Call, results: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = cell(results, "sac") / "seed-000" / "run.json"
    whole = file.read_text()
    file.write_text(json.dumps(json.loads(whole) | {"status": "running"}))
    pages = []

    def sleep(_: float) -> None:
        pages.append((place / "report/tiny/report.html").read_text())
        file.write_text(whole)

    monkeypatch.setattr("time.sleep", sleep)
    answer = dimebench("report", "--html", "--watch")
    assert answer.code == 0
    assert 'data-refresh="10"' in pages[0]
    assert "7 finished, 1 running" in answer.lines[0]
    assert "data-refresh=" not in (place / "report/tiny/report.html").read_text()


def test_a_trained_policy_is_filmed(dimebench: Call, results: Path, place: Path) -> None:
    answer = dimebench("render", "dime", "--seed", "1", "--out", "film.gif", "--width", "64", "--height", "48")
    if "cannot be filmed" in answer.err:
        pytest.skip(f"no GL here: {answer.err}")
    assert (answer.code, answer.err) == (0, "")
    assert (place / "film.gif").read_bytes().startswith(b"GIF8")
    assert "dime on dm_control/cartpole-balance, seed 1: 10.0 s, return" in answer.out


def test_page_has_a_film_per_task_when_asked(dimebench: Call, results: Path, place: Path) -> None:
    answer = dimebench("report", "--html", "--clips", "--formats", "svg")
    if "no film of" in answer.err:
        pytest.skip(f"no GL here: {answer.err}")
    assert (answer.code, answer.err) == (0, "")
    html = (place / "report/tiny/report.html").read_text()
    assert len(re.findall("data:(?:video/mp4|image/gif);base64,", html)) == 1
    assert len(html) < 5_000_000


def test_render_says_what_there_is(dimebench: Call, results: Path) -> None:
    refused(dimebench("render", "dime", "--seed", "7"), "--seed 7: no such run (known: 0, 1)")
    refused(dimebench("render", "dime", "--out", "x.avi"), "--out x.avi: must end in .mp4 or .gif")
    for file in (cell(results, "dime") / "checkpoints").rglob("policy.safetensors"):
        file.unlink()
    kept = f"dime on {TASK}: no policy was kept; a run keeps it when it has finished"
    refused(dimebench("render", "dime"), kept)
