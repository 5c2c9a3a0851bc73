"""What trackers show of a run: read back with their own formats."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dimebench.export.points import folder_of
from dimebench.export.trackers import scalars_of
from dimebench.store import Run

Shown = list[tuple[str, int, float]]  # tag, env step, value; sorted
BLOCK = 32768


def wanted(run: Run) -> Shown:
    """Every scalar of the run, once."""
    return sorted((tag, step, value) for step, scalars, _ in scalars_of(run) for tag, value in scalars.items())


def in_32_bits(shown: Shown) -> Shown:
    """As TensorBoard stores it."""
    return [(tag, step, float(np.float32(value))) for tag, step, value in shown]


def in_tensorboard(folder: Path, run: Run | None = None) -> Shown:
    """What TensorBoard shows of a run below its folder, or of an event folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / folder_of(run)) if run else str(folder), {"scalars": 0})
    events.Reload()
    return sorted((tag, e.step, e.value) for tag in events.Tags()["scalars"] for e in events.Scalars(tag))


def _records(file: Path) -> Iterator[Any]:
    """The records of a .wandb file, which has the format of LevelDB's logs behind 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, record = file.read_bytes(), 7, b""
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        if kind == 0:
            break
        record += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # the whole of a record, or its last part
            yield Record.FromString(record)
            record = b""


def in_wandb(folder: Path) -> dict[str, Shown]:
    """By W&B's run id: what all offline folders hold together. A file that a kill cut off is counted too."""
    found: dict[str, Shown] = {}
    for file in (folder / "wandb").glob("offline-run-*/run-*.wandb"):
        shown = found.setdefault(file.stem.removeprefix("run-"), [])
        for record in _records(file):
            if record.WhichOneof("record_type") == "history":
                row = {"/".join(i.nested_key) or i.key: json.loads(i.value_json) for i in record.history.item}
                shown += [(tag, row["env_step"], row[tag]) for tag in row if tag.startswith(("eval/", "train/"))]
    return {own: sorted(shown) for own, shown in found.items()}


def axes(file: Path) -> dict[str, str]:
    """Each metric's x-axis in a .wandb file."""
    metrics = [r.metric for r in _records(file) if r.WhichOneof("record_type") == "metric"]
    return {metric.glob_name or metric.name: metric.step_metric for metric in metrics}


def keep_rows(run: Run, name: str, whole: pa.Table, *steps: int) -> None:
    """Leave a run's file with the rows of these env steps, of those in `whole`."""
    mask = pa.array([step in steps for step in whole["env_step"].to_pylist()])
    pq.write_table(whole.filter(mask), run.path / name)
