"""The runs of others in a results folder: which they are, where they stand, and what is there already."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from dimebench.errors import NOT_COMPARABLE
from dimebench.store.errors import StoreError
from dimebench.store.reader import read_run, read_runs
from dimebench.store.schema import EVALS_FILE, Run
from dimebench.store.tables import read_table
from dimebench.store.writer import write_run, write_table

PUBLISHED, OTHER = "paper:", "ext:"


class ImportConflictError(StoreError):
    """The place of an imported run is taken by a run of another identity."""

    exit_code = NOT_COMPARABLE


def external(run: Run) -> dict[str, Any] | None:
    """The origin of an external run, from its identity; None for a run that dimebench trained."""
    found = run.identity.get("of", {}).get("external")
    return found if isinstance(found, dict) else None


@dataclass(frozen=True)
class There:
    """What a results folder holds of a suite: runs by variant and task, then by seed."""

    folder: Path | None = None  # of the suite
    runs: Mapping[tuple[str, str], Mapping[int, Run]] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Path, suite: str) -> There:
        """Those that can be read; others are in nobody's way but that of their own place."""
        found: dict[tuple[str, str], dict[int, Run]] = {}
        for run in read_runs(results, suite, broken=[]) if results.is_dir() else ():
            found.setdefault((run.variant, run.task), {})[run.seed] = run
        return cls(results / suite, found)

    def seeds(self, cell: tuple[str, str]) -> set[int]:
        """The seeds that are taken, by whatever is there."""
        variant, task = cell
        found = set(self.runs.get(cell, {}))
        if self.folder is not None:
            inside = self.folder.joinpath(folder_name(variant), *task_folders(task))
            found |= {int(each.name[5:]) for each in inside.glob("seed-*") if each.name[5:].isdecimal()}
        return found

    def alike(self, cell: tuple[str, str], digest: str) -> list[int]:
        """The seeds whose runs hold the same numbers."""
        return [seed for seed, run in self.runs.get(cell, {}).items() if digest_of(run) == digest]


def digest_of(run: Run) -> str | None:
    """The digest of an imported run's numbers; None for a run of one's own."""
    found = external(run)
    return str(found.get("rows_sha256")) if found else None


def is_there(results: Path, run: Run, evals: pa.Table) -> bool:
    """Whether an external run is in the results already, with all that was said of it.

    Raises ImportConflictError where another run is, or this one with another source, licence or bounds.
    """
    path = results / run.folder
    try:
        found = read_run(path)
    except StoreError as error:
        raise ImportConflictError(f"{error}; it is in the way: move the folder away") from error
    if not (path / EVALS_FILE).exists():
        return False
    if found is None:
        if not _same_numbers(path, evals):
            raise ImportConflictError(f"{path}: holds evaluations without a run.json: move them away")
        return False
    was, now = external(found), external(run) or {}
    if digest_of(found) != digest_of(run):
        what = f"imported from {was.get('source')}" if was else "trained here"
        raise ImportConflictError(f"{path}: holds another run ({what}): move it away or use another --results")
    bounds = [tuple(each.score.get(key) for key in ("kind", "lower", "upper")) for each in (found, run)]
    facts = [("score", *bounds)] + [(key, (was or {}).get(key), now.get(key)) for key in ("unit", "action_repeat")]
    told = ("source", "licence") if run.provenance.get("source_told") else ()
    facts += [(key, (was or {}).get(key), now.get(key)) for key in told if now.get(key) != "not stated"]
    for name, old, new in facts:
        if old != new:
            raise ImportConflictError(f"{path}: holds this run with {name} {old}, not {new}: move it away first")
    return True


def _same_numbers(path: Path, evals: pa.Table) -> bool:
    """Whether evaluations that were left without a run.json are those that are to be written."""
    try:
        left = read_table(path / EVALS_FILE)
    except StoreError:
        return False
    return all(left[name].to_pylist() == evals[name].to_pylist() for name in ("env_step", "return"))


def write_external(results: Path, run: Run, evals: pa.Table) -> bool:
    """Write one external run below `results`; False where it is there already.

    Raises ImportConflictError where another run is in the way, OSError where nothing can be written.
    """
    if is_there(results, run, evals):
        return False
    run = replace(run, path=results / run.folder)
    write_table(run, EVALS_FILE, evals)
    write_run(run)
    return True


def folder_name(variant: str) -> str:
    """A folder for the variant: `paper@DIME`; with a checksum where the name alone does not tell the variant."""
    plain = variant.replace(":", "@", 1)
    safe = re.sub(r"[^A-Za-z0-9@._+-]+", "-", plain).strip(".-")[:80]
    told = safe == plain and variant.startswith((PUBLISHED, OTHER))
    return safe if told else f"{safe}~{zlib.crc32(variant.replace(':', '@').encode()):08x}"


def task_folders(task: str) -> list[str]:
    """Family and name of a task. Raises StoreError for a name that is not two plain folders."""
    parts = task.split("/")
    if len(parts) != 2 or not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", part) for part in parts):
        raise StoreError(f"'{task[:60]}' is no task name: write FAMILY/NAME, such as dm_control/dog-run")
    return parts
