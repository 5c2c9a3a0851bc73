"""A table is its columns, whoever wrote it: pandas' index, categories, types and compression do not matter."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dimebench.store import StoreError
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.read import read_file
from dimebench.store.foreign.tables import read_table

ROWS = [
    {"algorithm": a, "task": "dog-run", "seed": s, "step": k, "score": 0.1 + s + k / 3}
    for a in ("A", "B")
    for s in (0, 1, 2)
    for k in (1000, 2000)
]
PLAIN = pd.DataFrame(ROWS)
FORMS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "as it is": lambda t: t,
    "index of seeds": lambda t: t.set_index("seed"),
    "index of steps": lambda t: t.set_index("step"),
    "index of several": lambda t: t.set_index(["algorithm", "task", "seed", "step"]),
    "index beside the column": lambda t: t.set_index("seed", drop=False),
    "index without a name": lambda t: t.set_index(pd.Index(range(5, 5 + len(t)))),
    "categories": lambda t: t.astype({"algorithm": "category", "task": "category", "seed": "category"}),
    "categories of numbers": lambda t: t.astype({"step": "category", "score": "category"}),
    "an index of categories": lambda t: t.astype({"algorithm": "category"}).set_index("algorithm"),
    "nullable types": lambda t: t.convert_dtypes(),
    "seeds as floats": lambda t: t.astype({"seed": float, "step": float}),
    "small and unsigned": lambda t: t.astype({"seed": "int8", "step": "uint16"}),
    "seeds as text": lambda t: t.astype({"seed": str}),
    "Arrow's texts": lambda t: t.astype({"algorithm": pd.ArrowDtype(pa.large_string())}),
    "decimals": lambda t: t.assign(step=[Decimal(k) for k in t["step"]]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_parquet_table_is_the_same_whatever_pandas_says_beside_it(form: str, tmp_path: Path) -> None:
    FORMS[form](PLAIN).to_parquet(tmp_path / "a.parquet")
    same(read_file(tmp_path / "a.parquet", Choices()).rows)


def same(rows: pd.DataFrame) -> None:
    found = rows[["algorithm", "task", "seed", "step", "score"]]
    expected = PLAIN.astype({"seed": str, "step": float})
    keys = ["algorithm", "seed", "step"]
    found, expected = (each.sort_values(keys, ignore_index=True) for each in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)


def test_an_index_that_is_told_and_not_stored_is_read(tmp_path: Path) -> None:
    one = PLAIN.head(2).drop(columns="step").set_index(pd.RangeIndex(1000, 3000, 1000, name="step"))
    one.to_parquet(tmp_path / "a.parquet")
    assert "step" not in pq.ParquetFile(tmp_path / "a.parquet").schema_arrow.names
    assert read_file(tmp_path / "a.parquet", Choices()).rows["step"].tolist() == [1000, 2000]


def test_a_column_and_an_index_of_one_name_that_differ_are_refused(tmp_path: Path) -> None:
    table = PLAIN.set_index(pd.Index(range(len(PLAIN)), name="seed"))
    table.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(StoreError, match=r"a\.parquet: 'seed' is the name of a column and of an index that differ"):
        read_file(tmp_path / "a.parquet", Choices())


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".csv.gz", ".csv.bz2", ".csv.xz", ".CSV"])
def test_text_is_read_alike_packed_or_not_and_to_the_last_bit(ending: str, tmp_path: Path) -> None:
    text = PLAIN.to_csv(index=False, sep="\t" if ending == ".tsv" else ",").encode()
    pack = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}.get(ending[4:], bytes)
    (tmp_path / f"a{ending}").write_bytes(pack(b"\xef\xbb\xbf" + text))
    same(read_file(tmp_path / f"a{ending}", Choices()).rows)


def test_pandas_index_column_in_a_csv_is_no_matter(tmp_path: Path) -> None:
    PLAIN.to_csv(tmp_path / "a.csv")
    PLAIN.set_index(["seed", "step"]).to_csv(tmp_path / "b.csv")
    same(read_file(tmp_path / "a.csv", Choices()).rows)
    same(read_file(tmp_path / "b.csv", Choices()).rows)


def test_names_that_look_like_nothing_stay_names(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("algorithm,task,seed,step,score\nNA,dog-run,0,1,2\nnull,dog-run,0,1,3\n")
    assert read_file(tmp_path / "a.csv", Choices()).rows["algorithm"].tolist() == ["NA", "null"]


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NA", "null", "None", " "])
def test_a_missing_number_is_missing_however_it_is_written(word: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"step,score\n1,2\n2,{word}\n")
    assert np.isnan(read_table(tmp_path / "a.csv").numbers("score")).tolist() == [False, True]


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        ({"step": pd.to_datetime(["2020-01-01"])}, "column 'step' holds timestamp[ns], not numbers"),
        ({"step": pd.to_timedelta([5], "s")}, "column 'step' holds duration[ns], not numbers"),
        ({"score": [True]}, "column 'score' holds bool, not numbers"),
        ({"score": [[1.0]]}, "column 'score' holds list<element: double>, not numbers"),
        ({"algorithm": [["a"]]}, "column 'algorithm' holds list<element: string>, not text"),
        ({"step": [2**60]}, "row 1: step 1.15292e+18 is beyond 1e+15"),
        ({"score": [1e100]}, "row 1: score 1e+100 is beyond 1e+15"),
        ({"score": [-np.inf]}, "row 1: score -inf is beyond 1e+15"),
        ({"step": [-5]}, "row 1: step -5 is below 0"),
        ({"ep_len": [-2]}, "row 1: ep_len -2 is below 0"),
        ({"step": [None]}, "row 1: step is empty"),
        ({"step": [0.5]}, "row 1: step 0.5 is no whole number of steps"),
    ],
)
def test_what_is_no_number_here_is_refused_by_name(columns: dict[str, object], line: str, tmp_path: Path) -> None:
    PLAIN.head(1).drop(columns=[n for n in columns if n in PLAIN]).assign(**columns).to_parquet(
        tmp_path / "a.parquet"
    )
    with pytest.raises(StoreError) as caught:
        read_file(tmp_path / "a.parquet", Choices())
    assert str(caught.value) == f"{tmp_path / 'a.parquet'}: {line}"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "is empty"),
        (b"step,score\n", "holds no rows"),
        (b"step,score,step\n1,2,3\n", "two columns are called 'step'"),
        (b"step,score\n1,\xff\n", "line 2 is not UTF-8 text"),
        (b"step,score\n1,2,3\n", "line 2 has 3 fields, the lines before it 2"),
        (b"step;score\n1;2,5\n", "its columns are separated by ';', not by ','"),
    ],
)
def test_a_text_that_is_no_table_is_refused(content: bytes, line: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(StoreError) as caught:
        read_file(tmp_path / "a.csv", Choices())
    assert str(caught.value).startswith(f"{tmp_path / 'a.csv'}: {line}")


def test_a_small_packed_text_of_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dimebench.store.foreign.tables.LARGEST", 10_000)
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"step,score\n" + b"1,2\n" * 10_000))
    with pytest.raises(StoreError, match="unfolds to more than an import can take"):
        read_table(tmp_path / "a.csv.gz")


@pytest.mark.parametrize(
    "said", [b"not json", b"[1]", b'{"index_columns": null}', b'{"index_columns": [{"kind": "range"}]}']
)
def test_what_is_said_of_an_index_may_be_anything(said: bytes, tmp_path: Path) -> None:
    table = pa.Table.from_pandas(PLAIN).replace_schema_metadata({b"pandas": said})
    pq.write_table(table, tmp_path / "a.parquet")
    same(read_file(tmp_path / "a.parquet", Choices()).rows)


def test_what_the_folders_say_of_a_part_is_read(tmp_path: Path) -> None:
    PLAIN.to_parquet(tmp_path / "set", partition_cols=["algorithm", "seed"])
    parts = [read_file(file, Choices()).rows for file in sorted((tmp_path / "set").rglob("*.parquet"))]
    same(pd.concat(parts))


def test_line_ends_and_blank_lines_are_no_matter(tmp_path: Path) -> None:
    for number, end in enumerate(("\r\n", "\r", "\n")):
        text = "  \n\n" + PLAIN.to_csv(index=False)
        (tmp_path / f"{number}.csv").write_bytes(text.replace("\n", end).encode())
        same(read_file(tmp_path / f"{number}.csv", Choices()).rows)
    PLAIN.set_index("seed").to_csv(tmp_path / "a.tsv", sep="\t")
    PLAIN.to_csv(tmp_path / "b.tsv", sep="\t")
    same(read_file(tmp_path / "a.tsv", Choices()).rows)
    same(read_file(tmp_path / "b.tsv", Choices()).rows)


def test_successes_that_are_no_shares_and_unknown_lengths_are_not_read(tmp_path: Path) -> None:
    PLAIN.assign(success=95.0, ep_len=-1).to_csv(tmp_path / "a.csv", index=False)
    found = read_file(tmp_path / "a.csv", Choices())
    assert found.rows[["success", "length"]].isna().all(axis=None)
    assert found.ignored == "successes were not read: 95 is no share from 0 to 1"
