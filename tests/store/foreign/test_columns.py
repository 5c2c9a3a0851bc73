"""Which column is meant: by its usual name, by an option, and never by a guess."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dimebench.store import StoreError
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.read import read_file
from dimebench.store.foreign.rows import Reading


def read(tmp_path: Path, columns: dict[str, object], ending: str = "csv", **choices: str) -> Reading:
    table = pd.DataFrame({"algo": "x", "env": "dog-run", **columns}, index=[0, 1])
    file = tmp_path / f"a.{ending}"
    table.to_csv(file, index=False) if ending == "csv" else table.to_parquet(file)
    return read_file(file, Choices(**choices))


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("global_step", "step"),
        ("Global Step", "step"),
        ("charts/global_step", "step"),
        ("timesteps", "step"),
        ("frames", "step"),
        ("eval/mean_reward", "score"),
        ("episodic_return", "score"),
        ("avg_return", "score"),
    ],
)
def test_usual_names_are_known(name: str, key: str, tmp_path: Path) -> None:
    other = {"score": 1.0} if key == "step" else {"step": [1, 2]}
    assert read(tmp_path, {name: [5, 6], **other}).taken[key] == name


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"frame": [4, 8], "step": [1, 2], "score": 1.0}, "the step ('step', 'frame'): choose with --step COLUMN"),
        (
            {"Step": [0, 1], "global_step": [500, 1000], "score": 1.0},
            "the step ('Step', 'global_step'): choose with --step COLUMN",
        ),
        (
            {"step": [1, 2], "reward": 1.0, "return": 2.0},
            "the score ('return', 'reward'): choose with --score COLUMN",
        ),
        (
            {"step": 1, "score": 1.0, "seed": [0, 0], "run": [0, 1]},
            "the seed ('seed', 'run'): choose with --seed-column COLUMN",
        ),
        (
            {"step": 1, "score": 1.0, "algorithm": ["a", "b"]},
            "the algorithm ('algorithm', 'algo'): choose with --algorithm-column COLUMN",
        ),
        (
            {"step": 1, "score": 1.0, "task": ["a", "b"]},
            "the task ('task', 'env'): choose with --task-column COLUMN",
        ),
    ],
)
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_several_columns_that_differ_are_asked_for(
    columns: dict[str, object], line: str, ending: str, tmp_path: Path
) -> None:
    with pytest.raises(StoreError) as caught:
        read(tmp_path, columns, ending)
    assert str(caught.value) == f"{tmp_path / f'a.{ending}'}: several columns could be {line}"


def test_an_option_chooses_any_column(tmp_path: Path) -> None:
    columns = {"frame": [4, 8], "step": [1, 2], "my score": [5.0, 6.0], "score": 0.0, "seed": 0, "run": [3, 4]}
    found = read(tmp_path, columns, step="FRAME", score="my score", seed_column="run")
    assert found.rows[["step", "score", "seed"]].to_numpy().tolist() == [[4, 5, "3"], [8, 6, "4"]]
    assert found.unit == "frames"


def test_columns_that_say_the_same_are_no_question(tmp_path: Path) -> None:
    columns = {"step": [10, 20], "timestep": [10, 20], "score": [1.0, 2.0], "seed": 0, "run_id": "r0"}
    assert read(tmp_path, columns).taken["step"] == "step"


def test_a_misspelt_column_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"--step framse: no such column \(nearest: frames\)"):
        read(tmp_path, {"frames": 1, "score": 1.0}, step="framse")
    with pytest.raises(StoreError, match=r"no column for the score \(nearest: scroe\): name it with --score COLUMN"):
        read(tmp_path, {"step": 1, "scroe": 1.0})


@pytest.mark.parametrize("ending", ["csv", "parquet"])
@pytest.mark.parametrize(
    ("columns", "choices", "unit", "published"),
    [
        ({"step": 1}, {}, "env steps", False),
        ({"frames": 1}, {}, "frames", False),
        ({"env_frames": 1}, {}, "frames", False),
        ({"agent_frames": 1}, {"step": "agent_frames"}, "frames", False),
        ({"step": 1, "source_repo": ""}, {}, "env steps", False),
        ({"frames": 1}, {"unit": "env steps"}, "env steps", False),
        ({"step": 1, "source": "my laptop"}, {}, "env steps", False),
        ({"step": 1, "source_repo": "me/x"}, {}, "frames", True),
        ({"step": 1, "source_repo": "me/x"}, {"source": "them"}, "frames", True),
        ({"step": 1, "source_repo": "me/x"}, {"unit": "env steps"}, "env steps", True),
    ],
)
def test_what_steps_count_depends_on_the_columns_and_not_on_the_kind_of_file(
    columns: dict[str, object], choices: dict[str, str], unit: str, published: bool, ending: str, tmp_path: Path
) -> None:
    found = read(tmp_path, {"score": 1.0, "seed": [0, 1], **columns}, ending, **choices)
    assert (found.unit, found.published) == (unit, published)


def test_a_name_given_for_several_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"names 2 algorithms \(a, b\): --algorithm mine would make one of them"):
        read(tmp_path, {"step": 1, "score": 1.0, "algo": ["a", "b"]}, algorithm="mine")
    assert set(read(tmp_path, {"step": [1, 2], "score": 1.0}, algorithm="mine").rows["algorithm"]) == {"mine"}
