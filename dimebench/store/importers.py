"""Curves of other tools or papers, imported as external runs.

Reads an SB3 `evaluations.npz`, a pair `env_interacts.npy` and `mean_return.npy`, a long csv and a long Parquet
file. The runs go into a results folder with source, licence and units in their identity; the name of their variant
says what they are: `paper:DIME` was published, `ext:my-sac` came from another tool.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from dimebench.errors import NOT_COMPARABLE, one_line
from dimebench.store.errors import StoreError
from dimebench.store.foreign import read_file
from dimebench.store.reader import read_run
from dimebench.store.schema import EVALS_FILE, EVALS_SCHEMA, Run
from dimebench.store.writer import write_run, write_table

PUBLISHED, OTHER = "paper:", "ext:"
AGGREGATES = ("mean", "median", "iqm")  # in place of a seed where a row is no run
KEYS = ["variant", "task", "seed"]


class ImportConflictError(StoreError):
    """The place of an imported run is taken by a run of another identity."""

    exit_code = NOT_COMPARABLE


@dataclass(frozen=True)
class Origin:
    """Where curves come from, kept with every run. `unit` is what their steps count: "env steps" or "frames"."""

    source: str
    licence: str
    unit: str
    action_repeat: int  # of the source: frames per env step
    published: bool


@dataclass(frozen=True)
class Target:
    """Where runs go: a suite, its action repeat, and how a run of each task is scored (kind, lower, upper)."""

    suite: str
    action_repeat: int
    score: Mapping[str, Mapping[str, Any]]


def external(run: Run) -> dict[str, Any] | None:
    """The origin of an external run, from its identity; None for a run that dimebench trained."""
    found = run.identity.get("of", {}).get("external")
    return found if isinstance(found, dict) else None


def read_files(files: Sequence[Path], given: Mapping[str, str], first_seed: int = 0) -> tuple[pd.DataFrame, int]:
    """All files as one frame, and how many of their rows have no score or are aggregates over seeds.

    A file without seeds is one run, and gets the next seed in the order of the files. Raises StoreError, or
    OSError, naming the file.
    """
    frames, lost, seed = [], 0, first_seed
    for file in files:
        try:
            frame = read_file(file, given)
            if frame["seed"].isna().all():
                frame, seed = frame.assign(seed=seed), seed + 1
            runs = _runs_alone(frame)
        except StoreError as error:
            raise StoreError(f"{file}: {error}") from error
        except Exception as error:  # damaged zip, zlib, NumPy headers, pandas and Arrow raise all kinds
            if isinstance(error, OSError) and error.filename is not None:
                raise
            text = one_line(error) or type(error).__name__
            raise StoreError(f"{file}: cannot be read: {text[:120]}") from error
        lost += len(frame) - len(runs)
        frames.append(runs)
    return pd.concat(frames, ignore_index=True), lost


def _runs_alone(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with a score that belong to one run, their seeds as whole numbers from 0."""
    words = frame["seed"].astype(str).str.strip().str.lower()
    kept = frame[~words.isin(AGGREGATES) & frame["score"].notna()]
    seeds = pd.to_numeric(kept["seed"], errors="coerce")
    bad = kept["seed"][~((seeds >= 0) & (seeds == seeds.round()) & (seeds < 2**31))]
    if len(bad):
        raise StoreError(f"seed {str(bad.iloc[0])[:40]!r} is no whole number from 0 (nor {', '.join(AGGREGATES)})")
    return kept.assign(seed=seeds.astype(np.int64))


def external_runs(frame: pd.DataFrame, origin: Origin, target: Target) -> list[tuple[Run, pa.Table]]:
    """A run (its path relative to the results folder) and its evaluations for each algorithm, task and seed.

    frame: the columns of `foreign.COLUMNS`; rows of one step are episodes of one evaluation. Steps become env
    steps of the suite: frames of the source over the suite's action repeat. Raises StoreError for a step below 0.
    """
    frames = frame["step"] * (1 if origin.unit == "frames" else origin.action_repeat)
    if len(frame) and frames.min() < 0:
        raise StoreError(f"a step below 0 ({frames.min():g})")
    frame = frame.assign(
        variant=_variants(frame, PUBLISHED if origin.published else OTHER),
        env_step=(frames / target.action_repeat).round().astype(np.int64),
    ).sort_values([*KEYS, "env_step"], kind="stable", ignore_index=True)
    frame["episode"] = frame.groupby([*KEYS, "env_step"], sort=False).cumcount()
    table = _table(frame, target.suite)
    begins = np.flatnonzero((frame[KEYS] != frame[KEYS].shift()).any(axis=1))
    pieces = [table.slice(begin, end - begin) for begin, end in itertools.pairwise([*begins, len(frame)])]
    return [(_run(frame.iloc[begin], rows, origin, target), rows) for begin, rows in zip(begins, pieces, strict=True)]


def write_external(results: Path, run: Run, evals: pa.Table) -> bool:
    """Write one external run below `results`; False where it is there already.

    Raises ImportConflictError where another run is in the way, OSError where nothing can be written.
    """
    run = replace(run, path=results / run.folder)
    there = read_run(run.path)
    if there is not None and (run.path / EVALS_FILE).exists():
        if there.identity["sha256"] == run.identity["sha256"]:
            return False
        was = external(there)
        what = f"imported from {was.get('source')}" if was else "trained here"
        raise ImportConflictError(f"{run.path}: holds another run ({what}): move it away or use another --results")
    write_table(run, EVALS_FILE, evals)
    write_run(run)
    return True


def _variants(frame: pd.DataFrame, prefix: str) -> pd.Series:
    """The variant of each row: `paper:SAC@simba` where several sources have curves of SAC on the same task."""
    sources = frame.groupby(["algorithm", "task"])["source"].nunique()
    shared = set(sources[sources > 1].index.get_level_values("algorithm"))
    short = frame["source"].str.split("/").str[-1]
    names = frame["algorithm"].where(~frame["algorithm"].isin(shared), frame["algorithm"] + "@" + short)
    return names.where(names.str.startswith((PUBLISHED, OTHER)), prefix + names)


def _table(frame: pd.DataFrame, suite: str) -> pa.Table:
    """Every row in EVALS_SCHEMA; imported data has no updates and times: they are 0."""
    rows = len(frame)
    columns: dict[str, Any] = {
        "suite": [suite] * rows,
        "algorithm": frame["variant"],
        "return": frame["score"],
        "grad_step": np.zeros(rows, np.int64),
        "success": pa.nulls(rows, pa.bool_()),
        "wall_time_s": np.zeros(rows),
        "diverged": np.zeros(rows, bool),
    }
    columns |= {name: frame[name] for name in (*KEYS, "env_step", "episode", "length")}
    return pa.table({field.name: pa.array(columns[field.name], field.type) for field in EVALS_SCHEMA})


def _run(first: Any, rows: pa.Table, origin: Origin, target: Target) -> Run:
    content = hashlib.sha256()
    for name in ("env_step", "return"):
        content.update(rows[name].to_numpy().tobytes())
    last, seed = int(rows["env_step"][-1].as_py()), int(first["seed"])
    variant, task = str(first["variant"]), str(first["task"])
    facts = asdict(origin) | {key: str(first[key]) or getattr(origin, key) for key in ("source", "licence")}
    of = {
        "external": facts | {"algorithm": str(first["algorithm"]), "rows_sha256": content.hexdigest()},
        "task": task,
        "protocol": {"env_steps": last, "action_repeat": target.action_repeat},
        "settings": {},
    }
    canonical = json.dumps(of, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return Run(
        path=Path(target.suite, folder_name(variant), *_folders(task), f"seed-{seed:03d}"),
        suite=target.suite,
        algorithm=variant,
        variant=variant,
        task=task,
        seed=seed,
        status="finished",
        reason=None,
        identity={"sha256": hashlib.sha256(canonical.encode()).hexdigest(), "of": of},
        score=dict(target.score[task]),
        provenance={"imported_from": facts["source"], "licence": facts["licence"]},
        progress={"env_step": last, "grad_step": 0, "wall_time_s": 0.0},
        block=f"seed-{seed:03d}",
    )


def folder_name(variant: str) -> str:
    """A folder for the variant: `paper@DIME`; with a checksum where characters had to be replaced."""
    plain = variant.replace(":", "@")
    safe = re.sub(r"[^A-Za-z0-9@._+-]+", "-", plain).strip(".-")[:80]
    return safe if safe == plain else f"{safe}~{zlib.crc32(plain.encode()):08x}"


def _folders(task: str) -> list[str]:
    """Family and name of a task. Raises StoreError for a name that is not two plain folders."""
    parts = task.split("/")
    if len(parts) != 2 or not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", part) for part in parts):
        raise StoreError(f"'{task[:60]}' is no task name: write FAMILY/NAME, such as dm_control/dog-run")
    return parts
