"""Files of other tools as rows: found, read, and their numbers checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from dimebench.errors import one_line
from dimebench.numbers import LARGEST
from dimebench.store.errors import StoreError
from dimebench.store.foreign.arrays import RETURNS_FILE, STEPS_FILE, read_pair, read_sb3
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.names import tidy
from dimebench.store.foreign.rows import COLUMNS, TEXT, Reading, of_arrays, of_table
from dimebench.store.foreign.tables import DELIMITERS, PARQUET, kind_of, read_table

PAIR = (STEPS_FILE, RETURNS_FILE)
READABLE = (".npz", *DELIMITERS, *PARQUET)
KNOWN = ".npz, .npy, .csv, .tsv (.gz, .bz2, .xz), .parquet"
WHOLE_FROM = 1000  # steps: below it a fraction says that the column counts thousands or millions, or no steps


def read_files(files: Sequence[Path], choices: Choices) -> list[Reading]:
    """Every file, and every readable one in a folder. Raises StoreError, or OSError, naming the file.

    The two of a pair of .npy files are one. Raises StoreError for a file that is named twice.
    """
    found = [each for file in files for each in _in_folder(file)]
    places = [file.resolve() for file in found]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise StoreError(f"{found[number]}: is named twice")
    pairs = [place.parent if place.name in PAIR else place for place in places]
    return [read_file(file, choices) for i, file in enumerate(found) if pairs[i] not in pairs[:i]]


def read_file(file: Path, choices: Choices) -> Reading:
    """One file. Raises StoreError, or OSError, naming it."""
    try:
        found = _checked(_read(file, choices))
        texts = {key: found.rows[key].map({n: tidy(n, key) for n in found.rows[key].unique()}) for key in TEXT}
        return replace(found, rows=found.rows.assign(**texts)[list(COLUMNS)].reset_index(drop=True))
    except StoreError as error:
        raise StoreError(f"{file}: {error}") from error
    except Exception as error:  # damaged zip, zlib, NumPy headers, pandas and Arrow raise all kinds
        if isinstance(error, OSError) and error.filename is not None:
            raise
        text = one_line(error) or type(error).__name__
        raise StoreError(f"{file}: cannot be read: {text[:120]}") from error


def _in_folder(file: Path) -> Iterator[Path]:
    """The file itself, or the readable ones in a folder that holds no pair of .npy files."""
    if not file.is_dir() or any((file / name).exists() for name in PAIR):
        yield file
        return
    inside = sorted(each for each in file.rglob("*") if each.is_file() and kind_of(each) in READABLE)
    shown = [each for each in inside if not any(part.startswith(".") for part in each.relative_to(file).parts)]
    if not shown:
        raise StoreError(f"{file}: a folder without anything to import (known: {KNOWN})")
    yield from shown


def _read(file: Path, choices: Choices) -> Reading:
    if not file.exists():
        raise StoreError("no such file")
    if file.is_dir() or file.suffix == ".npy":
        if not file.is_dir() and file.name not in PAIR:
            raise StoreError(f"is neither {STEPS_FILE} nor {RETURNS_FILE}")
        choices.check_for_arrays(pair=True)
        return of_arrays(file, read_pair(file if file.is_dir() else file.parent, choices.runs_in), choices)
    if file.suffix == ".npz":
        choices.check_for_arrays(pair=False)
        return of_arrays(file, read_sb3(file), choices)
    if kind_of(file) in (*DELIMITERS, *PARQUET):
        choices.check_for_table()
        return of_table(file, read_table(file), choices)
    raise StoreError(f"'{file.suffix}' is no format to import (known: {KNOWN})")


def _checked(reading: Reading) -> Reading:
    """Raises StoreError, naming the row, for numbers that no later step can use."""
    rows = reading.rows
    if rows.empty:
        raise StoreError("holds no run: its rows are aggregates over seeds")
    for key in ("step", "score", "length"):
        values = rows[key].to_numpy(np.float64)
        name = reading.taken.get(key, key)
        if key == "step" and np.isnan(values).any():
            raise StoreError(f"row {_first(rows, np.isnan(values))}: {name} is empty")
        wrong = np.abs(values) > LARGEST
        if wrong.any():
            number = values[wrong][0]
            raise StoreError(f"row {_first(rows, wrong)}: {name} {number:g} is beyond {LARGEST:g}")
        if key != "score" and (values < 0).any():
            raise StoreError(f"row {_first(rows, values < 0)}: {name} {values[values < 0][0]:g} is below 0")
        broken = (values != np.round(values)) & (values < WHOLE_FROM)
        if key == "step" and broken.any():
            raise StoreError(f"row {_first(rows, broken)}: {name} {values[broken][0]:g} is no whole number of steps")
    return reading


def _first(rows: pd.DataFrame, where: np.ndarray) -> int:
    return int(rows["row"].to_numpy()[where][0])
