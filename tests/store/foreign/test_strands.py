"""Columns that are not read and tell rows apart: asked for, or said."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dimebench.store import StoreError
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.read import read_files
from dimebench.store.foreign.runs import as_runs
from dimebench.store.foreign.strands import require_told, unread_differences


def rows(name: str, values: list[object], steps: tuple[int, ...] = (1000, 2000)) -> pd.DataFrame:
    """For each step a row per value of the column."""
    return pd.DataFrame(
        [{"step": k, name: value, "score": 10.0 * i + k} for k in steps for i, value in enumerate(values)]
    )


def looked_at(table: pd.DataFrame, place: Path, **choices: str) -> list[str]:
    table.to_csv(place / "a.csv", index=False)
    readings = read_files([place / "a.csv"], Choices(algorithm="sac", task="dog-run", **choices))
    runs = as_runs(readings[0].rows.assign(file=0, variant="ext:sac"), [place / "a.csv"]).rows
    require_told(readings, runs)
    return unread_differences(readings, runs)


@pytest.mark.parametrize(
    ("name", "values"),
    [("run nr", [0, 1, 2]), ("split", ["train", "eval"]), ("lr", [0.1, 0.01]), ("tag", ["loss", "return"])],
)
def test_a_column_that_tells_rows_of_a_step_apart_is_asked_for(
    name: str, values: list[object], tmp_path: Path
) -> None:
    with pytest.raises(StoreError) as caught:
        looked_at(rows(name, values), tmp_path)
    assert f"a.csv: rows of one step differ in column '{name}' (" in str(caught.value)
    assert f"--seed-column {name} if each is a run of its own" in str(caught.value)


def test_the_caller_says_what_such_a_column_is(tmp_path: Path) -> None:
    assert looked_at(rows("nr", [0, 1, 2]), tmp_path, episode_column="nr") == []
    assert looked_at(rows("nr", [0, 1, 2]), tmp_path, seed_column="nr") == []


def test_seeds_by_another_usual_name_are_seeds(tmp_path: Path) -> None:
    for name in ("random_seed", "replicate", "trial"):
        rows(name, [3, 4]).to_csv(tmp_path / "a.csv", index=False)
        (found,) = read_files([tmp_path / "a.csv"], Choices(algorithm="sac", task="dog-run"))
        assert found.taken["seed"] == name


@pytest.mark.parametrize("name", ["episode_id", "ep_nr", "eval_episode"])
def test_episodes_by_another_name_are_episodes(name: str, tmp_path: Path) -> None:
    assert looked_at(rows(name, [0, 1, 2]), tmp_path) == []


def test_columns_that_differ_from_row_to_row_say_nothing(tmp_path: Path) -> None:
    table = rows("x", [0, 1]).drop(columns="x").assign(time=range(4), constant="a")
    assert looked_at(table, tmp_path) == []


def test_a_column_that_parts_the_runs_is_said(tmp_path: Path) -> None:
    table = pd.concat([rows("x", [0]).assign(seed=s, lr=lr) for s, lr in ((0, 0.1), (1, 0.1), (2, 0.5))])
    assert looked_at(table.drop(columns="x"), tmp_path) == [
        "not read: column 'lr', which is 0.1 and 0.5 for runs of ext:sac on dog-run"
    ]
    assert looked_at(table.drop(columns="x").assign(lr=table["seed"]), tmp_path) == [], "a name for each run"
