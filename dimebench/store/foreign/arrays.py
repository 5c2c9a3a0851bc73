"""Evaluations as arrays: Stable-Baselines3's evaluations.npz, and a pair of npy files. NaN means diverged here."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dimebench.store.errors import StoreError
from dimebench.store.foreign.tables import LARGEST, TOO_MUCH

STEPS_FILE, RETURNS_FILE = "env_interacts.npy", "mean_return.npy"
RUNS_IN = ("rows", "columns")


def read_sb3(file: Path) -> pd.DataFrame:
    """SB3's EvalCallback: timesteps [K], results [K, episodes]; ep_lengths and successes alike where present.

    One run: a row per episode, in the order of the file. Raises StoreError (without the file's name).
    """
    if file.stat().st_size > LARGEST:
        raise StoreError("larger than 2 GiB")
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise StoreError(TOO_MUCH)
    found: dict[str, np.ndarray] = {}
    with np.load(file, allow_pickle=False) as arrays:
        for key in ("timesteps", "results", "ep_lengths", "successes"):
            if key in arrays:
                found[key] = _numbers(arrays[key], key)
            elif key in ("timesteps", "results"):
                raise StoreError(f"no array '{key}': not an evaluations.npz of Stable-Baselines3")
    steps = _once_each(found.pop("timesteps"), "timesteps")
    found = {key: array[:, None] if array.ndim == 1 else array for key, array in found.items()}
    results = found["results"]
    if (
        steps.ndim != 1
        or results.ndim != 2
        or any(a.shape != (len(steps), *results.shape[1:]) for a in found.values())
    ):
        shapes = " and ".join(f"{key} {array.shape}" for key, array in found.items())
        raise StoreError(f"timesteps {steps.shape} and {shapes} do not fit together")
    episodes = results.shape[1]
    return _rows(
        step=np.repeat(steps, episodes),
        score=results.ravel(),
        seed="",
        length=found["ep_lengths"].ravel() if "ep_lengths" in found else np.nan,
        success=found["successes"].ravel() if "successes" in found else np.nan,
    )


def read_pair(folder: Path, runs_in: str = "") -> pd.DataFrame:
    """env_interacts.npy [K] and mean_return.npy [runs, K], as DIME's authors publish them, or [K, runs].

    runs_in: which of RUNS_IN a run is, where the shape does not say. Raises StoreError (without the folder's name).
    """
    for name in (STEPS_FILE, RETURNS_FILE):
        if not (folder / name).is_file():
            raise StoreError(f"no {name} there: a pair {STEPS_FILE} and {RETURNS_FILE} is needed")
    steps = _once_each(_numbers(np.load(folder / STEPS_FILE, allow_pickle=False), STEPS_FILE), STEPS_FILE)
    returns = np.atleast_2d(_numbers(np.load(folder / RETURNS_FILE, allow_pickle=False), RETURNS_FILE))
    if returns.ndim == 2 and returns.shape == (steps.size, steps.size) and steps.size > 1 and not runs_in:
        raise StoreError(
            f"{RETURNS_FILE} {returns.shape} has as many runs as evaluations: say with --runs-in rows or columns "
            "what one run is"
        )
    turned = returns.ndim == 2 and returns.shape[1] != steps.size == returns.shape[0]
    if turned if runs_in == "" else runs_in == "columns":
        returns = returns.T
    if steps.ndim != 1 or returns.ndim != 2 or returns.shape[1] != steps.size:
        raise StoreError(f"{STEPS_FILE} {steps.shape} and {RETURNS_FILE} {returns.shape} do not fit together")
    return _rows(
        step=np.tile(steps, len(returns)),
        score=returns.ravel(),
        seed=np.repeat(np.arange(len(returns)), steps.size).astype(str).astype(object),
        length=np.nan,
        success=np.nan,
    )


def _rows(**columns: Any) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    if len(frame) == 0:
        raise StoreError("holds no evaluations")
    finite = np.isfinite(frame["score"].to_numpy(np.float64))
    return frame.assign(score=frame["score"].where(finite), episode=np.nan, diverged=~finite)


def _once_each(steps: np.ndarray, name: str) -> np.ndarray:
    """The steps. Raises StoreError for one that stands there twice in a row."""
    if steps.ndim == 1 and (again := steps[1:] == steps[:-1]).any():
        raise StoreError(f"{name}: {steps[1:][again][0]:,g} stands there twice")
    return steps


def _numbers(array: np.ndarray, name: str) -> np.ndarray:
    if array.dtype.kind not in ("iufb" if name == "successes" else "iuf"):
        raise StoreError(f"{name} holds {array.dtype}, not numbers")
    return array.astype(np.float64)
