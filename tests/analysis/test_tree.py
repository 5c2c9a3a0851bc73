"""From a results folder written by the store to a summary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dimebench.analysis import read_summary
from dimebench.analysis.errors import NoRunsError, SuiteChoiceError, UnknownSuiteError
from dimebench.page.again import commands_of
from dimebench.page.html import write_html
from dimebench.store import RunWriter
from tests.analysis.factory import GRID, RUN, make_run


def write_run(
    results: Path,
    variant: str,
    seed: int,
    final: float,
    suite: str = "quick",
    status: str = "finished",
    grid: Sequence[int] = GRID,
) -> None:
    run = make_run(variant, RUN, seed, status, suite=suite)
    folder = results / suite / variant / RUN / f"seed-{seed:03d}"
    writer = RunWriter(replace(run, path=folder))
    for step in grid:
        value = final * step / grid[-1]
        episode = {"length": 1000, "success": None, "grad_step": step, "wall_time_s": step / 100, "diverged": False}
        writer.add_evaluation(step, [{"episode": k, "return": value + 2 * k - 1} | episode for k in (0, 1)])
    if status == "diverged":
        lost = {"episode": 0, "return": None, "length": 0, "success": None, "diverged": True}
        writer.add_evaluation(250, [lost | {"grad_step": 1, "wall_time_s": 3.0}])
    writer.write()


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for seed in range(5):
        write_run(folder, "dime", seed, 800 + seed)
        write_run(folder, "sac", seed, 300 + seed, status="diverged" if seed == 4 else "finished")
    return folder


def test_results_on_disk_give_the_verdict(results: Path, tmp_path: Path) -> None:
    found = read_summary(results, ["dime", "sac"], resamples=500)
    assert found.comparisons[0].verdict == "A better"
    assert found.budget == 300
    assert found.cell("dime", RUN).scores == pytest.approx((800, 801, 802, 803, 804))
    assert found.cell("sac", RUN).scores == pytest.approx((300, 301, 302, 303, 0))
    assert found.cell("sac", RUN).diverged == (4,)
    assert np.array(found.cell("sac", RUN).run_curves)[4].tolist() == pytest.approx([0, 304 / 3, 608 / 3, 0])
    assert write_html(found, tmp_path / "report.html").stat().st_size > 50_000
    assert commands_of(found)[-1].endswith(f" --budget 300 --results {results} --html")


def test_suite_is_chosen_or_asked_for(results: Path) -> None:
    write_run(results, "dime", 0, 500, suite="other")
    with pytest.raises(SuiteChoiceError, match="2 suites in"):
        read_summary(results)
    assert read_summary(results, suite="other", resamples=100).tasks == (RUN,)
    with pytest.raises(UnknownSuiteError, match=r"no runs of suite 'othre' in .* \(nearest: other\)"):
        read_summary(results, suite="othre")


def test_missing_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(NoRunsError) as missing:
        read_summary(tmp_path / "nowhere")
    assert str(missing.value) == f"no results folder at '{tmp_path / 'nowhere'}'"
    with pytest.raises(NoRunsError) as empty:
        read_summary(tmp_path)
    assert str(empty.value) == f"no runs in '{tmp_path}'"
