"""The form that several groups publish: a row per metric and evaluation."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dimebench.store import StoreError
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.read import read_file
from dimebench.store.foreign.rows import Reading


def rows(
    metric: str, value: float, task: str = "dog-run", seeds: tuple[int, ...] = (0, 1000)
) -> list[dict[str, object]]:
    return [
        {"exp_name": "x", "env_name": task, "seed": s, "metric": metric, "env_step": float(k), "value": value + s + k}
        for s in seeds
        for k in (0, 100_000)
    ]


def read(tmp_path: Path, table: list[dict[str, object]], **choices: str) -> Reading:
    pd.DataFrame(table).to_csv(tmp_path / "a.csv")  # with pandas' index as the first column, as published
    return read_file(tmp_path / "a.csv", Choices(**choices))


def test_the_return_is_the_score_and_steps_count_frames(tmp_path: Path) -> None:
    found = read(tmp_path, [*rows("avg_return", 1.0), *rows("critic/rank", 5.0)])
    assert found.rows[["algorithm", "task", "seed", "step", "score"]].to_numpy().tolist() == [
        ["x", "dog-run", "0", 0, 1],
        ["x", "dog-run", "0", 100_000, 100_001],
        ["x", "dog-run", "1000", 0, 1001],
        ["x", "dog-run", "1000", 100_000, 101_001],
    ]
    assert (found.unit, found.published) == ("frames", False)
    assert found.left_out == {"of metric critic/rank": 4}


def test_successes_stand_beside_the_returns_or_alone(tmp_path: Path) -> None:
    share = [{**row, "value": 0.9} for row in rows("avg_success", 0.0, seeds=(0,))]
    alone = [{**row, "value": 0.4} for row in rows("avg_success", 0.0, task="myo-pose", seeds=(0,))]
    found = read(tmp_path, [*share, *rows("avg_return", 1.0), *alone]).rows
    by_task = found.sort_values(["task", "seed", "step"])[["task", "score", "success"]].fillna(-1)
    assert by_task.to_numpy().tolist() == [
        ["dog-run", 1, 0.9],
        ["dog-run", 100_001, 0.9],
        ["dog-run", 1001, -1],
        ["dog-run", 101_001, -1],
        ["myo-pose", -1, 0.4],
        ["myo-pose", -1, 0.4],
    ]


def test_several_returns_are_asked_for(tmp_path: Path) -> None:
    table = [*rows("avg_return", 1.0), *rows("eval/return", 2.0)]
    with pytest.raises(
        StoreError, match=r"several metrics are returns \(avg_return, eval/return\): choose with --metric"
    ):
        read(tmp_path, table)
    assert read(tmp_path, table, metric="eval/return").rows["score"].iloc[0] == 2.0
    with pytest.raises(StoreError, match=r"--metric avg_retrun: no such metric \(nearest: avg_return\)"):
        read(tmp_path, table, metric="avg_retrun")
    with pytest.raises(StoreError, match=r"no metric is a return \(loss\): choose with --metric NAME"):
        read(tmp_path, rows("loss", 1.0))


def test_of_several_successes_the_usual_one_or_the_named_one_counts(tmp_path: Path) -> None:
    once, last = (
        [{**r, "value": v} for r in rows(name, 0.0)] for name, v in (("avg_success_once", 1), ("avg_success", 0))
    )
    table = [*rows("avg_return", 1.0), *once, *last]
    assert set(read(tmp_path, table).rows["success"]) == {0.0}
    assert set(read(tmp_path, table, success="avg_success_once").rows["success"]) == {1.0}


def test_a_metric_is_no_option_for_another_table(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="--metric: it has no columns 'metric' and 'value'"):
        read(tmp_path, [{"step": 1, "score": 2}], metric="avg_return")


def test_the_same_form_with_another_step_counts_by_its_name(tmp_path: Path) -> None:
    table = [{("step" if key == "env_step" else key): v for key, v in row.items()} for row in rows("avg_return", 1.0)]
    assert read(tmp_path, table).unit == "env steps"
