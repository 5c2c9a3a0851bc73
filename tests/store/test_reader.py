"""Reading a results folder: what is whole is read, what is broken is named in one line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dimebench.store import Run, RunWriter, StoreError, read_curves, read_evals, read_run, read_runs, read_train
from tests.store.runs import episode, files, make_run, written

Read = Callable[[Sequence[Run]], pd.DataFrame]


def refusal(action: Callable[[], object]) -> str:
    """The line that `action` is refused with."""
    with pytest.raises(StoreError) as caught:
        action()
    message = str(caught.value)
    assert message.isprintable(), "one line"
    return message


def test_runs_come_sorted_and_as_they_were_written(tmp_path: Path) -> None:
    runs = [written(tmp_path, variant, seed) for variant in ("sac", "dime:utd=4", "dime") for seed in (10, 2)]
    assert read_runs(tmp_path) == sorted(runs, key=lambda run: (run.variant, run.seed))


def test_one_suite_can_be_asked_for(tmp_path: Path) -> None:
    written(tmp_path)
    assert read_runs(tmp_path, "small")
    assert read_runs(tmp_path, "smal") == []


def test_reading_changes_nothing(tmp_path: Path) -> None:
    run = written(tmp_path)
    before = files(tmp_path)
    read_runs(tmp_path)
    read_evals([run])
    read_train([run])
    assert files(tmp_path) == before


def test_files_that_are_no_runs_are_passed_over(tmp_path: Path) -> None:
    run = written(tmp_path)
    (tmp_path / "README.md").write_text("hello")
    (tmp_path / "small" / "notes.txt").write_text("mine")
    (run.path.parent / "checkpoints" / "seed-000").mkdir(parents=True)
    (run.path.parent / "checkpoints" / "seed-000" / "run.json").write_text("{")
    (run.path.parent / "seed-007").mkdir()
    assert read_runs(tmp_path) == [run]


def test_evaluations_have_the_types_that_the_schema_promises(tmp_path: Path) -> None:
    evals = read_evals([written(tmp_path, seed=seed) for seed in (0, 1)])
    assert {name: str(kind) for name, kind in evals.dtypes.items()} == {
        **dict.fromkeys(("suite", "algorithm", "variant", "task"), "object"),
        **dict.fromkeys(("seed", "env_step", "grad_step", "episode"), "int64"),
        "return": "float64",
        "length": "int64",
        "success": "float64",
        "wall_time_s": "float64",
        "diverged": "bool",
    }
    assert evals["seed"].value_counts().to_dict() == {0: 4, 1: 4}


def test_no_runs_give_empty_tables_with_all_columns(tmp_path: Path) -> None:
    assert len(read_evals([])) == 0
    assert len(read_train([])) == 0
    assert list(read_evals([])) == list(read_evals([written(tmp_path)]))


def test_a_run_without_tables_has_no_rows(tmp_path: Path) -> None:
    assert len(read_evals([make_run(tmp_path)])) == 0


def test_metrics_that_an_algorithm_does_not_have_are_nan(tmp_path: Path) -> None:
    one, other = written(tmp_path, "dime"), RunWriter(make_run(tmp_path, "sac"))
    other.add_logging_point(300, {"grad_step": 1, "wall_time_s": 1.0, "alpha": 0.5})
    other.write()
    train = read_train([one, other.run])
    assert train["critic_loss"].isna().tolist() == [False, True]
    assert train["alpha"].isna().tolist() == [True, False]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert refusal(lambda: read_runs(tmp_path / "nope")) == f"no results folder at '{tmp_path / 'nope'}'"
    (tmp_path / "file").write_text("x")
    assert refusal(lambda: read_runs(tmp_path / "file")) == f"no results folder at '{tmp_path / 'file'}'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", ":1: not JSON: Expecting value"),
        (b'{\n "schema": 1,\n "suite": "sm', ":3: not JSON: Unterminated string starting at"),
        (b'{"schema": NaN}', ": not JSON: NaN is no number of JSON"),
        (b"[" * 100_000, ": not JSON: maximum recursion depth exceeded"),
        (b"\xff\xfe\x00", ": not UTF-8 text"),
        (b"null", ": not a run.json of schema 1"),
        (b'{"schema": 2}', ": written in schema 2; this dimebench reads schema 1"),
        (b'{"schema": 1}', ": 'suite' is missing"),
    ],
)
def test_a_broken_run_json_is_named_with_what_is_wrong(text: bytes, message: str, tmp_path: Path) -> None:
    run = written(tmp_path)
    file = run.path / "run.json"
    file.write_bytes(text)
    assert refusal(lambda: read_runs(tmp_path)).startswith(f"{file}{message}")


def test_a_number_of_thousands_of_digits_is_refused(tmp_path: Path) -> None:
    run = written(tmp_path)
    (run.path / "run.json").write_text('{"schema": ' + "9" * 10_000 + "}")
    assert "not JSON: Exceeds the limit" in refusal(lambda: read_run(run.path))


def test_a_folder_in_the_place_of_run_json_is_named(tmp_path: Path) -> None:
    run = written(tmp_path)
    (run.path / "run.json").unlink()
    (run.path / "run.json").mkdir()
    assert refusal(lambda: read_run(run.path)) == f"{run.path / 'run.json'}: cannot be read (Is a directory)"


def test_a_copied_run_is_not_counted_twice(tmp_path: Path) -> None:
    run = written(tmp_path)
    copy = run.path.parent / "seed-000-backup"
    shutil.copytree(run.path, copy)
    name = "dime on dm_control/dog-run seed 0 of suite small"
    assert refusal(lambda: read_runs(tmp_path)) == f"{copy / 'run.json'}: {name} is at {run.path} already"


@pytest.mark.parametrize("size", [0, 3, 100, -10])
def test_a_truncated_table_is_named(size: int, tmp_path: Path) -> None:
    run = written(tmp_path)
    for file in (run.path / "evals.parquet", run.path / "train.parquet"):
        file.write_bytes(file.read_bytes()[:size])
    for name, read in (
        ("evals.parquet", read_evals),
        ("evals.parquet", read_curves),
        ("train.parquet", read_train),
    ):
        assert refusal(partial(read, [run])).startswith(f"{run.path / name}: not a readable Parquet file (")


@pytest.mark.parametrize("read", [read_evals, read_curves])
def test_corrupt_bytes_are_found_and_never_give_other_numbers(read: Read, tmp_path: Path) -> None:
    run = written(tmp_path)
    file = run.path / "evals.parquet"
    before, whole = read([run]), file.read_bytes()
    refused = 0
    for place in range(4, len(whole) - 8, 61):
        file.write_bytes(whole[:place] + bytes(8) + whole[place + 8 :])
        message = ""
        try:
            pd.testing.assert_frame_equal(read([run]), before)
        except StoreError as error:
            message = str(error)
        assert message == "" or message.startswith(f"{file}: ")
        assert message.isprintable()
        refused += message != ""
    assert refused > 10, "the bytes of pages and of the footer matter; those of the key-value metadata do not"


def rewrite(run: Run, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Somebody's own edit of a run's evaluations."""
    change(pq.ParquetFile(run.path / "evals.parquet").read().to_pandas()).to_parquet(run.path / "evals.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.drop(columns="return"), "column 'return' is missing"),
        (lambda rows: rows.assign(length="long"), "not the columns of a run ("),
        (lambda rows: rows.assign(seed=3), "rows of seed 3 in a run of seed 0"),
        (lambda rows: rows.assign(variant="sac"), "rows of variant 'sac' in a run of variant 'dime'"),
        (lambda rows: rows.assign(env_step=None), "column 'env_step' has rows without a value"),
        (lambda rows: rows.assign(diverged=None), "column 'diverged' has rows without a value"),
    ],
)
def test_a_table_of_other_columns_or_another_run_is_named(
    change: Callable[[pd.DataFrame], pd.DataFrame], message: str, tmp_path: Path
) -> None:
    run = written(tmp_path)
    rewrite(run, change)
    for read in (read_evals, read_curves):
        assert refusal(partial(read, [run])).startswith(f"{run.path / 'evals.parquet'}: {message}")


def stored_again(run: Run, **how: Any) -> None:
    """The same evaluations, written by somebody's own pyarrow."""
    file = run.path / "evals.parquet"
    pq.write_table(pq.ParquetFile(file).read(), file, **how)


def test_curves_are_made_of_the_very_rows_whoever_wrote_them(tmp_path: Path) -> None:
    runs = [written(tmp_path, variant, seed) for variant in ("sac", "dime:utd=4") for seed in (0, 1, 2)]
    stored_again(runs[0], write_statistics=False)
    stored_again(runs[1], row_group_size=2)
    rewrite(runs[2], lambda rows: rows.assign(note="mine")[["note", *reversed(rows.columns)]])
    (runs[3].path / "evals.parquet").unlink()
    runs[3] = replace(runs[3], status="running")  # before its first evaluation
    whole, found = read_evals(runs), read_curves(runs)
    assert len(found) > 0
    pd.testing.assert_frame_equal(found.astype({"variant": object, "task": object}), whole[list(found.columns)])
    assert read_curves([]).empty


def test_evaluations_of_a_finished_run_that_are_gone_are_named(tmp_path: Path) -> None:
    runs = [written(tmp_path, seed=seed, status="finished") for seed in (0, 1)]
    (runs[1].path / "evals.parquet").unlink()
    assert refusal(lambda: read_curves(runs)) == (
        f"{runs[1].path / 'evals.parquet'}: missing, though the run is finished; `run` trains it again"
    )


def test_rows_of_another_run_are_found_without_statistics_too(tmp_path: Path) -> None:
    run = written(tmp_path)
    rewrite(run, lambda rows: rows.assign(seed=3))
    stored_again(run, write_statistics=False)
    assert "rows of seed 3 in a run of seed 0" in refusal(lambda: read_curves([run]))


def test_columns_in_another_order_and_columns_of_ones_own_do_no_harm(tmp_path: Path) -> None:
    run = written(tmp_path)
    before = read_evals([run])
    rewrite(run, lambda rows: rows.assign(note="mine")[["note", *reversed(rows.columns)]])
    pd.testing.assert_frame_equal(read_evals([run]), before)


def test_plain_pandas_reads_the_whole_tree(tmp_path: Path) -> None:
    for seed in (0, 1):
        written(tmp_path, seed=seed)
    frames = [pd.read_parquet(file) for file in sorted(tmp_path.rglob("evals.parquet"))]
    together = pd.concat(frames)
    assert re.fullmatch("small", together["suite"].unique().item())
    assert together.groupby("seed")["return"].mean().to_dict() == {0: 165.0, 1: 165.0}


def test_arrow_reads_the_whole_tree_as_one_dataset(tmp_path: Path) -> None:
    for variant in ("dime", "dime:utd=4"):
        written(tmp_path, variant)
    found = pa.concat_tables(pq.ParquetFile(file).read() for file in tmp_path.rglob("evals.parquet"))
    assert sorted(set(found["variant"].to_pylist())) == ["dime", "dime:utd=4"]


def test_a_success_comes_back_as_one_zero_or_nothing(tmp_path: Path) -> None:
    writer = RunWriter(make_run(tmp_path))
    writer.add_evaluation(0, [episode(i, 1.0, success=value) for i, value in enumerate((True, False, None))])
    writer.write()
    assert read_evals([writer.run])["success"].fillna(-1).tolist() == [1.0, 0.0, -1.0]


def test_a_success_that_a_former_release_wrote_is_read_alike(tmp_path: Path) -> None:
    run = written(tmp_path)
    rewrite(run, lambda rows: rows.assign(success=pd.array([True, False, None, True], dtype="boolean")))
    assert read_evals([run])["success"].fillna(-1).tolist() == [1.0, 0.0, -1.0, 1.0]
    assert len(read_curves([run])) == 4


def test_seeds_of_a_cell_hold_their_identity_once_and_others_their_own(tmp_path: Path) -> None:
    for seed in range(3):
        written(tmp_path, seed=seed)
    other = {"sha256": "cd" * 32, "of": {"protocol": {"env_steps": 300}, "settings": {"utd": 3}}}
    written(tmp_path, variant="sac", identity=other)
    forged = {"sha256": "cd" * 32, "of": {"protocol": {"env_steps": 300}, "settings": {"utd": 4}}}
    written(tmp_path, variant="sac", seed=1, identity=forged)
    dime, sac = ([run.identity for run in read_runs(tmp_path) if run.variant == name] for name in ("dime", "sac"))
    assert dime[0] is dime[1] is dime[2]
    assert sac == [other, forged]


def test_folders_that_no_run_can_be_in_are_passed_over(tmp_path: Path) -> None:
    run = written(tmp_path)
    task = run.folder.parent
    (task / "checkpoints" / "seed-000").mkdir(parents=True)
    (task / "seed-001").mkdir()  # nothing in it yet
    (task / "seed-002").write_text("a file")
    (tmp_path / ".hidden" / "dime" / "dm_control" / "dog-run" / "seed-000").mkdir(parents=True)
    (tmp_path / ".hidden" / "dime" / "dm_control" / "dog-run" / "seed-000" / "run.json").write_text("{")
    (tmp_path / "notes.txt").write_text("")
    assert [found.seed for found in read_runs(tmp_path)] == [0]
    (tmp_path / "linked").symlink_to(tmp_path / "small", target_is_directory=True)
    with pytest.raises(StoreError, match="is at"):
        read_runs(tmp_path)
