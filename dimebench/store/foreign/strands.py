"""Columns that were not read and tell rows or runs apart all the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from dimebench.errors import shorten
from dimebench.numbers import listed
from dimebench.store.errors import StoreError
from dimebench.store.foreign.columns import plain
from dimebench.store.foreign.metrics import METRIC
from dimebench.store.foreign.rows import Reading
from dimebench.store.foreign.tables import Table

MOST_ROWS = 2_000_000  # of a file whose further columns are looked at


def require_told(readings: Sequence[Reading], rows: pd.DataFrame) -> None:
    """Raises StoreError where rows of one step differ in a column that was not read, in the same way at each step.

    Such a column tells runs, or kinds of rows, apart (a seed by another name, train and test): what looks like
    episodes of one evaluation are several. rows: of `runs.Runs`.
    """
    for number, reading, mine in _with_tables(readings, rows):
        sizes = mine.groupby(["run", "step"], sort=False)["row"].transform("size")
        several = mine[sizes > 1]
        if several.empty:
            continue
        for name in _unread(reading):
            told = several[["run", "step"]].assign(value=_texts(reading, name, several))
            groups = told.groupby(["run", "step"], sort=False)["value"]
            kinds = {tuple(sorted(map(str, values))) for _, values in groups}
            (first, *others) = kinds
            if not others and groups.ngroups > 1 and len(set(first)) == len(first):
                shown = ", ".join(shorten(value, 20) for value in first[:3])
                raise StoreError(
                    f"{readings[number].file}: rows of one step differ in column '{shorten(name)}' ({shown}): "
                    f"--seed-column {shorten(name)} if each is a run of its own, --episode-column "
                    f"{shorten(name)} if they are episodes; else keep the rows that are meant"
                )


def unread_differences(readings: Sequence[Reading], rows: pd.DataFrame) -> list[str]:
    """Columns that were not read, and that part the runs of a variant on a task into groups; a line for each."""
    found: list[str] = []
    for _, reading, mine in _with_tables(readings, rows):
        for name in _unread(reading):
            each = mine[["variant", "task", "run"]].assign(value=_texts(reading, name, mine)).drop_duplicates()
            if each["run"].duplicated().any():
                continue  # it changes within a run
            for (variant, task), cell in each.groupby(["variant", "task"], sort=True):
                values = sorted(cell["value"].unique())
                if 1 < len(values) < len(cell):
                    shown = listed([shorten(value, 20) for value in values[:4]])
                    found.append(
                        f"not read: column '{shorten(name)}', which is {shown} for runs of {variant} on {task}"
                    )
                    break
    return found


def _with_tables(readings: Sequence[Reading], rows: pd.DataFrame) -> list[tuple[int, Reading, pd.DataFrame]]:
    small = [(i, each) for i, each in enumerate(readings) if each.table and each.table.rows <= MOST_ROWS]
    return [(i, each, rows[rows["file"] == i]) for i, each in small]


def _unread(reading: Reading) -> list[str]:
    """The names of further columns, but for those that a row number or an episode's stands in."""
    read = {name.partition(" of ")[0] for name in reading.taken.values()}
    names = [name for name in _columns(reading.table) if name not in read and plain(name) not in (METRIC, "suite")]
    return [name for name in names if not plain(name).startswith(("ep_", "episode", "eval_ep"))]


def _columns(table: Table | None) -> list[str]:
    return list(table.columns) if table is not None else []


def _texts(reading: Reading, name: str, rows: pd.DataFrame) -> np.ndarray:
    """The column's values in these rows, as texts; the same one everywhere for a column that has none."""
    assert reading.table is not None
    try:
        texts: np.ndarray = reading.table.texts(name)[rows["row"].to_numpy() - 1]
    except StoreError:
        return np.full(len(rows), "")
    return texts
