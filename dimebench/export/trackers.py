"""Runs in TensorBoard or Weights & Biases, while they train and afterwards: read from their files alone.

Training knows nothing of this: a follower reads evals.parquet and train.parquet, and passes on what is new.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from dimebench.errors import DimebenchError
from dimebench.store import Run, StoreError, atomic_write, read_evals, read_run, read_train
from dimebench.store.importers import external
from dimebench.store.places import Place
from dimebench.store.schema import EVALS_FILE, TRAIN_FILE, TRAIN_SCHEMA

TRACKERS = ("tensorboard", "wandb")
STATE_FILE = "sent.json"
FILE_OF = {"eval": EVALS_FILE, "train": TRAIN_FILE}  # which file a tag's scalars come from


class MissingExtraError(DimebenchError):
    """A tracker's package is not installed; one line that says what to install."""


class Sink(Protocol):
    """Where scalars of a run go."""

    def log(self, run: Run, env_step: int, scalars: dict[str, float], seconds: float) -> None:
        """Scalars of a run at an env step; `seconds` of training so far."""

    def close(self) -> None:
        """Write out what is buffered."""


class TensorBoard:
    """Event files below `folder`, one folder per run."""

    def __init__(self, folder: Path) -> None:
        """Raises MissingExtraError."""
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.event_file_writer import EventFileWriter
        except ImportError as error:
            raise MissingExtraError("TensorBoard is not installed: pip install 'dimebench[tensorboard]'") from error
        self._folder, self._event, self._summary, self._writer = folder, Event, Summary, EventFileWriter
        self._writers: dict[Place, Any] = {}

    def log(self, run: Run, env_step: int, scalars: dict[str, float], seconds: float) -> None:
        if run.path not in self._writers:
            self._writers[run.path] = self._writer(str(self._folder / _place(run)))
        values = [self._summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        event = self._event(wall_time=_started(run) + seconds, step=env_step, summary=self._summary(value=values))
        self._writers[run.path].add_event(event)

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()


class WandB:
    """One run of Weights & Biases per run. WANDB_MODE=offline keeps everything in `folder`."""

    def __init__(self, folder: Path, project: str = "dimebench") -> None:
        """Raises MissingExtraError."""
        try:
            import wandb
        except ImportError as error:
            raise MissingExtraError("Weights & Biases is not installed: pip install 'dimebench[wandb]'") from error
        self._wandb, self._folder, self._project = wandb, folder, project
        self._runs: dict[Place, Any] = {}

    def log(self, run: Run, env_step: int, scalars: dict[str, float], seconds: float) -> None:
        if run.path not in self._runs:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._runs[run.path] = self._wandb.init(
                project=self._project,
                dir=str(self._folder),
                name=f"{run.variant} {run.task} seed {run.seed}",
                group=f"{run.suite}/{run.variant}/{run.task}",
                id=re.sub(r"[^A-Za-z0-9_-]", "-", run.identity["sha256"][:24] + f"-{run.seed}"),
                resume="allow",
                config={"suite": run.suite, "seed": run.seed, "task": run.task, **run.identity["of"]},
                reinit="create_new",
                settings=self._wandb.Settings(silent=True, console="off"),
            )
        own = self._runs[run.path]
        own.log({**scalars, "env_step": env_step, "seconds": seconds}, step=env_step)

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()
        self._runs.clear()
        self._wandb.teardown()  # only then is everything in the file


def sink_of(name: str, folder: Path) -> Sink:
    """The tracker of a name of TRACKERS, writing below `folder`. Raises MissingExtraError."""
    return TensorBoard(folder) if name == "tensorboard" else WandB(folder)


Point = tuple[int, dict[str, float], float]  # env step, scalars, seconds of training so far
Sent = dict[str, int]  # the last env step from each of the run's files
NOTHING: Sent = {EVALS_FILE: -1, TRAIN_FILE: -1}


def scalars_of(run: Run, after: Sent = NOTHING) -> list[Point]:
    """A run's evaluations and metrics in the order of env steps, from each file those after an env step.

    `eval/return` is the mean over an evaluation's episodes, `train/...` the mean since the last logging point.
    Raises StoreError for files that cannot be read.
    """
    rows: dict[int, Point] = {}
    evals = read_evals([run])
    for step, group in evals[(evals["env_step"] > after[EVALS_FILE]) & evals["return"].notna()].groupby("env_step"):
        found = {"eval/return": float(group["return"].mean()), "eval/length": float(group["length"].mean())}
        if group["success"].notna().any():
            found["eval/success"] = float(group["success"].astype(float).mean())
        rows[int(str(step))] = (int(str(step)), found, float(group["wall_time_s"].max()))
    train = read_train([run])
    metrics = [name for name in train.columns if name not in TRAIN_SCHEMA.names]
    for row in train[train["env_step"] > after[TRAIN_FILE]].to_dict("records"):
        at = int(row["env_step"])
        scalars = {f"train/{name}": float(row[name]) for name in metrics if pd.notna(row[name])}
        scalars["train/grad_step"] = float(row["grad_step"])
        evaluated = rows[at][1] if at in rows else {}
        rows[at] = (at, evaluated | scalars, float(row["wall_time_s"]))
    return [rows[step] for step in sorted(rows)]


class Follower:
    """Passes on what runs write, once: what was sent is remembered in `folder`, so that a resumed run continues.

    A run's files are written one after the other, and a stop may fall between: each is followed by itself.
    """

    def __init__(self, sinks: Sequence[Sink], folder: Path, runs: Callable[[], Iterable[Path]]) -> None:
        """runs: gives the folders to look at, at every look."""
        self._sinks, self._file, self._runs = sinks, folder / STATE_FILE, runs
        self._stamps: dict[Path, tuple[int, ...]] = {}
        self._sent: dict[str, Sent] = {}
        with suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            for key, sent in json.loads(self._file.read_text()).items():
                per_file = dict.fromkeys(NOTHING, sent) if isinstance(sent, int) else sent  # of a former release
                self._sent[key] = {name: int(per_file[name]) for name in NOTHING}

    def look(self) -> int:
        """Send what is new. Returns how many points; a file that is just being replaced waits for the next look."""
        total = 0
        for path in self._runs():
            stamp = _stamp(path)
            if not stamp or self._stamps.get(path) == stamp:
                continue
            try:
                run = read_run(path)
                after = self._sent_of(run) if run else NOTHING
                points = scalars_of(run, after) if run else []
            except (StoreError, OSError):
                continue
            for step, scalars, seconds in points:
                for sink in self._sinks:
                    sink.log(run, step, scalars, seconds)  # type: ignore[arg-type]
            self._stamps[path] = stamp
            if run and points:
                newest = {FILE_OF[tag.partition("/")[0]]: step for step, scalars, _ in points for tag in scalars}
                self._sent[_key(run)] = after | newest
                total += len(points)
        if total:
            atomic_write(self._file, json.dumps(self._sent).encode())
        return total

    def _sent_of(self, run: Run) -> Sent:
        """What was sent of a run; former releases did not keep the suites apart."""
        return self._sent.get(_key(run)) or self._sent.get(_key(run).partition(":")[2]) or NOTHING

    def close(self) -> None:
        """Send the rest, then write out what is buffered."""
        self.look()
        for sink in self._sinks:
            sink.close()


def export_runs(runs: Sequence[Run], sink: Sink) -> int:
    """Everything that runs hold, at once. Returns how many points; external runs come with what they have."""
    points = 0
    for run in runs:
        for step, scalars, seconds in scalars_of(run):
            sink.log(run, step, scalars, seconds)
            points += 1
    sink.close()
    return points


def _stamp(path: Path) -> tuple[int, ...]:
    files = [path / name for name in (EVALS_FILE, TRAIN_FILE)]
    try:
        return tuple(file.stat().st_mtime_ns for file in files if file.exists())
    except OSError:
        return ()


def _key(run: Run) -> str:
    return f"{run.suite}:{run.identity['sha256']}/{run.seed}"


def _place(run: Run) -> str:
    parts = [run.suite, run.variant, *run.task.split("/"), f"seed-{run.seed:03d}"]
    return "/".join(re.sub(r"[^A-Za-z0-9@._+=-]", "-", part).strip(".") or "-" for part in parts)


def _started(run: Run) -> float:
    """When the run began, in seconds since 1970; 0 for runs that do not record it."""
    try:
        return datetime.fromisoformat(str(run.provenance["started"])).timestamp() if external(run) is None else 0.0
    except (KeyError, ValueError):
        return 0.0
