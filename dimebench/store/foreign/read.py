"""One file of another tool as rows, and what was taken from where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from dimebench.errors import one_line, shorten
from dimebench.numbers import LARGEST
from dimebench.store.errors import StoreError
from dimebench.store.foreign import metrics
from dimebench.store.foreign.arrays import read_pair, read_sb3
from dimebench.store.foreign.columns import ENV_STEPS, FRAMES, choose, plain, unit_of
from dimebench.store.foreign.names import tidy
from dimebench.store.foreign.tables import DELIMITERS, PARQUET, kind_of, read_table

AGGREGATES = ("mean", "median", "iqm")  # in place of a seed where a row is no run
TEXT = ("algorithm", "task", "source", "licence")
COLUMNS = (*TEXT, "seed", "step", "score", "success", "length", "episode", "diverged", "row")
KNOWN = ".npz, .npy, .csv, .tsv (.gz, .bz2, .xz), .parquet"


@dataclass(frozen=True)
class Choices:
    """What the caller says of files, "" where they are to tell it themselves.

    `step` to `task_column` name columns, `metric` the metric that is the score in a table of metrics. `unit` is
    ENV_STEPS or FRAMES.
    """

    algorithm: str = ""
    task: str = ""
    source: str = ""
    licence: str = ""
    unit: str = ""
    step: str = ""
    score: str = ""
    success: str = ""
    seed_column: str = ""
    algorithm_column: str = ""
    task_column: str = ""
    metric: str = ""
    runs_in: str = ""  # of arrays.RUNS_IN

    @property
    def columns(self) -> dict[str, str]:
        """By the keys of `columns.ALIASES`."""
        found = {"step": self.step, "score": self.score, "success": self.success, "seed": self.seed_column}
        found |= {"algorithm": self.algorithm_column, "task": self.task_column}
        return {key: name for key, name in found.items() if name}


@dataclass(frozen=True)
class Reading:
    """One file. `rows` has the columns COLUMNS, in the order of the file.

    step and score are finite or, of a score, NaN: it is missing there, or, where `diverged`, was no number any more.
    `seed` is a text, "" where the file tells none; success, length and episode are NaN where not told. `row` counts
    from 1.
    """

    file: Path
    rows: pd.DataFrame
    unit: str
    published: bool
    taken: dict[str, str] = field(default_factory=dict)  # the column of each key
    unit_from: str = ""  # why the steps count in that unit
    left_out: dict[str, int] = field(default_factory=dict)  # rows, by what they are


def read_files(files: Sequence[Path], choices: Choices) -> list[Reading]:
    """Every file; the two of a pair of .npy files are one. Raises StoreError, or OSError, naming the file.

    Also raises StoreError for a file that is named twice.
    """
    places = [file.resolve() for file in files]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise StoreError(f"{files[number]}: is named twice")
    folders = [place.parent if place.suffix == ".npy" else place for place in places]
    return [read_file(file, choices) for i, file in enumerate(files) if folders[i] not in folders[:i]]


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


def _read(file: Path, choices: Choices) -> Reading:
    if not file.exists():
        raise StoreError("no such file")
    if file.is_dir() or file.suffix == ".npy":
        rows = read_pair(file if file.is_dir() else file.parent, choices.runs_in)
        return _of_arrays(file, rows, choices)
    if file.suffix == ".npz":
        return _of_arrays(file, read_sb3(file), choices)
    if kind_of(file) in (*DELIMITERS, *PARQUET):
        return _of_table(file, choices)
    raise StoreError(f"'{file.suffix}' is no format to import (known: {KNOWN})")


def _of_arrays(file: Path, rows: pd.DataFrame, choices: Choices) -> Reading:
    told = {key: getattr(choices, key) for key in TEXT}
    return Reading(file, rows.assign(row=np.arange(1, len(rows) + 1), **told), choices.unit or ENV_STEPS, False)


def _of_table(file: Path, choices: Choices) -> Reading:
    """One row per evaluation, or per episode of one, or per metric of one; columns by any of their usual names."""
    table = read_table(file)
    by_metric = metrics.is_long(table) and not choices.score
    named = choices.columns
    if by_metric:
        named = {key: name for key, name in named.items() if key != "success"}  # there it is a metric
        named["score"] = metrics.column(table, metrics.VALUE)
    elif choices.metric:
        raise StoreError("--metric: it has no columns 'metric' and 'value'")
    taken = choose(table, named)
    rows = pd.DataFrame({"step": table.numbers(taken["step"]), "score": table.numbers(taken["score"])})
    rows["row"] = np.arange(1, len(rows) + 1)
    rows["seed"] = table.texts(taken["seed"]) if "seed" in taken else ""
    for key in TEXT:
        rows[key] = table.texts(taken[key]) if key in taken else ""
    for key in ("length", "episode"):
        rows[key] = table.numbers(taken[key]) if key in taken else np.nan
    rows["success"] = table.numbers(taken["success"], truth=True) if "success" in taken and not by_metric else np.nan
    rows["diverged"] = False
    if "family" in taken:
        rows["task"] = rows["task"].where(
            rows["task"].str.contains("/"), table.texts(taken["family"]) + "/" + rows["task"]
        )
    left_out: dict[str, int] = {}
    if by_metric:
        metric, success = metrics.chosen(table, choices.metric, choices.success)
        of_row = table.texts(metrics.column(table, metrics.METRIC))
        rows, others = metrics.joined(rows, of_row, metric, success)
        value = taken["score"]
        taken = {key: name for key, name in taken.items() if key != "success"} | {"score": f"{value} of {metric}"}
        taken |= {"success": f"{value} of {success}"} if rows["success"].notna().any() else {}
        left_out |= {f"of metric {name}": count for name, count in others.most_common(5)}
    rows = _renamed(rows, choices)
    rows, aggregates = _runs_alone(rows)
    left_out |= {"that are aggregates over seeds, no runs": aggregates} if aggregates else {}
    collected = "source" in taken and plain(taken["source"]) == "source_repo"
    unit, why = unit_of(taken["step"]), f"column '{taken['step']}'"
    if collected:
        unit, why = FRAMES, f"column '{taken['source']}': published curves"
    elif metrics.in_published_form(table):
        unit, why = FRAMES, "the form exp_name, env_name, seed, metric, env_step, value"
    if choices.unit:
        unit, why = choices.unit, "--unit"
    return Reading(file, rows, unit, collected, taken, why, left_out)


def _renamed(rows: pd.DataFrame, choices: Choices) -> pd.DataFrame:
    """With the names that the caller gives. Raises StoreError where several names would become one."""
    for key in TEXT:
        given = getattr(choices, key)
        if not given:
            continue
        names = sorted({name for name in rows[key].unique() if name})
        if key in ("algorithm", "task") and len(names) > 1:
            listed = ", ".join(shorten(name, 30) for name in names[:4])
            raise StoreError(f"names {len(names)} {key}s ({listed}): --{key} {given} would make one of them")
        rows = rows.assign(**{key: given})
    return rows


def _runs_alone(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """The rows that belong to one run, and how many do not."""
    aggregate = rows["seed"].str.strip().str.lower().isin(AGGREGATES)
    return rows[~aggregate], int(aggregate.sum())


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
    success = rows["success"].to_numpy(np.float64)
    outside = (success < 0) | (success > 1)
    if outside.any():
        raise StoreError(f"row {_first(rows, outside)}: success {success[outside][0]:g} is no share from 0 to 1")
    return reading


def _first(rows: pd.DataFrame, where: np.ndarray) -> int:
    return int(rows["row"].to_numpy()[where][0])
