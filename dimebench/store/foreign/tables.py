"""A csv or Parquet file as plain columns, whoever wrote it: pandas' index, categories and types do not matter.

csv is read as text, so that numbers are parsed exactly and a name such as `NA` stays a name.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dimebench.errors import shorten
from dimebench.store.errors import StoreError

LARGEST = 2**31  # bytes of one file, unpacked too
MOST_VALUES = 10**8  # of one table: a thousand times what any study has published
TOO_MUCH = "unfolds to more than an import can take"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
UNPACK: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
PARQUET = (".parquet", ".pq")
MISSING = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})  # in a column of numbers


@dataclass(frozen=True)
class Table:
    """Columns by name, as Arrow arrays of equal length. `identity`: of the run, in a file of dimebench's own."""

    columns: dict[str, pa.ChunkedArray]
    identity: dict[str, Any] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def numbers(self, name: str, truth: bool = False) -> np.ndarray:
        """The column as float64 [rows], NaN where there is nothing. Raises StoreError naming the first wrong row.

        truth: True and False count as 1 and 0.
        """
        column = self.columns[name]
        kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind):
            return np.asarray(column.to_pandas(), dtype=np.float64)
        if pa.types.is_decimal(kind) or (truth and pa.types.is_boolean(kind)):
            return np.array([np.nan if v is None else float(v) for v in column.to_pylist()], dtype=np.float64)
        if pa.types.is_null(kind):
            return np.full(len(column), np.nan)
        words = _words(column)
        if words is None:
            raise StoreError(f"column '{shorten(name)}' holds {kind}, not numbers")
        return _parsed(words, name, truth)

    def texts(self, name: str) -> np.ndarray:
        """The column as texts [rows], "" where there is nothing; whole numbers without a point."""
        column = self.columns[name]
        words = _words(column)
        if words is None:
            if pa.types.is_nested(column.type):
                raise StoreError(f"column '{shorten(name)}' holds {column.type}, not text")
            values = column.to_pylist()
            words = ["" if v is None or v != v else f"{v:g}" if _whole(v) else str(v) for v in values]
        return np.array(words, dtype=object)


def read_table(file: Path) -> Table:
    """The table in a .csv, .tsv (also .gz, .bz2, .xz) or .parquet file.

    Raises StoreError (without the file's name) for what is no such table; OSError, and what the libraries raise for
    damaged content.
    """
    if file.stat().st_size > LARGEST:
        raise StoreError("larger than 2 GiB")
    table = _parquet(file) if file.suffix.lower() in PARQUET else _csv(file)
    if table.rows == 0:
        raise StoreError("holds no rows")
    return Table(_of_folders(file, table) | table.columns, table.identity)


def _of_folders(file: Path, table: Table) -> dict[str, pa.ChunkedArray]:
    """What the names of the folders above say of every row: `seed=3/part-0.parquet`."""
    found: dict[str, pa.ChunkedArray] = {}
    for folder in file.absolute().parents:
        name, equals, value = folder.name.partition("=")
        if not (name and equals):
            break
        found[name] = pa.chunked_array([pa.array([unquote(value)] * table.rows, pa.string())])
    return found


def kind_of(file: Path) -> str:
    """The file's ending that says what it holds: ".csv" of "a.csv.gz"."""
    ends = [suffix.lower() for suffix in file.suffixes[-2:]]
    return ends[0] if len(ends) == 2 and ends[1] in UNPACK else file.suffix.lower()


def _csv(file: Path) -> Table:
    unpack = UNPACK.get(file.suffix.lower())
    raw: Any = file.open("rb") if unpack is None else unpack(file, "rb")
    with raw:
        content = raw.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise StoreError(TOO_MUCH)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise StoreError(f"line {line} is not UTF-8 text") from error
    if not text.strip():
        raise StoreError("is empty")
    delimiter = DELIMITERS[kind_of(file)]
    text = re.sub(r"\A([ \t]*\n)+", "", text.replace("\r\n", "\n").replace("\r", "\n"))
    header = [name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=delimiter))]
    _without_twins(header)
    if len(header) == 1 and ";" in header[0]:
        raise StoreError(f"its columns are separated by ';', not by {delimiter!r}")
    try:
        frame = pd.read_csv(
            io.StringIO(text), sep=delimiter, header=None, dtype=str, na_filter=False, skipinitialspace=True
        )
    except pd.errors.ParserError as error:
        counts = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
        if counts is None:
            raise
        raise StoreError(f"line {counts[2]} has {counts[3]} fields, the lines before it {counts[1]}") from error
    if frame.shape[0] * frame.shape[1] > MOST_VALUES:
        raise StoreError(TOO_MUCH)
    rows = frame.iloc[1:].fillna("")  # the ends of lines that are too short
    return Table({name: pa.chunked_array([pa.array(rows[i], pa.string())]) for i, name in enumerate(header) if name})


def _parquet(file: Path) -> Table:
    stored = pq.ParquetFile(file, page_checksum_verification=True)
    if stored.metadata.num_rows * stored.metadata.num_columns > MOST_VALUES:
        raise StoreError(TOO_MUCH)
    table = stored.read()
    _without_twins([str(name) for name in table.column_names])
    columns = {str(name): _decoded(table.column(i)) for i, name in enumerate(table.column_names)}
    for name, values in _index(table, columns).items():
        there = columns.get(name)
        if there is not None and there.to_pylist() != values.to_pylist():
            raise StoreError(f"'{shorten(name)}' is the name of a column and of an index that differ")
        columns[name] = values
    return Table(columns, _identity(table))


def _identity(table: pa.Table) -> dict[str, Any]:
    """The identity of the run that dimebench wrote the file for; {} in a file of anybody else."""
    try:
        found = json.loads((table.schema.metadata or {})[b"dimebench.identity"])
        return dict(found["of"])
    except (KeyError, ValueError, TypeError):
        return {}


def _index(table: pa.Table, columns: dict[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
    """The levels of pandas' index that have a name and are not stored under it."""
    found: dict[str, pa.ChunkedArray] = {}
    with suppress(ValueError, TypeError, AttributeError, KeyError):  # what is said there may be anything
        facts = table.schema.pandas_metadata or {}
        stored_as = {each.get("field_name"): each.get("name") for each in facts.get("columns") or ()}
        for level in facts.get("index_columns") or ():
            if isinstance(level, dict):  # a range, which is told and not stored
                name = level.get("name")
                values = range(level["start"], level["stop"], level["step"])
                if name is not None and len(values) == table.num_rows:
                    found[str(name)] = pa.chunked_array([pa.array(values, pa.int64())])
            elif (name := stored_as.get(level)) is not None and str(name) != level and level in columns:
                found[str(name)] = columns[level]
    return found


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values themselves, where a column is stored as codes of categories."""
    kind = column.type
    return column.cast(kind.value_type) if pa.types.is_dictionary(kind) else column


def _without_twins(names: list[str]) -> None:
    twin = next((name for name, count in Counter(names).items() if name and count > 1), None)
    if twin is not None:
        raise StoreError(f"two columns are called '{shorten(twin)}'")


def _words(column: pa.ChunkedArray) -> list[str] | None:
    """The texts of a column of texts, or of bytes as some writers store them; None for another column."""
    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return ["" if v is None else v.decode() for v in column.to_pylist()]
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view":
        return ["" if v is None else v for v in column.to_pylist()]
    return None


def _whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer() and abs(value) < 1e15


def _parsed(words: list[str], name: str, truth: bool) -> np.ndarray:
    known = {"true": 1.0, "false": 0.0} if truth else {}

    def number(row: int, word: str) -> float:
        plain = word.strip().lower()
        if plain in MISSING:
            return np.nan
        if plain in known:
            return known[plain]
        try:
            return float(plain)
        except ValueError:
            raise StoreError(f"row {row}: {name} {shorten(word, 40)!r} is no number") from None

    return np.array([number(row, word) for row, word in enumerate(words, 1)], dtype=np.float64)
