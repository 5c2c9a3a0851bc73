"""Curves of other tools or papers as external runs in a results folder.

Source, licence and units stand in a run's identity; the name of its variant says what it is: `paper:DIME` was
published, `ext:my-sac` came from another tool. `store.foreign` reads the files.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from dimebench.numbers import LARGEST
from dimebench.store.errors import StoreError
from dimebench.store.external import OTHER, PUBLISHED, There, folder_name, task_folders
from dimebench.store.foreign.columns import FRAMES
from dimebench.store.foreign.runs import free_seeds, telling
from dimebench.store.schema import EVALS_SCHEMA, Run
from dimebench.store.writer import check


@dataclass(frozen=True)
class Origin:
    """Where the curves of a file come from, kept with every run. `unit` is what their steps count."""

    source: str
    licence: str
    unit: str  # ENV_STEPS or FRAMES
    action_repeat: int  # of the source: frames per env step
    published: bool
    told: bool = False  # whether somebody said so, or the source is the file's name
    command: str = ""  # that was typed to import them; "" where that is not known

    @property
    def frames(self) -> int:
        """Frames per step of the file."""
        return 1 if self.unit == FRAMES else self.action_repeat


@dataclass(frozen=True)
class Target:
    """Where runs go: a suite, its action repeat, and how a run of each task is scored (kind, lower, upper)."""

    suite: str
    action_repeat: int
    score: Mapping[str, Mapping[str, Any]]


def variants(rows: pd.DataFrame, origins: Sequence[Origin]) -> pd.Series:
    """The variant of each row: `paper:SAC@simba` where several told sources have curves of SAC on the same task.

    Raises StoreError for a name that says of itself that it is published, where the origin does not, and for none.
    """
    names = sourced(rows)
    prefixes = rows["file"].map({i: PUBLISHED if o.published else OTHER for i, o in enumerate(origins)})
    found: pd.Series = names.where(names.str.startswith((PUBLISHED, OTHER)), prefixes + names)
    for name, prefix in set(zip(found, prefixes, strict=True)):
        if name.startswith(PUBLISHED) and prefix != PUBLISHED:
            raise StoreError(f"algorithm '{name}': says that it is published: add --published, or --algorithm NAME")
        if name in (PUBLISHED, OTHER):
            raise StoreError(f"algorithm '{name}': has no name after its prefix: add --algorithm NAME")
    return found


def sourced(rows: pd.DataFrame) -> pd.Series:
    """The algorithm of each row, with its source where several told ones have curves of it on the same task."""
    told = rows["source"]
    sources = rows[told != ""].groupby(["algorithm", "task"])["source"].nunique()
    shared = set(sources[sources > 1].index.get_level_values("algorithm"))
    several = rows["algorithm"].isin(shared) & (told != "")
    short = {source: source.rpartition("/")[2] for source in told.unique()}
    alike = {source for source in short if list(short.values()).count(short[source]) > 1}
    short |= {source: source for source in alike}
    found: pd.Series = rows["algorithm"].where(~several, rows["algorithm"] + "@" + told.map(short))
    return found


def external_runs(
    rows: pd.DataFrame,
    origins: Sequence[Origin],
    target: Target,
    there: There | None = None,
    first_seed: int | None = None,
) -> list[tuple[Run, pa.Table]]:
    """A run (its path relative to the results folder) and its evaluations for each run of the rows.

    rows: of `foreign.runs.Runs`. A run without a seed takes the lowest free number; the number that it has where the
    results hold it already; or, with `first_seed`, the numbers from there on. there: what the results hold. Raises
    StoreError for steps that cannot be told apart as env steps of the suite, and for what no reader would take.
    """
    if rows.empty:
        return []
    frames = rows["step"] * rows["file"].map({i: origin.frames for i, origin in enumerate(origins)})
    env_step = (frames / target.action_repeat).round()
    if env_step.max() > LARGEST:
        raise StoreError(f"step {rows['step'].max():g} is beyond {LARGEST:g} env steps")
    per_length = rows["file"].map({i: o.action_repeat / target.action_repeat for i, o in enumerate(origins)})
    rows = rows.assign(
        env_step=env_step.astype(np.int64),
        length=(rows["length"] * per_length).round().fillna(0).astype(np.int64),  # 0: unknown
    )
    _told_apart(rows, target)
    begins = np.flatnonzero(np.r_[True, rows["run"].to_numpy()[1:] != rows["run"].to_numpy()[:-1]])
    pieces = [rows.iloc[begin:end] for begin, end in itertools.pairwise([*begins, len(rows)])]
    digests = [_digest(piece) for piece in pieces]
    numbers = _numbers(pieces, digests, there or There(), first_seed)
    made = []
    for piece, digest, seed in zip(pieces, digests, numbers, strict=True):
        own = piece.assign(seed=seed)
        run, table = _run(own, digest, origins[int(own["file"].iloc[0])], target), _table(own, target.suite)
        check(run, table)
        made.append((run, table))
    return made


def _told_apart(rows: pd.DataFrame, target: Target) -> None:
    """Raises StoreError where two steps of a run become the same env step."""
    same = (rows["run"] == rows["run"].shift()) & (rows["env_step"] == rows["env_step"].shift())
    merged = same & (rows["step"] != rows["step"].shift())
    if merged.any():
        place = int(np.flatnonzero(merged)[0])
        two = rows.iloc[place - 1 : place + 1]
        raise StoreError(
            f"{two['variant'].iloc[0]} on {two['task'].iloc[0]}: steps {two['step'].iloc[0]:,g} and "
            f"{two['step'].iloc[1]:,g} would both be env step {two['env_step'].iloc[0]:,} of suite {target.suite} "
            f"(action repeat {target.action_repeat}): --unit or --step says what steps count"
        )


def _digest(rows: pd.DataFrame) -> str:
    content = hashlib.sha256()
    content.update(rows["env_step"].to_numpy(np.int64).tobytes())
    content.update(rows["score"].to_numpy(np.float64).tobytes())
    return content.hexdigest()


def _numbers(
    pieces: Sequence[pd.DataFrame], digests: Sequence[str], there: There, first_seed: int | None
) -> list[int]:
    """The seed of each run: its own, or a number for one without. Raises StoreError for a run that is there."""
    firsts = [piece.iloc[0] for piece in pieces]
    cells = [(str(first["variant"]), str(first["task"])) for first in firsts]
    used: dict[tuple[str, str], set[int]] = {}
    for cell, first in zip(cells, firsts, strict=True):
        if first["seed"] >= 0:
            used.setdefault(cell, set()).add(int(first["seed"]))
    found = []
    for cell, piece, digest in zip(cells, pieces, digests, strict=True):
        seed, mine = int(piece["seed"].iloc[0]), used.setdefault(cell, set())
        if seed < 0:
            same = [number for number in there.alike(cell, digest) if number not in mine]
            if first_seed is None:
                seed = same[0] if same else free_seeds(mine | there.seeds(cell), 1)[0]
            else:
                seed = free_seeds(mine, 1, first_seed)[0]
                if same and seed not in same and telling(piece["score"]):
                    raise StoreError(f"{cell[0]} on {cell[1]}: this run is there already, as seed {same[0]}")
            mine.add(seed)
        found.append(seed)
    return found


def _table(rows: pd.DataFrame, suite: str) -> pa.Table:
    """The rows of a run in EVALS_SCHEMA; imported data has no updates and times: they are 0."""
    count = len(rows)
    returns = rows["score"].to_numpy(np.float64)
    success = rows["success"].to_numpy(np.float64)
    columns: dict[str, Any] = {
        "suite": [suite] * count,
        "algorithm": rows["variant"],
        "return": pa.array(returns, mask=np.isnan(returns)),
        "grad_step": np.zeros(count, np.int64),
        "success": pa.array(success, mask=np.isnan(success)),
        "wall_time_s": np.zeros(count),
    }
    columns |= {name: rows[name] for name in ("variant", "task", "seed", "env_step", "episode", "length", "diverged")}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in EVALS_SCHEMA})


def _run(rows: pd.DataFrame, digest: str, origin: Origin, target: Target) -> Run:
    first, last = rows.iloc[0], int(rows["env_step"].iloc[-1])
    seed, variant, task = int(first["seed"]), str(first["variant"]), str(first["task"])
    lost = rows.loc[rows["diverged"], "env_step"]
    facts = asdict(origin) | {key: str(first[key]) or getattr(origin, key) for key in ("source", "licence")}
    told = bool(facts.pop("told") or first["source"])
    command = {"command": origin.command} if facts.pop("command") else {}
    of = {
        "external": facts | {"algorithm": str(first["algorithm"]), "rows_sha256": digest},
        "task": task,
        "protocol": {"env_steps": last, "action_repeat": target.action_repeat},
        "settings": {},
    }
    canonical = json.dumps(of, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return Run(
        path=Path(target.suite, folder_name(variant), *task_folders(task), f"seed-{seed:03d}"),
        suite=target.suite,
        algorithm=variant,
        variant=variant,
        task=task,
        seed=seed,
        status="diverged" if len(lost) else "finished",
        reason=f"no return (NaN) from env step {lost.iloc[0]:,} on" if len(lost) else None,
        identity={"sha256": hashlib.sha256(canonical.encode()).hexdigest(), "of": of},
        score=dict(target.score[task]),
        provenance={"imported_from": facts["source"], "licence": facts["licence"], "source_told": told} | command,
        progress={"env_step": last, "grad_step": 0, "wall_time_s": 0.0},
        block=f"seed-{seed:03d}",
    )
