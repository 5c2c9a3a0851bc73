"""One file of another tool as a frame with the columns COLUMNS. Nothing read here can run code."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from dimebench.store.errors import StoreError

COLUMNS = ("algorithm", "task", "seed", "step", "score", "length", "source", "licence")
STEPS_FILE, RETURNS_FILE = "env_interacts.npy", "mean_return.npy"
LARGEST = 2**31  # bytes of one file, unpacked too
MOST_VALUES = 10**8  # of one table: a thousand times what any study has published
TOO_MUCH = "unfolds to more than an import can take"

# Other tools' names for the columns of a long table, in lower case; the first one present counts.
ALIASES: dict[str, tuple[str, ...]] = {
    "algorithm": ("algorithm", "algo", "method", "agent", "exp_name"),
    "task": ("task", "env", "env_id", "env_name", "environment"),
    "seed": ("seed", "run", "run_id"),
    "step": ("env_step", "env_steps", "frame", "frames", "step", "steps", "timestep", "timesteps", "global_step"),
    "score": ("score", "return", "mean_return", "eval_return", "episode_return", "episodic_return", "reward"),
    "length": ("length", "episode_length", "ep_length"),
    "source": ("source_repo", "source"),
    "licence": ("licence", "license"),
    "family": ("env_suite", "family"),
}
TEXT = ("algorithm", "task", "source", "licence")


def read_file(file: Path, given: Mapping[str, str]) -> pd.DataFrame:
    """The file's rows with the columns COLUMNS; `seed` is None throughout where the file has none.

    given: algorithm, task, source, licence where the caller names them; they win over the file's own columns.
    Raises StoreError (without the file's name), OSError, ValueError.
    """
    if not file.exists():
        raise StoreError("no such file")
    if file.is_dir() or file.suffix == ".npy":
        return _npy_pair(file if file.is_dir() else file.parent, given)
    if file.stat().st_size > LARGEST:
        raise StoreError("larger than 2 GiB")
    if file.suffix == ".npz":
        return _sb3(file, given)
    if file.suffix in (".parquet", ".pq"):
        stored = pq.ParquetFile(file, page_checksum_verification=True)
        if stored.metadata.num_rows * stored.metadata.num_columns > MOST_VALUES:
            raise StoreError(TOO_MUCH)
        return _long(stored.read().to_pandas(), given)
    if file.suffix in (".csv", ".tsv"):
        return _long(pd.read_csv(file, sep="," if file.suffix == ".csv" else "\t", low_memory=False), given)
    raise StoreError(f"'{file.suffix}' is no format to import (known: .npz, .npy, .csv, .tsv, .parquet)")


def _sb3(file: Path, given: Mapping[str, str]) -> pd.DataFrame:
    """SB3's EvalCallback: timesteps [K], results [K, episodes], ep_lengths [K, episodes] where present."""
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise StoreError(TOO_MUCH)
    with np.load(file, allow_pickle=False) as arrays:
        for key in ("timesteps", "results"):
            if key not in arrays:
                raise StoreError(f"no array '{key}': not an evaluations.npz of Stable-Baselines3")
        steps, results = _numbers(arrays["timesteps"], "timesteps"), _numbers(arrays["results"], "results")
        lengths = _numbers(arrays["ep_lengths"], "ep_lengths") if "ep_lengths" in arrays else np.zeros_like(results)
    results, lengths = (array[:, None] if array.ndim == 1 else array for array in (results, lengths))
    if steps.ndim != 1 or results.ndim != 2 or len(results) != len(steps) or lengths.shape != results.shape:
        shapes = f"timesteps {steps.shape}, results {results.shape} and ep_lengths {lengths.shape}"
        raise StoreError(f"{shapes} do not fit together")
    return _frame(np.repeat(steps, results.shape[1]), results.ravel(), None, lengths.ravel(), given)


def _npy_pair(folder: Path, given: Mapping[str, str]) -> pd.DataFrame:
    """env_interacts.npy [K] and mean_return.npy [seeds, K] (or [K, seeds]), as DIME's authors publish them."""
    for name in (STEPS_FILE, RETURNS_FILE):
        if not (folder / name).is_file():
            raise StoreError(f"no {name} there: a pair {STEPS_FILE} and {RETURNS_FILE} is needed")
    steps = _numbers(np.load(folder / STEPS_FILE, allow_pickle=False), STEPS_FILE)
    returns = np.atleast_2d(_numbers(np.load(folder / RETURNS_FILE, allow_pickle=False), RETURNS_FILE))
    if returns.ndim == 2 and returns.shape[1] != steps.size == returns.shape[0]:
        returns = returns.T
    if steps.ndim != 1 or returns.ndim != 2 or returns.shape[1] != steps.size:
        raise StoreError(f"{STEPS_FILE} {steps.shape} and {RETURNS_FILE} {returns.shape} do not fit together")
    seeds = np.repeat(np.arange(len(returns)), steps.size)
    return _frame(np.tile(steps, len(returns)), returns.ravel(), seeds, np.zeros(returns.size), given)


def _long(table: pd.DataFrame, given: Mapping[str, str]) -> pd.DataFrame:
    """One row per evaluation, or per episode of one; columns by any of their usual names."""
    by_lower = {str(name).strip().lower(): name for name in table.columns}
    names = {key: next((a for a in aliases if a in by_lower), None) for key, aliases in ALIASES.items()}
    found = {key: table[by_lower[name]] for key, name in names.items() if name is not None}
    for key in ("step", "score"):
        if key not in found:
            raise StoreError(f"no column for the {key} (one of {', '.join(ALIASES[key])})")
    step, score = (_column(found[key], names[key] or key) for key in ("step", "score"))
    if step.isna().any():
        raise StoreError(f"row {_first(step.isna())}: column '{names['step']}' is empty")
    length = _column(found["length"], "length").fillna(0) if "length" in found else np.zeros(len(table))
    frame = _frame(step, score, found.get("seed"), length, given)
    for key in TEXT:
        if key in found and not given.get(key):
            frame[key] = found[key].fillna("").astype(str).to_numpy()
    if "family" in found and not given.get("task"):
        families = found["family"].astype(str).to_numpy()
        frame["task"] = frame["task"].where(frame["task"].str.contains("/"), families + "/" + frame["task"])
    return frame


def _frame(step: Any, score: Any, seed: Any, length: Any, given: Mapping[str, str]) -> pd.DataFrame:
    """Numbers as columns, `given` as the texts. Raises StoreError for an infinite number or a step too large."""
    numbers = {"step": np.asarray(step, np.float64), "score": np.asarray(score, np.float64)}
    for key, values in numbers.items():
        if np.isinf(values).any() or (key == "step" and not (np.abs(values) <= 1e15).all()):
            raise StoreError(f"the {key}s are not all finite")
    frame = pd.DataFrame(numbers | {"seed": None if seed is None else np.asarray(seed)})
    frame["length"] = np.asarray(length).astype(np.int64)
    return frame.assign(**{key: given.get(key) or "" for key in TEXT})[list(COLUMNS)]


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in "iuf":
        raise StoreError(f"{name} holds {array.dtype}, not numbers")
    return array.astype(np.float64)


def _column(values: pd.Series, name: str) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() & values.notna()
    if bad.any():
        raise StoreError(f"row {_first(bad)}: {name} {str(values[bad].iloc[0])[:40]!r} is no number")
    return numbers.astype(np.float64)


def _first(where: pd.Series) -> int:
    return 1 + int(where.to_numpy().argmax())
