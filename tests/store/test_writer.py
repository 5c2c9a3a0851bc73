"""What a run's writer puts on disk: tables that explain themselves, rows that are never there twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dimebench.store import RunWriter, StoreError, mark_run, read_evals, read_run, read_train
from dimebench.store.schema import EVALS_SCHEMA
from tests.store.runs import content, episode, files, make_run, written


def test_a_run_is_three_files_and_no_others(tmp_path: Path) -> None:
    run = written(tmp_path)
    assert list(files(run.path)) == ["evals.parquet", "run.json", "train.parquet"]


def test_a_parquet_file_explains_itself(tmp_path: Path) -> None:
    run = written(tmp_path)
    for name in ("evals.parquet", "train.parquet"):
        facts = pq.read_schema(run.path / name).metadata
        assert facts[b"dimebench.schema"] == b"1"
        assert json.loads(facts[b"dimebench.identity"]) == run.identity


def test_evaluations_of_an_env_step_replace_those_written_for_it_before(tmp_path: Path) -> None:
    run = written(tmp_path)
    again = RunWriter(run)
    again.add_evaluation(300, [episode(0, 99.0)])
    again.add_evaluation(150, [episode(1, 2.0), episode(0, 1.0)])
    again.write()
    evals = pd.read_parquet(run.path / "evals.parquet")
    assert evals[["env_step", "episode", "return"]].values.tolist() == [
        [0, 0, 10.0],
        [0, 1, 20.0],
        [150, 0, 1.0],
        [150, 1, 2.0],
        [300, 0, 99.0],
    ]


def test_a_logging_point_replaces_the_one_written_for_its_env_step(tmp_path: Path) -> None:
    run = written(tmp_path)
    again = RunWriter(run)
    again.add_logging_point(300, {"grad_step": 600, "wall_time_s": 2.0, "critic_loss": 7.0})
    again.add_logging_point(400, {"grad_step": 800, "wall_time_s": 3.0, "alpha": 0.5})
    again.write()
    train = read_train([run])
    assert train["env_step"].tolist() == [300, 400]
    assert train["critic_loss"].iloc[0] == 7.0
    assert train["critic_loss"].isna().tolist() == [False, True]
    assert train["alpha"].isna().tolist() == [True, False]


def test_writing_the_same_again_gives_the_same_bytes(tmp_path: Path) -> None:
    run = written(tmp_path)
    before = files(tmp_path)
    RunWriter(run).write()
    assert files(tmp_path) == before


def test_a_writer_that_cannot_write_leaves_the_run_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = written(tmp_path)
    before = files(tmp_path)
    writer = RunWriter(run)
    writer.add_evaluation(600, [episode(0, 1.0)])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"evals\.parquet"):
        writer.write(status="interrupted")
    assert files(tmp_path) == before


def test_marking_a_run_changes_its_status_and_reason_alone(tmp_path: Path) -> None:
    run = written(tmp_path)
    mark_run(run.path, "failed", "out of memory")
    assert read_run(run.path) == replace(run, status="failed", reason="out of memory")


def test_marking_a_run_that_is_not_there_writes_nothing(tmp_path: Path) -> None:
    mark_run(tmp_path / "seed-000", "failed", "no reason")
    assert files(tmp_path) == {}


def test_numbers_that_json_does_not_have_are_never_written(tmp_path: Path) -> None:
    run = written(tmp_path)
    before = files(tmp_path)
    with pytest.raises(StoreError, match=r"run.json: would not be JSON: .*not JSON compliant"):
        RunWriter(run).write(progress={"env_step": 0, "grad_step": 0, "wall_time_s": float("nan")})
    assert (
        files(tmp_path)["small/dime/dm_control/dog-run/seed-000/run.json"]
        == before["small/dime/dm_control/dog-run/seed-000/run.json"]
    )


def test_a_writer_refuses_a_table_that_it_cannot_read(tmp_path: Path) -> None:
    run = written(tmp_path)
    (run.path / "evals.parquet").write_bytes(b"PAR1 and no more")
    before = files(tmp_path)
    with pytest.raises(StoreError, match=r"evals\.parquet: not a readable Parquet file \("):
        RunWriter(run)
    assert files(tmp_path) == before


def test_a_diverged_row_has_no_return(tmp_path: Path) -> None:
    writer = RunWriter(make_run(tmp_path, status="diverged"))
    writer.add_evaluation(40, [episode(0, None, length=0, diverged=True)])
    writer.write()
    evals = read_evals([writer.run])
    assert evals["return"].isna().tolist() == [True]
    assert evals["diverged"].tolist() == [True]


def test_a_name_with_any_letters_stands_in_run_json_as_it_is(tmp_path: Path) -> None:
    run = written(tmp_path, "dime", reason="größer als 'ß' [fast]")
    assert content(run)["reason"] == "größer als 'ß' [fast]"
    assert read_run(run.path) == run


# A step is written once; every episode of it is one row. Floats as they come, and none where there is none.
EPISODES = st.fixed_dictionaries(
    {
        "return": st.none() | st.floats(allow_nan=False),
        "length": st.integers(0, 2**62),
        "success": st.none() | st.booleans(),
        "grad_step": st.integers(0, 2**62),
        "wall_time_s": st.floats(0, 1e12),
        "diverged": st.booleans(),
    }
)
EVALUATIONS = st.dictionaries(st.integers(0, 2**62), st.lists(EPISODES, min_size=1, max_size=3), max_size=4)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(evaluations=EVALUATIONS)
def test_rows_come_back_as_they_were_written(evaluations: dict[int, list[dict]], tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for file in run.path.glob("*"):
        file.unlink()
    writer = RunWriter(run)
    for env_step, rows in evaluations.items():
        writer.add_evaluation(env_step, [row | {"episode": i} for i, row in enumerate(rows)])
    writer.write()
    found = pq.ParquetFile(run.path / "evals.parquet").read()
    key = {"suite": "small", "algorithm": "dime", "variant": "dime", "task": run.task, "seed": 0}
    assert found.to_pylist() == [
        key | {"env_step": env_step, "episode": i} | row
        for env_step in sorted(evaluations)
        for i, row in enumerate(evaluations[env_step])
    ]
    frame = read_evals([run])
    assert len(frame) == sum(map(len, evaluations.values()))
    assert pa.Schema.from_pandas(frame, preserve_index=False).names == EVALS_SCHEMA.names
