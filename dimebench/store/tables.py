"""The Parquet tables of runs: evaluations, learning curves, training metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dimebench.store.errors import StoreError
from dimebench.store.places import Place, RemotePath
from dimebench.store.reader import REMOTE_READERS, side_by_side
from dimebench.store.schema import EVALS_FILE, EVALS_SCHEMA, KEY_COLUMNS, TRAIN_FILE, TRAIN_SCHEMA, Run

R = TypeVar("R")
READERS = 4  # local files read in parallel
MOST_ROWS, MOST_COLUMNS = 5_000_000, 1000  # a file of a few kB can expand to more than fits in memory
TOO_MANY = "more rows or columns than a run has"


def read_evals(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per evaluation episode of the given runs: the columns of EVALS_SCHEMA."""
    table = pa.concat_tables([EVALS_SCHEMA.empty_table(), *_tables(runs, EVALS_FILE)])
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype({"diverged": bool})


CURVE_COLUMNS = ("env_step", "grad_step", "return", "wall_time_s", "diverged")


def read_curves(runs: Sequence[Run], broken: dict[Place, StoreError] | None = None) -> pd.DataFrame:
    """The data of learning curves: CURVE_COLUMNS of `read_evals`; variant, task and seed of each row's run.

    broken: collects, by the run's folder, what keeps the evaluations of single runs from being read. Without it that
    is raised. The evaluations of a finished run that are gone count as such.
    """

    def read(run: Run) -> pa.Table | StoreError:
        try:
            return _curve_columns(run)
        except StoreError as error:
            return error

    there, read_there = _side_by_side_of(runs, EVALS_FILE, read)
    found = {run.path: each for run, each in zip(there, read_there, strict=True) if isinstance(each, StoreError)}
    for run in runs if len(there) < len(runs) else ():
        if (missing := _missing(run)) is not None:
            found[run.path] = missing
    if found and broken is None:
        raise next(iter(found.values()))
    if broken is not None:
        broken |= found
    pairs = [(run, each) for run, each in zip(there, read_there, strict=True) if isinstance(each, pa.Table)]
    there, tables = [run for run, _ in pairs], [each for _, each in pairs]
    table = pa.concat_tables([EVALS_SCHEMA.empty_table().select(CURVE_COLUMNS), *tables])
    rows = [each.num_rows for each in tables]
    frame: pd.DataFrame = table.to_pandas().astype({"diverged": bool})
    for key in ("variant", "task"):
        codes, names = pd.factorize(np.array([getattr(run, key) for run in there], dtype=object))
        frame[key] = pd.Categorical.from_codes(np.repeat(codes, rows), pd.Index(names))
    frame["seed"] = np.repeat(np.array([run.seed for run in there], dtype=np.int64), rows)
    return frame


def read_train(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per logging point of the given runs; a metric that an algorithm does not have is NaN."""
    table = pa.concat_tables([TRAIN_SCHEMA.empty_table(), *_tables(runs, TRAIN_FILE)], promote_options="default")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def unreadable(runs: Sequence[Run]) -> dict[Place, StoreError]:
    """What keeps the tables of runs from being read, by the run's folder.

    The evaluations of a finished run that are gone count as such.
    """

    def check(run: Run) -> StoreError | None:
        try:
            check_tables(run)
        except StoreError as error:
            return error
        return _missing(run)

    remote = any(isinstance(run.path, RemotePath) for run in runs)
    problems = side_by_side(check, runs, REMOTE_READERS if remote else READERS)
    return {run.path: error for run, error in zip(runs, problems, strict=True) if error is not None}


def check_tables(run: Run) -> None:
    """Raises StoreError where a table that the run has cannot be read, or is another run's."""
    for name in (EVALS_FILE, TRAIN_FILE):
        if (run.path / name).exists():
            _of_run(run, name)


def _missing(run: Run) -> StoreError | None:
    """That the evaluations of a finished run are gone, where they are."""
    file = run.path / EVALS_FILE
    if run.status != "finished" or file.exists():
        return None
    return StoreError(f"{file}: missing, though the run is finished; `run` trains it again")


def _tables(runs: Sequence[Run], name: str) -> list[pa.Table]:
    """The table of each run that has one."""
    return _side_by_side_of(runs, name, lambda run: _of_run(run, name))[1]


def _side_by_side_of(runs: Sequence[Run], name: str, read: Callable[[Run], R]) -> tuple[list[Run], list[R]]:
    """The runs that have such a file, and what `read` gives for each, in parallel."""
    there = [run for run in runs if (run.path / name).exists()]
    remote = any(isinstance(run.path, RemotePath) for run in there)
    return there, side_by_side(read, there, REMOTE_READERS if remote else READERS)


def read_table(file: Place) -> pa.Table:
    """A run's evals.parquet or train.parquet, in its schema. Raises StoreError for anything else."""
    with _readable(file):
        table = _open(file).read(use_threads=False)
    return checked(file, table)


def checked(file: Place, table: pa.Table) -> pa.Table:
    """The content of a run's evals.parquet or train.parquet, in its schema. Raises StoreError for anything else."""
    if table.num_rows > MOST_ROWS or table.num_columns > MOST_COLUMNS:
        raise StoreError(f"{file}: {TOO_MANY}")
    schema = EVALS_SCHEMA if file.name == EVALS_FILE else TRAIN_SCHEMA
    if not table.schema.equals(schema):
        table = _in_schema(file, table, schema)
    return _without_nulls(file, table)


def _without_nulls(file: Place, table: pa.Table) -> pa.Table:
    for name in (*(name for name, _ in KEY_COLUMNS), *(("diverged",) if file.name == EVALS_FILE else ())):
        if name in table.column_names and table.column(name).null_count:
            raise StoreError(f"{file}: column '{name}' has rows without a value")
    return table


@contextmanager
def _readable(file: Place) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, OverflowError, MemoryError, pa.ArrowException) as error:
        raise StoreError(f"{file}: not a readable Parquet file ({_short(error)})") from error


def _open(file: Place) -> pq.ParquetFile:
    source = pa.BufferReader(file.read_bytes()) if isinstance(file, RemotePath) else file
    stored = pq.ParquetFile(source, page_checksum_verification=True)
    if stored.metadata.num_rows > MOST_ROWS or stored.metadata.num_columns > MOST_COLUMNS:
        raise StoreError(f"{file}: {TOO_MANY}")
    return stored


def _in_schema(file: Place, table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of the schema, in its types; of train.parquet the metrics as well."""
    names, wanted = table.column_names, schema.names
    lacking = [name for name in wanted if name not in names]
    if lacking:
        raise StoreError(f"{file}: column '{lacking[0]}' is missing")
    if schema is TRAIN_SCHEMA:
        schema = pa.schema([*schema, *((name, pa.float64()) for name in names if name not in wanted)])
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError) as error:  # a column of another type, two of one name
        raise StoreError(f"{file}: not the columns of a run ({_short(error)})") from error


def _curve_columns(run: Run) -> pa.Table:
    """CURVE_COLUMNS of the run's evaluations. StoreError as for all of them.

    Where the file's statistics show that every row is this run's, the key columns are not read.
    """
    file = run.path / EVALS_FILE
    with _readable(file):
        stored = _open(file)
        quick = _typed(stored.schema_arrow) and _all_rows_of(run, stored.metadata)
        table = stored.read(CURVE_COLUMNS, use_threads=False) if quick else None
    if table is None:
        return _of_run(run, EVALS_FILE).select(CURVE_COLUMNS)
    return _without_nulls(file, table)


def _typed(schema: pa.Schema) -> bool:
    """Whether this is EVALS_SCHEMA, or that of former releases, whose successes were true or false."""
    return bool(schema.equals(EVALS_SCHEMA) or schema.equals(_FORMER_SCHEMA))


def _all_rows_of(run: Run, metadata: pq.FileMetaData) -> bool:
    for group in range(metadata.num_row_groups):
        columns = metadata.row_group(group)
        for key, place in _OF_RUN.items():
            found = columns.column(place).statistics
            value = getattr(run, key)
            if found is None or found.null_count or not found.has_min_max or not found.min == found.max == value:
                return False
    return True


_FORMER_SCHEMA = EVALS_SCHEMA.set(EVALS_SCHEMA.get_field_index("success"), pa.field("success", pa.bool_()))
_OF_RUN = {key: EVALS_SCHEMA.get_field_index(key) for key in ("suite", "variant", "task", "seed")}


def _of_run(run: Run, name: str) -> pa.Table:
    """The run's table; StoreError where its rows are another run's."""
    table = read_table(run.path / name)
    for key in _OF_RUN:
        ends = pc.min_max(table[key]).as_py() if table.num_rows else {}  # quicker than comparing all values
        for value in dict.fromkeys(ends.values()):
            if value != (own := getattr(run, key)):
                raise StoreError(f"{run.path / name}: rows of {key} {value!r} in a run of {key} {own!r}")
    return table


def _short(error: Exception) -> str:
    """The first sentence of a library's message."""
    return str(error).partition("\n")[0].partition(". ")[0].rstrip(".")
