"""`import`, `export`, `render`, `status --watch` and `report --watch` as one types them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calls import TASK, Call, cell, refused


def sb3(place: Path) -> None:
    np.savez(place / "evaluations.npz", timesteps=[0, 30, 60], results=[[10.0, 12.0], [20.0, 22.0], [30.0, 32.0]])


def test_imported_runs_work_in_every_command(dimebench: Call, results: Path, place: Path) -> None:
    sb3(place)
    words = ["evaluations.npz", "evaluations.npz", "suite=tiny", "--algorithm", "sb3-sac", "--task", TASK]
    words += ["--action-repeat", "50"]  # what its env steps are worth in frames, as those of suite tiny
    answer = dimebench("import", *words, "--source", "our cluster", "--licence", "MIT")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[0] == "2 runs of 1 variants imported into results/tiny"
    assert any(line.split()[1] == "ext:sb3-sac" for line in dimebench("status").lines)
    compared = dimebench("compare", "dime", "ext:sb3-sac")
    assert compared.code == 0
    assert any("ext:sb3-sac: curves of another tool from our cluster (licence: MIT" in x for x in compared.lines)
    assert "ext:sb3-sac" not in dimebench("compare", "dime", "sac").out
    assert dimebench("report", "dime", "ext:sb3-sac", "--html", "--formats", "svg").code == 0
    assert dimebench("export", "dime", "ext:sb3-sac", "--format", "csv").code == 0
    again = json.loads(dimebench("import", *words, "--source", "our cluster", "--licence", "MIT", "--json").out)
    assert (again["written"], again["already_there"]) == (0, 2)


def test_import_says_what_is_wrong_in_one_line(dimebench: Call, place: Path) -> None:
    sb3(place)
    refused(dimebench("import", "nothing.csv"), "nothing.csv: no such file")
    refused(
        dimebench("import", "evaluations.npz", "--task", TASK),
        "evaluations.npz: names no algorithm: add --algorithm NAME",
    )
    words = ["evaluations.npz", "--algorithm", "x"]
    refused(
        dimebench("import", *words, "--task", TASK, "--unit", "hours"),
        "--unit hours: unknown unit (known: env-steps, frames)",
    )
    refused(
        dimebench("import", *words, "--task", "dog-run", "suite=tiny"),
        "suite=tiny: has none of the file's tasks (dm_control/dog-run)",
    )
    refused(
        dimebench("import", *words, "--task", "other/thing"),
        "other/thing: which returns score 0 and 1 is not known: add --bounds LOWER,UPPER",
    )
    assert not (place / "results").exists()


def test_import_knows_short_names_of_tasks(dimebench: Call, place: Path) -> None:
    table = "algorithm,task,seed,env_steps,score\n" + "".join(f"x,{{}},0,{step},3\n" for step in (0, 30, 60))
    (place / "short.csv").write_text(table.format(*3 * ["cartpole-swingup"]))
    (place / "old.csv").write_text(table.format(*3 * ["Ant-v4"]))
    assert dimebench("import", "short.csv").code == dimebench("import", "old.csv").code == 0
    assert (place / "results/external-dm_control/ext@x/dm_control/cartpole-swingup").is_dir()
    assert (place / "results/external-gymnasium/ext@x/gymnasium/Ant-v4").is_dir()
    (place / "wrong.csv").write_text(table.format(*3 * ["cartpole-swngup"]))
    refused(dimebench("import", "wrong.csv"), "wrong.csv: unknown task 'cartpole-swngup' (nearest: cartpole-swingup)")
    sb3(place)
    words = ["import", "evaluations.npz", "--algorithm", "x", "--task"]
    refused(dimebench(*words, "walker-stnd"), "--task walker-stnd: unknown task (nearest: walker-stand)")
    refused(
        dimebench(*words, "dm_control/walker-stnd"),
        "--task dm_control/walker-stnd: unknown task (nearest: dm_control/walker-stand)",
    )


def test_import_refuses_a_misspelt_suite_and_takes_a_new_one(dimebench: Call, place: Path) -> None:
    sb3(place)
    words = ["import", "evaluations.npz", "--algorithm", "x", "--task", TASK]
    refused(
        dimebench(*words, "suite=tinny"),
        "suite=tinny: unknown suite (nearest: tiny); call a new one external-NAME",
    )
    refused(dimebench(*words, "suite=tinny.yaml"), "tinny.yaml: no such file (nearest: tiny)")
    assert not (place / "results").exists()
    for suite in ("external-tinny", "our-lab"):
        assert dimebench(*words, f"suite={suite}").code == 0
        assert (place / "results" / suite).is_dir()


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
