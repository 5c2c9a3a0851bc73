"""From files to external runs: everything is read and checked before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from dimebench.errors import UsageError, shorten
from dimebench.importing.targets import SUCCESS, suite_tasks, targets
from dimebench.importing.tasks import resolve
from dimebench.store import Run
from dimebench.store.foreign.read import Choices, Reading, read_files
from dimebench.store.foreign.runs import Ended, Runs, as_runs
from dimebench.store.importers import Origin, Target, external_runs, is_there, numbers_there, variants

DISTINCT = 4  # returns


@dataclass(frozen=True)
class Wish:
    """What the caller asks of an import beyond what the files say."""

    choices: Choices = field(default_factory=Choices)
    suite: str | None = None
    action_repeat: int = 1  # frames per env step at the source
    published: bool = False
    first_seed: int | None = None  # of the runs whose files tell no seed
    split_repeats: bool = False
    bounds: Mapping[str, float] | None = None
    renamed: Mapping[str, str] | None = None  # tasks


@dataclass(frozen=True)
class Gathered:
    """Runs to write, with their evaluations, and what there is to say of them."""

    readings: tuple[Reading, ...]
    origins: tuple[Origin, ...]
    targets: tuple[Target, ...]
    runs: tuple[tuple[Run, pa.Table], ...]
    already: frozenset[Path]  # of these runs, those that the results hold
    told: Runs
    tasks_not_in_suite: tuple[str, ...]
    tasks_unknown: tuple[str, ...]
    tasks_unscored: tuple[str, ...]  # nobody knows which returns score 0 and 1
    by_success: tuple[str, ...]  # tasks whose score is the success
    numbered: tuple[Run, ...] = ()  # whose seed no file tells
    alike: tuple[tuple[Run, ...], ...] = ()  # hold the same numbers


def gather(files: Sequence[Path], wish: Wish, results: Path) -> Gathered:
    """Raises UsageError, ConfigError, StoreError and OSError, each naming the file or the value."""
    readings = read_files(files, wish.choices)
    files = [each.file for each in readings]
    rows = pd.concat([each.rows.assign(file=number) for number, each in enumerate(readings)], ignore_index=True)
    for key in ("algorithm", "task"):
        if (empty := rows[key] == "").any():
            raise UsageError(f"{files[rows.loc[empty, 'file'].iloc[0]]}: names no {key}: add --{key} NAME")
    origins = tuple(_origin(each, wish) for each in readings)
    rows, unknown = _with_full_tasks(rows, files, wish, suite_tasks(wish.suite, results))
    tasks = sorted(set(rows["task"]))
    places, unscored = targets(tasks, wish.suite, wish.bounds, results)
    kept = {task for target in places for task in target.score}
    rows = rows[rows["task"].isin(kept)].reset_index(drop=True)
    rows, by_success = _scored_by_success(_licensed(rows), wish)
    rows["variant"] = variants(rows, origins)
    told = as_runs(rows, files, wish.split_repeats)
    made: list[tuple[Run, pa.Table]] = []
    for target in places:
        mine = told.rows[told.rows["task"].isin(list(target.score))]
        made += external_runs(mine, origins, target, numbers_there(results, target.suite), wish.first_seed)
    seeds = set(told.rows.loc[told.rows["seed"] >= 0, ["variant", "task", "seed"]].itertuples(index=False, name=None))
    return Gathered(
        readings=tuple(readings),
        origins=origins,
        targets=tuple(places),
        runs=tuple(made),
        already=frozenset(run.folder for run, _ in made if is_there(results, run)),
        told=told,
        tasks_not_in_suite=tuple(task for task in tasks if task not in kept and task not in unscored),
        tasks_unknown=tuple(unknown),
        tasks_unscored=tuple(unscored),
        by_success=by_success,
        numbered=tuple(run for run, _ in made if (run.variant, run.task, run.seed) not in seeds),
        alike=_alike(made),
    )


def _origin(reading: Reading, wish: Wish) -> Origin:
    return Origin(
        source=wish.choices.source or reading.file.name,
        licence=wish.choices.licence or "not stated",
        unit=reading.unit,
        action_repeat=wish.action_repeat,
        published=wish.published or reading.published,
    )


def _licensed(rows: pd.DataFrame) -> pd.DataFrame:
    """With the licences of sources whose published figures are shipped here, where the file tells none."""
    from dimebench.reference import licence_of

    known = rows["source"].map({name: licence_of(name) for name in rows["source"].unique() if name}).fillna("")
    return rows.assign(licence=rows["licence"].where(rows["licence"] != "", known))


def _with_full_tasks(
    rows: pd.DataFrame, files: Sequence[Path], wish: Wish, only: Any
) -> tuple[pd.DataFrame, list[str]]:
    """The rows of known tasks, by their full names, and the names of the others."""
    names = list(dict.fromkeys(rows["task"]))

    def problem(name: str) -> str:
        if wish.choices.task:
            return f"--task {name}: unknown task"
        return f"{files[rows.loc[rows['task'] == name, 'file'].iloc[0]]}: unknown task '{shorten(name)}'"

    found = resolve(names, problem, only, wish.renamed)
    unknown = [name for name in names if found[name] == ""]
    rows = rows.assign(task=rows["task"].map(found))
    return rows[rows["task"] != ""], unknown


def _scored_by_success(rows: pd.DataFrame, wish: Wish) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """With the success as score for the families that are scored by it, unless the caller chose score or bounds.

    Raises UsageError where such a task has returns that are no shares, and no success.
    """
    family = rows["task"].str.partition("/")[0]
    mine = family.isin(SUCCESS) & (wish.bounds is None) & (not wish.choices.score) & (not wish.choices.metric)
    told = mine & rows["success"].notna()
    other = rows[mine & ~told & ~rows["score"].between(0, 1) & rows["score"].notna()]
    if len(other):
        first = other.iloc[0]
        raise UsageError(
            f"{first['task']}: is scored by the share of successes, from 0 to 1, and has returns of "
            f"{first['score']:g}: name the success with --success, or add --bounds LOWER,UPPER"
        )
    return rows.assign(score=rows["score"].where(~told, rows["success"])), tuple(
        sorted(rows.loc[told, "task"].unique())
    )


def _alike(made: Sequence[tuple[Run, pa.Table]]) -> tuple[tuple[Run, ...], ...]:
    """Runs of a cell that hold the same numbers; few different ones, and shares, may be alike by chance."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run, table in made:
        numbers = {value for value in table["return"].to_pylist() if value is not None}
        if len(numbers) >= DISTINCT and not all(0 <= value <= 1 for value in numbers):
            digest = run.identity["of"]["external"]["rows_sha256"]
            groups.setdefault((run.variant, run.task, digest), []).append(run)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def ends(gathered: Gathered, ended: Ended) -> tuple[int | None, int]:
    """Where the scores of runs end, and the rows of their cell, in env steps of the suite."""
    target = next(t for t in gathered.targets if ended.task in t.score)
    rows = gathered.told.rows
    mine = rows[(rows["variant"] == ended.variant) & (rows["task"] == ended.task)]
    frames = gathered.origins[int(mine["file"].iloc[0])].frames if len(mine) else 1
    per_step = frames / target.action_repeat
    return None if ended.at is None else round(ended.at * per_step), round(ended.of * per_step)


def counts(gathered: Gathered) -> Counter[str]:
    """Runs by variant."""
    return Counter(run.variant for run, _ in gathered.runs)
