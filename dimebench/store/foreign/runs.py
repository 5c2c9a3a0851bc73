"""Which rows are one run. A repeat is never taken for an episode: what could be either is refused.

Within a run the env steps increase; several rows of one step are the episodes of one evaluation, as many at each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dimebench.numbers import count
from dimebench.store.errors import StoreError

MOST_SEEDS = 2**31
CELL = ["variant", "task"]


@dataclass(frozen=True)
class Ended:
    """Runs of a cell whose scores end before the rows of the cell do."""

    variant: str
    task: str
    seeds: tuple[int, ...]  # () for runs without one
    at: float | None  # the last step with a score; None without any
    of: float


@dataclass(frozen=True)
class Runs:
    """Rows with a score, or of a divergence, sorted by run and step.

    `rows` has further columns: `run`, a number for each run in the order of the files, and `episode` from 0. Of a run
    whose seed no file tells `seed` is -1.
    """

    rows: pd.DataFrame
    episodes: dict[tuple[str, str], int]  # per evaluation, by variant and task
    unscored: int  # rows without a score
    ended: tuple[Ended, ...]
    copies: int  # runs that were there twice, number for number, and count once
    split: int  # runs that were found where the steps of a seed begin again


def as_runs(rows: pd.DataFrame, files: Sequence[Path], split: bool = False) -> Runs:
    """The rows of all files, each with its file's number in `file` and its `variant`, as runs.

    split: where the steps of a seed begin again is another run, without a seed. Raises StoreError, naming the file
    and the run, for a run that is found twice, for steps that do not increase, for uneven numbers of episodes and for
    a seed that is no whole number.
    """
    rows = rows.assign(seed=_seeds(rows, files))
    scored = rows[rows["score"].notna() | rows["diverged"]]
    if scored.empty:
        raise StoreError(f"{files[0]}: no row has a score")
    ended = _ended(rows, scored)
    kept = scored.assign(part=_parts(scored))
    again = kept[kept["part"] > 0]
    copies = 0
    if len(again) and not split:
        first = again.iloc[0]
        raise StoreError(
            f"{files[first['file']]}: row {first['row']}: the steps of {_run(first)} begin again at "
            f"{first['step']:,g}: two runs, or rows out of order (--split-repeats makes a run of each)"
        )
    if len(again):
        kept, copies = _without_copies(kept)
    kept = kept.assign(run=kept.groupby(["file", *CELL, "seed", "part"], sort=False).ngroup())
    kept["seed"] = kept["seed"].where(kept["part"] == 0, -1)
    _once(kept, files)
    kept = kept.sort_values(["run", "step"], kind="stable", ignore_index=True)
    episodes = _episodes(kept, files)
    kept["episode"] = kept.groupby(["run", "step"], sort=False).cumcount()
    parts = kept.loc[kept["part"] > 0, "run"].nunique()
    return Runs(kept.drop(columns="part"), episodes, len(rows) - len(scored), ended, copies, parts)


def free_seeds(taken: Iterable[int], count_: int, first: int = 0) -> list[int]:
    """The lowest numbers from `first` on that are not taken."""
    there = set(taken)
    return [seed for seed in range(first, first + count_ + len(there)) if seed not in there][:count_]


def _seeds(rows: pd.DataFrame, files: Sequence[Path]) -> np.ndarray:
    """The seed of each row, -1 where its file tells none. Raises StoreError."""
    texts = rows["seed"].str.strip()
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
    untold = texts == ""
    silent = untold.groupby(rows["file"]).transform("all")  # files without seeds
    bad = ~silent & ~((numbers >= 0) & (numbers == np.round(numbers)) & (numbers < MOST_SEEDS))
    if bad.any():
        first = rows[bad].iloc[0]
        text = first["seed"]
        problem = f"seed {text[:40]!r} is no whole number from 0" if text else "has no seed, as other rows do"
        raise StoreError(f"{files[first['file']]}: row {first['row']}: {problem}")
    return np.where(silent, -1, np.nan_to_num(numbers, nan=-1)).astype(np.int64)


def _parts(rows: pd.DataFrame) -> pd.Series:
    """How often the steps have begun again, at each row, within its file's rows of one variant, task and seed."""
    keys = ["file", *CELL, "seed"]
    falls = (rows.groupby(keys, sort=False)["step"].diff() < 0) & ~_numbered(rows, keys)
    return falls.groupby([rows[key] for key in keys], sort=False).cumsum()


def _numbered(rows: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Whether `episode` numbers the episodes of each evaluation: every step of the run has the same ones, once.

    Such rows may come in any order.
    """
    group = [rows[key] for key in keys]
    twice = rows.duplicated([*keys, "step", "episode"]).groupby(group, sort=False).transform("any")
    runs = rows.groupby(keys, sort=False)
    episodes = runs["episode"].transform("nunique")
    return ~twice & (episodes > 1) & (runs["step"].transform("size") == runs["step"].transform("nunique") * episodes)


def _without_copies(rows: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Without runs that repeat an earlier part of theirs number for number, and how many those were."""
    keys = ["file", *CELL, "seed"]
    seen: set[tuple[object, ...]] = set()
    lost: list[tuple[object, ...]] = []
    for key, part in rows.groupby([*keys, "part"], sort=False):
        content = (*key[:-1], part["step"].to_numpy().tobytes(), part["score"].to_numpy().tobytes())
        if content in seen:
            lost.append(key)
        seen.add(content)
    places = pd.MultiIndex.from_frame(rows[[*keys, "part"]])
    return rows[~places.isin(lost)] if lost else rows, len(lost)


def _once(rows: pd.DataFrame, files: Sequence[Path]) -> None:
    """Raises StoreError for a run that two files tell."""
    told = rows[rows["seed"] >= 0].drop_duplicates("run")
    twice = told[told.duplicated([*CELL, "seed"], keep=False)]
    if len(twice):
        first = twice.iloc[0]
        same = twice[(twice[[*CELL, "seed"]] == first[[*CELL, "seed"]]).all(axis=1)]
        names = " and ".join(str(files[number]) for number in same["file"].iloc[:2])
        raise StoreError(f"{names}: both hold {_run(first)}")


def _episodes(rows: pd.DataFrame, files: Sequence[Path]) -> dict[tuple[str, str], int]:
    """Rows per evaluation, by variant and task. Raises StoreError where a file's evaluations differ in it."""
    sizes = rows.groupby(["file", *CELL, "run", "step"], sort=False).agg(
        episodes=("step", "size"), seed=("seed", "first"), row=("row", "first")
    )
    sizes = sizes.reset_index()
    cells = sizes.groupby(["file", *CELL], sort=False)["episodes"]
    uneven = sizes[cells.transform("min") != cells.transform("max")]
    if len(uneven):
        of_cell = uneven[uneven["file"].eq(uneven["file"].iloc[0])]
        usual = int(of_cell["episodes"].mode().iloc[0])
        odd = of_cell[of_cell["episodes"] != usual].iloc[0]
        raise StoreError(
            f"{files[odd['file']]}: {_run(odd)} has {count(int(odd['episodes']), 'row')} at step {odd['step']:,g}, "
            f"where other evaluations have {usual}: episodes, or two runs in one?"
        )
    most = sizes.groupby(CELL, as_index=False)["episodes"].max()
    return {(v, t): int(n) for v, t, n in most[[*CELL, "episodes"]].itertuples(index=False, name=None)}


def _ended(rows: pd.DataFrame, scored: pd.DataFrame) -> tuple[Ended, ...]:
    far = rows.groupby(CELL, sort=False)["step"].max().rename("of")
    last = scored.groupby([*CELL, "file", "seed"], sort=False)["step"].max().rename("at").reset_index()
    silent = rows.groupby([*CELL, "file", "seed"], sort=False).size().reset_index()[[*CELL, "file", "seed"]]
    found = silent.merge(last, how="left", on=[*CELL, "file", "seed"]).merge(far.reset_index(), on=CELL)
    found = found[~(found["at"] >= found["of"])]
    groups: dict[tuple[str, str, float, float], list[int]] = {}
    for variant, task, at, of, seed in found[[*CELL, "at", "of", "seed"]].itertuples(index=False, name=None):
        groups.setdefault((variant, task, -1.0 if at != at else at, of), []).append(int(seed))
    return tuple(
        Ended(variant, task, tuple(sorted(seed for seed in seeds if seed >= 0)), None if at < 0 else at, of)
        for (variant, task, at, of), seeds in sorted(groups.items())
    )


def _run(row: pd.Series) -> str:
    seed = f" seed {row['seed']}" if row["seed"] >= 0 else ""
    return f"{row['variant']} on {row['task']}{seed}"
