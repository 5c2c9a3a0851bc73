"""Runs and their tables, from a results folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dimebench.store.schema import EVALS_FILE, EVALS_SCHEMA, RUN_FILE, TRAIN_FILE, TRAIN_SCHEMA, Run, StoreError


def read_run(path: Path) -> Run | None:
    """The run in a seed's folder, or None where there is none. Raises StoreError for a broken run.json."""
    file = path / RUN_FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{file}: cannot be read ({error})") from error
    try:
        return Run.from_json(path, json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise StoreError(f"{file}: not JSON ({error})") from error


def read_runs(results: Path, suite: str | None = None) -> list[Run]:
    """Every run under a results folder, sorted by suite, variant, task and seed.

    Raises StoreError where the folder is missing or a run.json is broken.
    """
    if not results.is_dir():
        raise StoreError(f"no results folder at '{results}'")
    runs = [read_run(file.parent) for file in results.glob(f"*/*/*/*/seed-*/{RUN_FILE}")]
    found = [run for run in runs if run is not None and suite in (None, run.suite)]
    return sorted(found, key=lambda run: (run.suite, run.variant, run.task, run.seed))


def read_evals(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per evaluation episode of the given runs: the columns of EVALS_SCHEMA."""
    tables = [_read_table(run.path / EVALS_FILE) for run in runs if (run.path / EVALS_FILE).exists()]
    table = pa.concat_tables([EVALS_SCHEMA.empty_table(), *(t.select(EVALS_SCHEMA.names) for t in tables)])
    return table.to_pandas(types_mapper={pa.bool_(): pd.BooleanDtype()}.get).astype({"diverged": bool})


def read_train(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per logging point of the given runs; a metric that an algorithm does not have is NaN."""
    tables = [_read_table(run.path / TRAIN_FILE) for run in runs if (run.path / TRAIN_FILE).exists()]
    return pa.concat_tables([TRAIN_SCHEMA.empty_table(), *tables], promote_options="default").to_pandas()


def _read_table(file: Path) -> pa.Table:
    try:
        return pq.ParquetFile(file).read().replace_schema_metadata(None)
    except (OSError, pa.ArrowException) as error:
        raise StoreError(f"{file}: not a readable Parquet file ({error})") from error
