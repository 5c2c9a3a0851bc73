"""What a file's columns or arrays mean, as rows with the columns COLUMNS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dimebench.errors import shorten
from dimebench.store.errors import StoreError
from dimebench.store.foreign import metrics
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.columns import ENV_STEPS, FRAMES, choose, plain, unit_of
from dimebench.store.foreign.tables import Table

AGGREGATES = ("mean", "median", "iqm")  # in place of a seed where a row is no run
TEXT = ("algorithm", "task", "source", "licence")
COLUMNS = (*TEXT, "told", "seed", "step", "score", "success", "length", "episode", "diverged", "structured", "row")


@dataclass(frozen=True)
class Reading:
    """One file. `rows` has the columns COLUMNS, in the order of the file.

    step and score are finite or, of a score, NaN: it is missing there, or, where `diverged`, was no number any more.
    `seed` is a text, "" where the file tells none; success, length and episode are NaN where not told. `told` is
    algorithm, task and seed as the file writes them. `structured`: the file's shape tells the episodes. `row` counts
    from 1.
    """

    file: Path
    rows: pd.DataFrame
    unit: str
    published: bool
    taken: dict[str, str] = field(default_factory=dict)  # the column of each key
    unit_from: str = ""  # why the steps count in that unit
    left_out: dict[str, int] = field(default_factory=dict)  # rows, by what they are
    called: dict[str, str] = field(default_factory=dict)  # what the file calls what the caller has named
    action_repeat: int | None = None  # as the file tells it
    ignored: str = ""  # what was not read, and why
    table: Table | None = None


def of_arrays(file: Path, rows: pd.DataFrame, choices: Choices) -> Reading:
    """The rows of `arrays`, with the names that the caller gives."""
    told = {key: getattr(choices, key) for key in TEXT}
    rows = rows.assign(row=np.arange(1, len(rows) + 1), told="", structured=True, **told)
    return Reading(file, rows, choices.unit or ENV_STEPS, published=False)


def of_table(file: Path, table: Table, choices: Choices) -> Reading:
    """One row per evaluation, or per episode of one, or per metric of one; columns by any of their usual names.

    Raises StoreError (without the file's name).
    """
    by_metric = metrics.is_long(table) and not choices.score
    named = choices.columns
    if by_metric:
        named = {key: name for key, name in named.items() if key != "success"}  # there it is a metric
        named["score"] = metrics.column(table, metrics.VALUE)
    elif choices.metric:
        raise StoreError("--metric: it has no columns 'metric' and 'value'")
    taken = choose(table, named)
    if by_metric:
        taken.pop("success", None)
    rows = _columns(table, taken)
    left_out: dict[str, int] = {}
    if by_metric:
        metric, success = metrics.chosen(table, choices.metric, choices.success)
        rows, others = metrics.joined(rows, table.texts(metrics.column(table, metrics.METRIC)), metric, success)
        taken |= {"score": f"{taken['score']} of {metric}"}
        taken |= {"success": f"{named['score']} of {success}"} if rows["success"].notna().any() else {}
        left_out |= {f"of metric {name}": count for name, count in others.most_common(5)}
    rows, called = _renamed(rows, choices)
    aggregate = rows["seed"].str.strip().str.lower().isin(AGGREGATES)
    if aggregate.any():
        left_out["that are aggregates over seeds, no runs"] = int(aggregate.sum())
    collected = "source" in taken and plain(taken["source"]) == "source_repo" and bool((rows["source"] != "").any())
    unit, why = unit_of(taken["step"]), f"column '{taken['step']}'"
    if collected:
        unit, why = FRAMES, f"column '{taken['source']}': published curves"
    elif metrics.in_published_form(table):
        unit, why = FRAMES, "the form exp_name, env_name, seed, metric, env_step, value"
    if choices.unit:
        unit, why = choices.unit, "--unit"
    rows, ignored = _shares(rows[~aggregate])
    repeat = table.identity.get("protocol", {}).get("action_repeat") if table.identity else None
    return Reading(
        file,
        rows,
        unit,
        collected,
        taken,
        why,
        left_out,
        called,
        action_repeat=repeat if isinstance(repeat, int) and repeat > 0 else None,
        ignored=ignored,
        table=table,
    )


def _columns(table: Table, taken: dict[str, str]) -> pd.DataFrame:
    rows = pd.DataFrame({key: table.numbers(taken[key]) for key in ("step", "score")})
    rows["row"], rows["structured"] = np.arange(1, len(rows) + 1), False
    for key in (*TEXT, "seed"):
        rows[key] = table.texts(taken[key]) if key in taken else ""
    for key in ("length", "episode"):
        rows[key] = table.numbers(taken[key]) if key in taken else np.nan
    rows["success"] = table.numbers(taken["success"], truth=True) if "success" in taken else np.nan
    lost = table.numbers(taken["diverged"], truth=True) == 1 if "diverged" in taken else np.zeros(len(rows), bool)
    rows["diverged"] = lost & rows["score"].isna()
    rows["length"] = rows["length"].where(rows["length"] != -1)  # of some tools: not known
    rows["told"] = rows["algorithm"] + "\0" + rows["task"] + "\0" + rows["seed"]
    if "family" in taken:
        whole = table.texts(taken["family"]) + "/" + rows["task"]
        rows["task"] = rows["task"].where(rows["task"].str.contains("/"), whole)
    return rows


def _shares(rows: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Without successes that are no shares: percent, counts."""
    wrong = (rows["success"] < 0) | (rows["success"] > 1)
    if not wrong.any():
        return rows, ""
    why = f"successes were not read: {rows['success'][wrong].iloc[0]:g} is no share from 0 to 1"
    return rows.assign(success=np.nan), why


def _renamed(rows: pd.DataFrame, choices: Choices) -> tuple[pd.DataFrame, dict[str, str]]:
    """With the names that the caller gives, and what the file calls them.

    Raises StoreError where several names would become one.
    """
    called: dict[str, str] = {}
    for key in TEXT:
        given: Any = getattr(choices, key)
        if not given:
            continue
        names = sorted({name for name in rows[key].unique() if name})
        if key in ("algorithm", "task") and len(names) > 1:
            listed = ", ".join(shorten(name, 30) for name in names[:4])
            raise StoreError(f"names {len(names)} {key}s ({listed}): --{key} {given} would make one of them")
        if key in ("algorithm", "task") and names and names != [given]:
            called[key] = names[0]
        rows = rows.assign(**{key: given})
    return rows, called
