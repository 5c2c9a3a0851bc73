"""One seed's run on disk: run.json, evals.parquet and train.parquet, each replaced as a whole."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dimebench.store.atomic import atomic_write
from dimebench.store.errors import StoreError
from dimebench.store.reader import read_run
from dimebench.store.schema import (
    EVALS_FILE,
    EVALS_SCHEMA,
    RUN_FILE,
    SCHEMA_VERSION,
    TRAIN_FILE,
    TRAIN_SCHEMA,
    Run,
    problem,
)
from dimebench.store.tables import checked, read_table

Row = dict[str, Any]


class RunWriter:
    """Holds a run's rows and writes them. Rows of an env step replace those written for it before.

    A resumed run keeps the evaluations beyond its checkpoint, and overwrites them with the same numbers when it
    gets there again.
    """

    def __init__(self, run: Run) -> None:
        """Starts or continues `run.path`. Raises StoreError for files there that cannot be read."""
        self.run = run
        self._evals = self._load(EVALS_FILE)
        self._train = self._load(TRAIN_FILE)

    def add_evaluation(self, env_step: int, rows: list[Row]) -> None:
        """The episodes of one evaluation: episode, return, length, success, grad_step, wall_time_s, diverged."""
        self._evals = [row for row in self._evals if row["env_step"] != env_step] + self._keyed(env_step, rows)

    def add_logging_point(self, env_step: int, row: Row) -> None:
        """grad_step, wall_time_s and the metrics' means since the last logging point."""
        self._train = [old for old in self._train if old["env_step"] != env_step] + self._keyed(env_step, [row])

    def write(self, **changes: Any) -> None:
        """Write both tables, then run.json with `changes` (status, reason, progress, provenance).

        Raises StoreError, before anything is written, for a run.json that no reader would take.
        """
        self.run = replace(self.run, **changes)
        _checked_json(self.run)
        metrics = sorted({key for row in self._train for key in row} - set(TRAIN_SCHEMA.names))
        train_schema = pa.schema([*TRAIN_SCHEMA, *((name, pa.float64()) for name in metrics)])
        self._write_table(EVALS_FILE, self._evals, EVALS_SCHEMA)
        self._write_table(TRAIN_FILE, self._train, train_schema)
        write_run(self.run)

    def _keyed(self, env_step: int, rows: list[Row]) -> list[Row]:
        run = self.run
        key = {"suite": run.suite, "algorithm": run.algorithm, "variant": run.variant, "task": run.task}
        return [key | {"seed": run.seed, "env_step": env_step} | row for row in rows]

    def _load(self, name: str) -> list[Row]:
        file = self.run.folder / name
        return read_table(file).to_pylist() if file.exists() else []

    def _write_table(self, name: str, rows: list[Row], schema: pa.Schema) -> None:
        rows = sorted(rows, key=lambda row: (row["env_step"], row.get("episode", 0)))
        write_table(self.run, name, pa.Table.from_pylist(rows, schema=schema))


def write_table(run: Run, name: str, table: pa.Table) -> None:
    """Replace a run's evals.parquet or train.parquet. Raises StoreError for what no reader would take."""
    checked(run.folder / name, table)
    facts = {"dimebench.schema": str(SCHEMA_VERSION), "dimebench.identity": json.dumps(run.identity)}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(facts), buffer, compression="zstd", write_page_checksum=True)
    atomic_write(run.folder / name, buffer.getvalue())


def write_run(run: Run) -> None:
    """Replace a run's run.json. Raises StoreError for what no reader would take."""
    atomic_write(run.folder / RUN_FILE, _checked_json(run))


def check(run: Run, evals: pa.Table) -> None:
    """Raises StoreError for a run, or evaluations of it, that the reader would refuse."""
    _checked_json(run)
    checked(run.folder / EVALS_FILE, evals)


def _checked_json(run: Run) -> bytes:
    try:
        text = json.dumps(run.to_json(), indent=1, allow_nan=False) + "\n"
    except ValueError as error:  # a number that is not finite
        raise StoreError(f"{run.folder / RUN_FILE}: would not be JSON: {error}") from error
    if found := problem(json.loads(text)):
        raise StoreError(f"{run.folder / RUN_FILE}: not written: {found}")
    return text.encode()


def mark_run(path: Path, status: str, reason: str | None) -> None:
    """Change the status of a run, if there is one, that no process is training."""
    run = read_run(path)
    if run is not None:
        write_run(replace(run, status=status, reason=reason))
