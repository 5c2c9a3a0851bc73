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
NO_SEED = "no whole number from 0"
DISTINCT = 4  # returns: as many are not alike by chance
CELL = ["variant", "task"]
RUN = ["file", *CELL, "seed", "label"]


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


def as_runs(rows: pd.DataFrame, files: Sequence[Path], split: bool = False, uneven: bool = False) -> Runs:
    """The rows of all files, each with its file's number in `file` and its `variant`, as runs.

    split: where the steps of a seed begin again is another run, without a seed. uneven: evaluations may differ in
    their number of episodes. Raises StoreError, naming the file and the run, for a run that is found twice, for steps
    that do not increase, for uneven numbers of episodes and for a seed that is no whole number.
    """
    seeds, labels = _seeds(rows, files)
    rows = rows.assign(seed=seeds, label=labels)
    scored = rows[rows["score"].notna() | rows["diverged"]]
    if scored.empty:
        raise StoreError(f"{files[0]}: no row has a score")
    ended = _ended(rows, scored)
    _under_one_name(scored, files)
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
    kept = kept.assign(run=kept.groupby([*RUN, "part"], sort=False).ngroup())
    kept["seed"] = kept["seed"].where(kept["part"] == 0, -1)
    _once(kept, files)
    kept = kept.sort_values(["run", "step"], kind="stable", ignore_index=True)
    episodes = _episodes(kept, files, uneven)
    kept["episode"] = kept.groupby(["run", "step"], sort=False).cumcount()
    parts = kept.loc[kept["part"] > 0, "run"].nunique()
    return Runs(kept.drop(columns=["part", "label"]), episodes, len(rows) - len(scored), ended, copies, parts)


def telling(scores: Iterable[float]) -> bool:
    """Whether numbers are so many, and no shares, that two runs do not have the same ones by chance."""
    found = {score for score in scores if score is not None and score == score}
    return len(found) >= DISTINCT and not all(0 <= score <= 1 for score in found)


def free_seeds(taken: Iterable[int], count_: int, first: int = 0) -> list[int]:
    """The lowest numbers from `first` on that are not taken."""
    there = set(taken)
    return [seed for seed in range(first, first + count_ + len(there)) if seed not in there][:count_]


def _seeds(rows: pd.DataFrame, files: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """The seed of each row, -1 where its file tells none, and what its file calls the run then, "" for nothing.

    Raises StoreError.
    """
    texts = rows["seed"].str.strip()
    file = rows["file"]
    silent = (texts == "").groupby(file).transform("all")
    numbers = pd.to_numeric(texts, errors="coerce")
    named = (numbers.isna() & (texts != "")).groupby(file).transform("all") & ~silent  # "seed_3", "run-a1"
    if named.any():
        digits = texts[named].str.extract(r"^[A-Za-z_ -]*?(\d{1,9})$")[0]
        alone = digits.notna().groupby(file[named]).transform("all")
        once = texts[named].groupby([file[named], digits.fillna("")]).transform("nunique") == 1
        usable = alone & once.groupby(file[named]).transform("all")
        numbers = numbers.astype(object)
        numbers[named] = digits.where(usable).astype(float)
        numbers = pd.to_numeric(numbers)
    values = numbers.to_numpy(np.float64)
    labelled = (named & numbers.isna()).to_numpy()
    bad = ~silent.to_numpy() & ~labelled
    bad &= ~((values >= 0) & (values == np.round(values)) & (values < MOST_SEEDS))
    if bad.any():
        first = rows[bad].iloc[0]
        text, value = first["seed"], values[bad][0]
        problem = "has no seed, as other rows do"
        if text:
            problem = f"seed {text[:40]!r} is {f'beyond {MOST_SEEDS - 1}' if value >= MOST_SEEDS else NO_SEED}"
        raise StoreError(f"{files[first['file']]}: row {first['row']}: {problem}")
    found = np.where(silent | labelled, -1, np.nan_to_num(values, nan=-1)).astype(np.int64)
    return found, np.where(labelled, texts, "")


def _under_one_name(rows: pd.DataFrame, files: Sequence[Path]) -> None:
    """Raises StoreError where a file tells one run under several names, such as two spellings of its task."""
    names = rows.groupby(RUN, sort=False)["told"].transform("nunique")
    if (names > 1).any():
        first = rows[names > 1].iloc[0]
        same = rows[(rows[RUN] == first[RUN]).all(axis=1)]["told"].unique()
        pairs = zip(*(each.split("\0") for each in same[:2]), strict=True)
        one, other = next(pair for pair in pairs if pair[0] != pair[1])
        raise StoreError(f"{files[first['file']]}: {one!r} and {other!r} are both {_run(first)}: two runs in one?")


def _parts(rows: pd.DataFrame) -> pd.Series:
    """How often the steps have begun again, at each row, within its file's rows of one variant, task and seed."""
    keys = RUN
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
    """Without parts that repeat another run of their cell number for number, and how many those were."""
    keys = ["part", *RUN]  # the runs that begin a seed first
    seen: set[tuple[object, ...]] = set()
    lost: list[tuple[object, ...]] = []
    for _, part in rows.groupby(keys, sort=True):
        first = part.iloc[0]
        content = (*first[CELL], part["step"].to_numpy().tobytes(), part["score"].to_numpy().tobytes())
        if content in seen and first["part"] > 0:
            lost.append(tuple(first[keys]))
        seen.add(content)
    places = pd.MultiIndex.from_frame(rows[keys])
    return rows[~places.isin(lost)] if lost else rows, len(lost)


def _once(rows: pd.DataFrame, files: Sequence[Path]) -> None:
    """Raises StoreError for a run that two files tell, by its seed or, without one, number for number."""
    firsts = rows.drop_duplicates("run")
    told = firsts[firsts["seed"] >= 0]
    twice = told[told.duplicated([*CELL, "seed"], keep=False)]
    if len(twice):
        first = twice.iloc[0]
        same = twice[(twice[[*CELL, "seed"]] == first[[*CELL, "seed"]]).all(axis=1)]
        names = " and ".join(str(files[number]) for number in same["file"].iloc[:2])
        raise StoreError(f"{names}: both hold {_run(first)}")
    if not (firsts["seed"] < 0).any():
        return
    seen: dict[tuple[object, ...], pd.Series] = {}
    for _, run in rows.groupby("run", sort=False):
        first = run.iloc[0]
        content = (*first[CELL], run["step"].to_numpy().tobytes(), run["score"].to_numpy().tobytes())
        other = seen.setdefault(content, first)
        if other["run"] != first["run"] and min(other["seed"], first["seed"]) < 0 and telling(run["score"]):
            where = f"{files[other['file']]} and {files[first['file']]}" if other["file"] != first["file"] else None
            raise StoreError(
                f"{where}: both hold one run of {_run(first)}, number for number"
                if where
                else f"{files[first['file']]}: holds one run of {_run(first)} twice, number for number"
            )


def _episodes(rows: pd.DataFrame, files: Sequence[Path], uneven: bool) -> dict[tuple[str, str], int]:
    """Rows per evaluation, by variant and task. Raises StoreError where the evaluations of a cell differ in it.

    Arrays tell the episodes by their shape, and may differ from file to file.
    """
    sizes = rows.groupby(["file", *CELL, "run", "step"], sort=False).agg(
        episodes=("step", "size"), seed=("seed", "first"), row=("row", "first"), structured=("structured", "first")
    )
    sizes = sizes.reset_index()
    tables = sizes[~sizes["structured"]]
    cells = tables.groupby(CELL, sort=False)["episodes"]
    odd_ones = tables[cells.transform("min") != cells.transform("max")]
    if len(odd_ones) and not uneven:
        of_cell = odd_ones[(odd_ones[CELL] == odd_ones[CELL].iloc[0]).all(axis=1)]
        usual = int(of_cell["episodes"].mode().iloc[0])
        odd = of_cell[of_cell["episodes"] != usual].iloc[0]
        raise StoreError(
            f"{files[odd['file']]}: {_run(odd)} has {count(int(odd['episodes']), 'row')} at step {odd['step']:,g}, "
            f"where other evaluations have {usual}: two runs in one, or episodes (--uneven-episodes)?"
        )
    most = sizes.groupby(CELL, as_index=False)["episodes"].max()
    return {(v, t): int(n) for v, t, n in most[[*CELL, "episodes"]].itertuples(index=False, name=None)}


def _ended(rows: pd.DataFrame, scored: pd.DataFrame) -> tuple[Ended, ...]:
    far = rows.groupby(CELL, sort=False)["step"].max().rename("of")
    last = scored.groupby(RUN, sort=False)["step"].max().rename("at").reset_index()
    silent = rows.groupby(RUN, sort=False).size().reset_index()[RUN]
    found = silent.merge(last, how="left", on=RUN).merge(far.reset_index(), on=CELL)
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
