"""The content of a run's three files: run.json, evals.parquet, train.parquet."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from dimebench.numbers import LARGEST, NARROWEST
from dimebench.store.errors import StoreError
from dimebench.store.places import Place

SCHEMA_VERSION = 1
STATUSES = ("running", "finished", "interrupted", "failed", "diverged")
SCORE_KINDS = ("final", "auc")

RUN_FILE, EVALS_FILE, TRAIN_FILE = "run.json", "evals.parquet", "train.parquet"
ERROR_FILE = "error.txt"  # beside the checkpoints of a block that failed: the traceback

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
        ("return", pa.float64()),  # undiscounted sum of rewards; beyond LARGEST it counts as diverged
        ("length", pa.int64()),  # env steps of the episode; 0 where an imported curve does not tell
        ("success", pa.float64()),  # 1 or 0, or an imported share of episodes; null where there is no such notion
        ("wall_time_s", pa.float64()),  # seconds of training and evaluation so far, pauses left out
        ("diverged", pa.bool_()),  # the learner's numbers are no longer finite; the return is null
    ]
)

# Metric columns, one float64 per metric that the algorithm names, follow these.
TRAIN_SCHEMA = pa.schema([*KEY_COLUMNS, ("wall_time_s", pa.float64())])


@dataclass(frozen=True)
class Run:
    """One seed of a cell, as its run.json says.

    `identity` is {"sha256": ..., "of": {...}}: everything that can change numbers. `score` is how the suite
    scores a run: kind, lower, upper. `progress` is env_step, grad_step, wall_time_s and, where the device
    measures it, energy_j: the run's share of the joules drawn, evaluations included. `block` names the folder
    under `checkpoints` that the run was trained in.
    """

    path: Place
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

    @property
    def done(self) -> bool:
        """Whether nothing more of it is to be trained."""
        return self.status in ("finished", "diverged")

    @property
    def folder(self) -> Path:
        """The path, for writing. Raises StoreError at a URL, which is read-only."""
        if not isinstance(self.path, Path):
            raise StoreError(f"{self.path}: a URL is only read")
        return self.path

    def to_json(self) -> dict[str, Any]:
        """The content of run.json."""
        return {"schema": SCHEMA_VERSION, **{name: getattr(self, name) for name in _KEYS}}

    @classmethod
    def from_json(cls, path: Place, content: Any, shallow: bool = False) -> Run:
        """Raises StoreError, naming the file, for anything that is not a run.json of this schema.

        `shallow`: the caller knows that it holds at most DEEPEST mappings and lists, so it cannot be deeper.
        """
        if found := problem(content, shallow):
            raise StoreError(f"{path / RUN_FILE}: {found}")
        return cls(path=path, **{name: content[name] for name in _KEYS})


_KEYS = tuple(each.name for each in fields(Run) if each.name != "path")
# What run.json must hold because code relies on it; more is allowed.
_SHAPE: dict[str, Any] = {
    "suite": str,
    "algorithm": str,
    "variant": str,
    "task": str,
    "seed": int,
    "status": str,
    "reason": (str, type(None)),
    "identity": {"sha256": str, "of": {"protocol": {"env_steps": int}, "settings": {}}},
    "score": {"kind": str, "lower": float, "upper": float},
    "provenance": {},
    "progress": {"env_step": int, "grad_step": int, "wall_time_s": float},
    "block": str,
}
# Names that become folders; none of them may lead out of one.
_NAMES = {"suite": re.compile(r"[^/\\\\.][^/\\\\]*"), "block": re.compile(r"[A-Za-z0-9-]+")}
_WORDS = {str: "printable text", int: "a whole number from 0", float: f"a number from -{LARGEST:g} to {LARGEST:g}"}
DEEPEST = 20  # what this package writes has five levels


def problem(content: Any, shallow: bool = False) -> str:
    """What keeps `content` from being a run.json; "" where nothing does."""
    version = content.get("schema") if isinstance(content, dict) else None
    if type(version) is not int or not 0 < version < 1000:
        return f"not a run.json of schema {SCHEMA_VERSION}"
    if version != SCHEMA_VERSION:
        return f"written in schema {version}; this dimebench reads schema {SCHEMA_VERSION}"
    if not shallow and _depth_exceeds(content, DEEPEST):
        return "nested too deeply"
    if misfit := _misfit(content, _SHAPE):
        return misfit
    for key, form in _NAMES.items():
        if not form.fullmatch(content[key]) or ".." in content[key]:
            return f"'{key}' is no name that a folder can have"
    if content["status"] not in STATUSES:
        return f"unknown status '{content['status']}' (known: {', '.join(STATUSES)})"
    score = content["score"]
    if score["kind"] not in SCORE_KINDS:
        return f"unknown score '{score['kind']}' (known: {', '.join(SCORE_KINDS)})"
    if not score["upper"] - score["lower"] >= NARROWEST:
        return "score.upper must be above score.lower"
    return ""


def _misfit(value: dict[str, Any], shape: dict[str, Any], above: str = "") -> str:
    """The first place where `value` does not fit the shape; "" for none. Quick where all fits, for 100,000 runs."""
    for key, inner in shape.items():
        if key not in value:
            return f"'{above}{key}' is missing"
        own = value[key]
        kind = type(own)
        if type(inner) is dict:
            problem = _misfit(own, inner, f"{above}{key}.") if kind is dict else f"'{above}{key}' must be a mapping"
            if problem:
                return problem
            continue
        if inner is str:  # a name: it is printed, and names a folder
            fits = kind is str and own != "" and own.isprintable()
        elif inner is int:
            fits = kind is int and 0 <= own < 2**63
        elif inner is float:
            fits = (kind is float or kind is int) and abs(own) <= LARGEST
        else:
            fits = isinstance(own, inner)
        if not fits:
            return f"'{above}{key}' must be {_WORDS.get(inner, 'text or null')}"
    return ""


def _depth_exceeds(content: Any, deepest: int) -> bool:
    level = [content]
    for _ in range(deepest):
        children = (child for each in level for child in (each.values() if type(each) is dict else each))
        level = [child for child in children if type(child) in (dict, list)]
        if not level:
            return False
    return True
