"""Runs on disk: their layout and schema, the writer, the reader, provenance."""

from dimebench.store.atomic import atomic_write
from dimebench.store.errors import StoreError
from dimebench.store.reader import read_run, read_runs, traceback_of
from dimebench.store.schema import Run
from dimebench.store.tables import check_tables, read_curves, read_evals, read_train, unreadable
from dimebench.store.writer import RunWriter, mark_run, write_run

__all__ = [
    "Run",
    "RunWriter",
    "StoreError",
    "atomic_write",
    "check_tables",
    "mark_run",
    "read_curves",
    "read_evals",
    "read_run",
    "read_runs",
    "read_train",
    "traceback_of",
    "unreadable",
    "write_run",
]
