"""From files to external runs: everything is read and checked before anything is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from dimebench.errors import UsageError, printable, shorten
from dimebench.importing.targets import SUCCESS, known_suite, targets
from dimebench.importing.tasks import full_task, resolve
from dimebench.store import Run
from dimebench.store.external import ImportConflictError, There, digest_of, external, is_there
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.names import tidy
from dimebench.store.foreign.read import read_files
from dimebench.store.foreign.rows import Reading
from dimebench.store.foreign.runs import Ended, Runs, as_runs, telling
from dimebench.store.foreign.strands import require_told, unread_differences
from dimebench.store.importers import Origin, Target, external_runs, variants


@dataclass(frozen=True)
class Wish:
    """What the caller asks of an import beyond what the files say."""

    choices: Choices = field(default_factory=Choices)
    suite: str | None = None
    action_repeat: int | None = None  # frames per env step at the source
    published: bool = False
    first_seed: int | None = None  # of the runs whose files tell no seed
    split_repeats: bool = False
    bounds: Mapping[str, float] | None = None
    renamed: Mapping[str, str] | None = None  # tasks
    command: str = ""  # that was typed, kept with the runs

    def check(self, readings: Sequence[Reading]) -> None:
        """Raises UsageError for what the files leave nothing to ask for."""
        for reading in readings:
            told = reading.action_repeat
            if told is not None and self.action_repeat not in (None, told):
                raise UsageError(f"--action-repeat {self.action_repeat}: {reading.file} says that it is {told}")
        if self.first_seed is not None and not any((each.rows["seed"] == "").any() for each in readings):
            raise UsageError(f"--seed {self.first_seed}: numbers runs without a seed; these files tell theirs")


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
    elsewhere: tuple[tuple[Run, Run], ...] = ()  # and one of another name, which the results hold
    unread: tuple[str, ...] = ()  # columns that part runs and were not read, a line each


def gather(files: Sequence[Path], wish: Wish, results: Path) -> Gathered:
    """Raises UsageError, ConfigError, StoreError and OSError, each naming the file or the value."""
    readings = read_files(files, wish.choices)
    wish.check(readings)
    files = [each.file for each in readings]
    rows = pd.concat([each.rows.assign(file=number) for number, each in enumerate(readings)], ignore_index=True)
    for key in ("algorithm", "task"):
        if (empty := rows[key] == "").any():
            raise UsageError(f"{files[rows.loc[empty, 'file'].iloc[0]]}: names no {key}: add --{key} NAME")
    origins = tuple(_origin(each, wish) for each in readings)
    loaded = known_suite(wish.suite, results)
    rows, unknown = _with_full_tasks(rows, files, wish, loaded.tasks if loaded else None)
    _require_task(readings, wish)
    tasks = sorted(set(rows["task"]))
    places, unscored = targets(tasks, wish.suite, loaded, wish.bounds)
    kept = {task for target in places for task in target.score}
    rows = rows[rows["task"].isin(kept)].reset_index(drop=True)
    rows["variant"] = variants(rows, origins)
    rows, by_success = _scored_by_success(_licensed(rows), wish)
    told = as_runs(rows, files, wish.split_repeats, wish.choices.uneven)
    require_told(readings, told.rows)
    made: list[tuple[Run, pa.Table]] = []
    already: set[Path] = set()
    elsewhere: list[tuple[Run, Run]] = []
    for target in places:
        there = There.of(results, target.suite)
        mine = told.rows[told.rows["task"].isin(list(target.score))]
        runs = external_runs(mine, origins, target, there, wish.first_seed)
        already |= {run.folder for run, evals in runs if is_there(results, run, evals)}
        elsewhere += _elsewhere([run for run, _ in runs if run.folder not in already], runs, there)
        made += runs
    seeds = set(told.rows.loc[told.rows["seed"] >= 0, ["variant", "task", "seed"]].itertuples(index=False, name=None))
    return Gathered(
        readings=tuple(readings),
        origins=origins,
        targets=tuple(places),
        runs=tuple(made),
        already=frozenset(already),
        told=told,
        tasks_not_in_suite=tuple(task for task in tasks if task not in kept and task not in unscored),
        tasks_unknown=tuple(unknown),
        tasks_unscored=tuple(unscored),
        by_success=by_success,
        numbered=tuple(run for run, _ in made if (run.variant, run.task, run.seed) not in seeds),
        alike=_alike(made),
        elsewhere=tuple(elsewhere),
        unread=tuple(unread_differences(readings, told.rows)),
    )


def _origin(reading: Reading, wish: Wish) -> Origin:
    return Origin(
        source=wish.choices.source or tidy(printable(reading.file.name), "source"),
        licence=wish.choices.licence or "not stated",
        unit=reading.unit,
        action_repeat=reading.action_repeat or wish.action_repeat or 1,
        published=wish.published or reading.published,
        told=bool(wish.choices.source),
        command=wish.command,
    )


def _licensed(rows: pd.DataFrame) -> pd.DataFrame:
    """With the licences of sources whose published figures are shipped here, where the file tells none."""
    from dimebench.reference import licence_of

    known = rows["source"].map({name: licence_of(name) for name in rows["source"].unique() if name}).fillna("")
    return rows.assign(licence=rows["licence"].where(rows["licence"] != "", known))


def _with_full_tasks(
    rows: pd.DataFrame, files: Sequence[Path], wish: Wish, only: Sequence[str] | None
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


def _require_task(readings: Sequence[Reading], wish: Wish) -> None:
    """Raises UsageError where a file is of another task than the caller says."""
    for reading in readings:
        own = reading.called.get("task")
        if own is not None and full_task(own) != full_task(wish.choices.task):
            raise UsageError(
                f"{reading.file}: is of task '{shorten(own)}', not --task {wish.choices.task}: "
                f"--rename-task {shorten(own)}={wish.choices.task} says that it is the same"
            )


def _scored_by_success(rows: pd.DataFrame, wish: Wish) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """With the success as score for the families that are scored by it, unless the caller chose score or bounds.

    Raises UsageError where such a task has returns that are no shares, and no success.
    """
    family = rows["task"].str.partition("/")[0]
    mine = family.isin(SUCCESS) & (wish.bounds is None) & (not wish.choices.score) & (not wish.choices.metric)
    run = [rows[key] for key in ("file", "variant", "task", "seed")]
    told = mine & rows["success"].notna().groupby(run, sort=False).transform("any")  # of a run all or nothing
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
    """Runs of a cell that hold the same numbers, and not by chance."""
    groups: dict[tuple[str, str, str | None], list[Run]] = {}
    for run, table in made:
        if telling(table["return"].to_pylist()):
            groups.setdefault((run.variant, run.task, digest_of(run)), []).append(run)
    return tuple(tuple(group) for group in groups.values() if len(group) > 1)


def _elsewhere(new: Sequence[Run], made: Sequence[tuple[Run, pa.Table]], there: There) -> list[tuple[Run, Run]]:
    """New runs whose numbers the results hold under another name.

    Raises ImportConflictError for a new run whose variant is there, on its task, from another source.
    """
    known = {
        (run.task, digest_of(run)): run for cell in there.runs.values() for run in cell.values() if external(run)
    }
    tables = {run.folder: table for run, table in made}
    found = []
    for run in new:
        for other in there.runs.get((run.variant, run.task), {}).values():
            sources = [
                each.provenance["imported_from"] for each in (other, run) if each.provenance.get("source_told")
            ]
            if len(set(sources)) > 1:
                raise ImportConflictError(
                    f"{run.variant} on {run.task}: the runs there are from {sources[0]}, these from {sources[1]}: "
                    "--algorithm NAME keeps them apart"
                )
        same = known.get((run.task, digest_of(run)))
        if same is not None and same.variant != run.variant and telling(tables[run.folder]["return"].to_pylist()):
            found.append((run, same))
    return found


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
