"""Curves from elsewhere, damaged or made up: imported, or refused in one line; no code runs, nothing is unpacked."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.test_hostile import FUZZ, HOSTILE, damaged, dimebench, holds

TASK = "dm_control/dog-run"
TABLE = pd.DataFrame(
    {"algorithm": "ppo", "task": TASK, "seed": [0, 0, 1, 1], "step": [0, 10, 0, 10], "score": [1.0, 2.0, 3.0, 4.0]}
)


def sb3(place: Path) -> Path:
    np.savez_compressed(place / "a.npz", timesteps=np.array([0, 100]), results=np.arange(4.0).reshape(2, 2))
    return place / "a.npz"


def pair(place: Path) -> Path:
    np.save(place / "env_interacts.npy", [0, 10])
    np.save(place / "mean_return.npy", np.arange(4.0).reshape(2, 2))
    return place / "mean_return.npy"


def csv(place: Path) -> Path:
    TABLE.to_csv(place / "a.csv", index=False)
    return place / "a.csv"


def parquet(place: Path) -> Path:
    TABLE.to_parquet(place / "a.parquet")
    return place / "a.parquet"


@FUZZ
@given(data=st.data(), make=st.sampled_from([sb3, pair, csv, parquet]))
def test_a_damaged_file_is_imported_or_named(
    data: st.DataObject, make: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("import")
    file = make(place)
    file.write_bytes(damaged(file.read_bytes(), data.draw))
    before = sorted(place.rglob("*"))
    words = ["--algorithm", "ppo", "--task", TASK] if make in (sb3, pair) else []
    answer = dimebench("import", str(file), *words, "--results", str(place / "results"))
    holds(answer)
    assert [path for path in sorted(place.rglob("*")) if "results" not in path.parts] == before


@FUZZ
@given(
    data=st.data(),
    column=st.sampled_from(["algorithm", "task", "seed", "step", "score"]),
    value=HOSTILE | st.text(max_size=20) | st.floats().map(str) | st.integers().map(str),
)
def test_a_table_of_other_values_is_imported_or_named(
    data: st.DataObject, column: str, value: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("import")
    (place / "inner").mkdir()
    table = TABLE.astype(object)
    table.loc[data.draw(st.integers(0, 3)), column] = value
    table.to_csv(place / "inner" / "a.csv", index=False, errors="replace")
    holds(dimebench("import", str(place / "inner" / "a.csv"), "--results", str(place / "inner" / "results")))
    assert [path.name for path in place.iterdir()] == ["inner"], "nothing lands elsewhere"
    assert {path.name for path in (place / "inner").iterdir()} <= {"a.csv", "results"}


@pytest.mark.parametrize("header", ["(4000000000000,)", "(2, 2)", "__import__('os')"])
def test_an_array_that_claims_to_be_huge_or_code_is_refused(header: str, tmp_path: Path) -> None:
    pair(tmp_path)
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {header}, }}".ljust(117) + "\n"
    raw = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + b"\0" * 16
    (tmp_path / "mean_return.npy").write_bytes(raw)
    answer = dimebench(
        "import", str(tmp_path), "--algorithm", "a", "--task", TASK, "--results", str(tmp_path / "results")
    )
    holds(answer)
    assert answer.code == 2
    assert ": cannot be read: " in answer.err
    assert not (tmp_path / "results").exists()


def test_a_small_zip_of_many_gigabytes_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    sb3(tmp_path)
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("results2.npy", "w", force_zip64=True) as entry,
    ):
        for _ in range(2**31 // 2**24 + 1):
            entry.write(bytes(2**24))
    assert (tmp_path / "a.npz").stat().st_size < 20_000_000
    refused_as_too_much(tmp_path / "a.npz")


def test_a_small_table_of_billions_of_rows_is_refused(tmp_path: Path) -> None:
    group = pa.table({"step": pa.repeat(pa.scalar(0, pa.int8()), 5_000_000)})
    with pq.ParquetWriter(tmp_path / "a.parquet", group.schema, compression="zstd") as writer:
        for _ in range(21):
            writer.write_table(group)
    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
    refused_as_too_much(tmp_path / "a.parquet")


def refused_as_too_much(file: Path) -> None:
    answer = dimebench("import", str(file), "--algorithm", "a", "--task", TASK, "--results", str(file.parent / "r"))
    holds(answer)
    assert answer.err == f"dimebench: {file}: unfolds to more than an import can take\n"
