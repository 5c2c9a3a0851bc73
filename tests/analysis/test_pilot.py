"""Pilot runs for a power analysis, from a long table."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dimebench.analysis.errors import ReportError, UnknownVariantError
from dimebench.analysis.pilot import pilot_of_file
from dimebench.store import StoreError


@pytest.fixture(params=["csv", "parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    rows = [
        {"algorithm": name, "task": task, "env_steps": step, "seed": str(seed), "score": step * (1 + seed) * scale}
        for name, scale in (("A", 1.0), ("B", 0.5))
        for task in ("run", "walk", *(["swim"] if name == "A" else []))
        for seed in range(3)
        for step in (100, 200)
    ]
    rows.append({"algorithm": "A", "task": "run", "env_steps": 200, "seed": "mean", "score": 999.0})
    file = tmp_path / f"scores.{request.param}"
    frame = pd.DataFrame(rows)
    frame.to_csv(file, index=False) if request.param == "csv" else frame.to_parquet(file)
    return file


def test_shared_tasks_are_read_at_the_end_and_normalised_without_aggregates(table: Path) -> None:
    found = pilot_of_file(table, ["A", "B"], None, (0.0, 1000.0))
    assert (found.tasks, found.budget) == (("run", "walk"), 200)
    assert found.scores["A"][0].tolist() == pytest.approx([0.2, 0.4, 0.6])
    assert found.scores["B"][1].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_budget_and_tasks_can_be_chosen(table: Path) -> None:
    found = pilot_of_file(table, ["A"], 150, (0.0, 100.0), ["swim"])
    assert (found.tasks, found.budget) == (("swim",), 150)
    assert found.scores["A"][0].tolist() == pytest.approx([1, 2, 3])


def test_what_is_not_there_is_named(table: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownVariantError, match="no runs of 'C'"):
        pilot_of_file(table, ["C"], None, (0.0, 1.0))
    with pytest.raises(ReportError, match="no runs of A and B on 'swim'"):
        pilot_of_file(table, ["A", "B"], None, (0.0, 1.0), ["swim"])
    (tmp_path / "other.csv").write_text("algorithm,task\nA,run\n")
    with pytest.raises(StoreError, match=r"other.csv: no column for the step"):
        pilot_of_file(tmp_path / "other.csv", ["A"], None, (0.0, 1.0))
    (tmp_path / "broken.parquet").write_text("no table")
    with pytest.raises(StoreError, match=r"broken.parquet: cannot be read"):
        pilot_of_file(tmp_path / "broken.parquet", ["A"], None, (0.0, 1.0))
