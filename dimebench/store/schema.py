"""What stands in a run's three files: run.json, evals.parquet, train.parquet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

SCHEMA_VERSION = 1
STATUSES = ("running", "finished", "interrupted", "failed", "diverged")

RUN_FILE, EVALS_FILE, TRAIN_FILE = "run.json", "evals.parquet", "train.parquet"

KEY_COLUMNS = [
    ("suite", pa.string()),
    ("algorithm", pa.string()),
    ("variant", pa.string()),  # the algorithm with its changed settings, "dime:diffusion_steps=8"
    ("task", pa.string()),
    ("seed", pa.int64()),
    ("env_step", pa.int64()),  # env steps taken before this row
    ("grad_step", pa.int64()),  # critic updates done before this row
]

EVALS_SCHEMA = pa.schema(
    [
        *KEY_COLUMNS,
        ("episode", pa.int64()),  # 0 .. episodes - 1 of this evaluation
        ("return", pa.float64()),  # undiscounted sum of rewards
        ("length", pa.int64()),  # env steps of the episode
        ("success", pa.bool_()),  # null where the task has no notion of success
        ("wall_time_s", pa.float64()),  # seconds of training and evaluation so far, pauses left out
        ("diverged", pa.bool_()),  # the learner's numbers were not finite any more; the return is null
    ]
)

# Metric columns, one float64 per metric that the algorithm names, follow these.
TRAIN_SCHEMA = pa.schema([*KEY_COLUMNS, ("wall_time_s", pa.float64())])


class StoreError(Exception):
    """A results folder that cannot be read or written as asked; one line that names the file."""


@dataclass(frozen=True)
class Run:
    """One seed of a cell, as its run.json says.

    `identity` is {"sha256": ..., "of": {...}}: everything that can change numbers. `score` is how the suite
    scores a run: kind, lower, upper. `progress` is env_step, grad_step, wall_time_s. `block` names the folder
    under `checkpoints` that the run was trained in.
    """

    path: Path
    suite: str
    algorithm: str
    variant: str
    task: str
    seed: int
    status: str
    reason: str | None
    identity: dict[str, Any]
    score: dict[str, Any]
    provenance: dict[str, Any]
    progress: dict[str, Any]
    block: str

    def to_json(self) -> dict[str, Any]:
        """The content of run.json."""
        content = asdict(self)
        del content["path"]
        return {"schema": SCHEMA_VERSION, **content}

    @classmethod
    def from_json(cls, path: Path, content: Any) -> Run:
        """Raises StoreError, naming the file, for anything that is not a run.json of this schema."""
        fields = [f for f in cls.__dataclass_fields__ if f != "path"]
        if not isinstance(content, dict) or content.get("schema") != SCHEMA_VERSION:
            raise StoreError(f"{path / RUN_FILE}: not a run.json of schema {SCHEMA_VERSION}")
        missing = [f for f in fields if f not in content]
        if missing:
            raise StoreError(f"{path / RUN_FILE}: '{missing[0]}' is missing")
        run = cls(path=path, **{f: content[f] for f in fields})
        kinds = {"identity": dict, "score": dict, "provenance": dict, "progress": dict, "seed": int, "status": str}
        for name, kind in kinds.items():
            if not isinstance(getattr(run, name), kind):
                raise StoreError(f"{path / RUN_FILE}: '{name}' is not a {kind.__name__}")
        if run.status not in STATUSES:
            raise StoreError(f"{path / RUN_FILE}: unknown status '{run.status}'")
        return run
