"""What a tracker is shown of a run: its points, read from its files, and the names that keep runs apart."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol, runtime_checkable

from dimebench.errors import SOME_FAILED, DimebenchError
from dimebench.store import Run, read_evals, read_train
from dimebench.store.schema import TRAIN_SCHEMA

Point = tuple[int, dict[str, float], float]  # env step, scalars by tag, seconds of training so far
LOCKS = "locks"  # below a tracker's folder
WAIT_S = 60.0


class TrackerError(DimebenchError):
    """A tracker cannot be written to; one line that says why."""

    exit_code = SOME_FAILED


class MissingExtraError(DimebenchError):
    """A tracker's package is not installed; one line that says what to install."""


class RunInUseError(TrackerError):
    """Another process is sending the same run to the same tracker."""


@runtime_checkable
class Tracker(Protocol):
    """Shows runs, and knows by itself which of their points it has: each is shown once, whoever sends it again."""

    def show(self, run: Run, points: Sequence[Point]) -> int:
        """Show all of a run's points. Returns at how many env steps something was new.

        Raises RunInUseError while another process is showing the run, and OSError or TrackerError where the
        points cannot be written.
        """

    def close(self) -> None:
        """Write out what is buffered."""


def scalars_of(run: Run) -> list[Point]:
    """A run's evaluations and metrics in the order of env steps.

    `eval/return` is the mean over an evaluation's episodes, `train/...` the mean since the last logging point. What
    is not finite is left out, as training leaves it out of its metrics. Raises StoreError for files that cannot be
    read.
    """
    rows: dict[int, Point] = {}
    evals = read_evals([run])
    for step, group in evals[evals["return"].notna()].groupby("env_step"):
        found = {"eval/return": float(group["return"].mean())}
        if group["length"].any():  # 0: not known
            found["eval/length"] = float(group["length"].mean())
        if group["success"].notna().any():
            found["eval/success"] = float(group["success"].mean())
        rows[int(str(step))] = (int(str(step)), _finite(found), float(group["wall_time_s"].max()))
    train = read_train([run])
    metrics = [name for name in train.columns if name not in TRAIN_SCHEMA.names]
    for row in train.to_dict("records"):
        at = int(row["env_step"])
        scalars = {f"train/{name}": float(row[name]) for name in metrics}
        scalars["train/grad_step"] = float(row["grad_step"])
        evaluated = rows[at][1] if at in rows else {}
        rows[at] = (at, evaluated | _finite(scalars), float(row["wall_time_s"]))
    return [rows[step] for step in sorted(rows) if rows[step][1]]


def stream_of(tag: str) -> str:
    """`eval` or `train`: each is a file of its own, which may gain a step's rows before the other does."""
    return tag.partition("/")[0]


def run_id(run: Run) -> str:
    """32 hexadecimal digits that no other run has, and that a resumed run keeps.

    Nothing in an identity names the suite, and a run that is deleted and trained again has the same identity: suite,
    variant, task, seed and the time at which training began belong to it.
    """
    facts = [run.suite, run.variant, run.task, run.seed, run.identity["sha256"], run.provenance.get("started")]
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def folder_of(run: Run) -> str:
    """The run's folder below a tracker's: SUITE/VARIANT/FAMILY/TASK/seed-000, in characters that any disk takes.

    Where that changes a name, a checksum of the name follows, so that no two runs share a folder. A colon becomes @
    without one, as in a results folder.
    """
    parts = [run.suite, run.variant, *run.task.split("/"), f"seed-{run.seed:03d}"]
    return "/".join(map(_folder_name, parts))


def _folder_name(name: str) -> str:
    plain = name.replace(":", "@")
    safe = re.sub(r"[^A-Za-z0-9@._+=-]", "-", plain).strip(".")[:100]
    if safe == plain and safe and "@" not in name:
        return safe
    return f"{safe}~{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def started(run: Run) -> float:
    """When the run began, in seconds since 1970; 0 for runs that do not record it, as external ones."""
    try:
        return datetime.fromisoformat(str(run.provenance["started"])).timestamp()
    except (KeyError, ValueError, OverflowError, OSError):
        return 0.0


class RunLock:
    """Keeps two processes from showing one run at once. The system lets go of it when a process dies.

    Where the system or the file system has no such locks it does nothing: at worst a point then comes twice.
    """

    def __init__(self, folder: Path, name: str, wait_s: float) -> None:
        """`folder`: the tracker's. Raises OSError, and RunInUseError where another has it for more than `wait_s`."""
        (folder / LOCKS).mkdir(parents=True, exist_ok=True)
        file = folder / LOCKS / hashlib.sha256(name.encode()).hexdigest()[:32]
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        until = time.monotonic() + wait_s
        while not self._try():
            if time.monotonic() >= until:
                os.close(self._descriptor)
                raise RunInUseError(f"{folder}: another process sends the same run there: wait for its end")
            time.sleep(0.02)
        if not os.fstat(self._descriptor).st_size:
            os.write(self._descriptor, f"{name}\n".encode())  # for whoever wonders what the file is

    def _try(self) -> bool:
        try:
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except (ImportError, OSError):
            pass
        return True

    def release(self) -> None:
        with suppress(ImportError, OSError):  # a forked process may have the file open: closing it would not do
            import fcntl

            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        os.close(self._descriptor)

    def __enter__(self) -> RunLock:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _finite(scalars: dict[str, float]) -> dict[str, float]:
    return {tag: value for tag, value in scalars.items() if math.isfinite(value)}
