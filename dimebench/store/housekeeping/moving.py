"""Runs move to another results folder: a copy there that is whole, then the end here.

    OTHER/.moving/<id>/     where copies are made; then each is renamed into its place

Files are linked within a file system, and copied and read back between two. A kill at any point leaves every run
whole in one of the places at least; the same command goes on from there, since a run that is in both alike needs only
to go here.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from dimebench.errors import NOT_COMPARABLE
from dimebench.store.atomic import atomic_write, make_folder, sync_folder
from dimebench.store.claims import Claim, Watch
from dimebench.store.errors import StoreError
from dimebench.store.housekeeping.cells import CHECKPOINTS, Cell, Done, Held, each_cell, holding
from dimebench.store.housekeeping.choosing import Found
from dimebench.store.housekeeping.trees import (
    bring,
    check_no_links,
    difference,
    discard,
    remove_empty,
    staging,
    sweep,
)
from dimebench.store.provenance import CODE_FOLDER
from dimebench.store.reader import read_run
from dimebench.store.schema import Run


class TakenError(StoreError):
    """The place of a run in the other folder is taken by something else."""

    exit_code = NOT_COMPARABLE


def check_movable(cells: Sequence[Cell], results: Path, to: Path) -> None:
    """Raises StoreError for runs that cannot be moved, TakenError where their place is taken; nothing is written."""
    for cell in cells:
        for each in cell.runs:
            if each.run is None:
                raise StoreError(f"{each.problem}; only runs that can be read are moved")
            if each.path.name != f"seed-{each.seed:03d}":
                raise StoreError(f"{each.path}: not the place of seed {each.seed}: a forgotten copy? It is not moved")
        for place in _places(cell):
            check_no_links(place)
            _there(place, results, to)


def move_runs(cells: Sequence[Cell], results: Path, to: Path, watch: Watch) -> Done:
    """Move the runs of these cells. What `check_movable` has refused must not come here."""

    def move(cell: Cell) -> None:
        _check_removable(cell)
        with holding(cell.runs, watch) as held, ExitStack() as stack:
            stack.enter_context(_copied(cell, results, to, held, watch))
            # The checkpoints go first: a run that was left here without them begins anew, and is whole there.
            going = [place for place in cell.checkpoints if not cell.is_needed(place)]
            discard(results, [*going, *(each.path for each in cell.runs)])
        remove_empty(cell.folder / CHECKPOINTS, results)
        remove_empty(cell.folder, results)

    sweep(results)
    if to.is_dir():
        sweep(to)
    return each_cell(cells, move)


def _check_removable(cell: Cell) -> None:
    """Raises PermissionError where what is copied could not be removed here: it would then be in both folders."""
    for folder in dict.fromkeys(place.parent for place in _places(cell)):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


@contextmanager
def _copied(cell: Cell, results: Path, to: Path, held: Held, watch: Watch) -> Iterator[None]:
    """The cell's runs and checkpoints in both folders; nobody trains those in the other one meanwhile."""
    make_folder(to)
    claims: list[Claim] = []
    try:
        _copy_all(cell, results, to, held, watch, claims)
        yield
    finally:
        done = {to / each.path.relative_to(results): each.run is not None and each.run.done for each in cell.runs}
        for claim in claims:
            claim.release(finished=done[claim.folder])


def _copy_all(cell: Cell, results: Path, to: Path, held: Held, watch: Watch, claims: list[Claim]) -> None:
    """Bring what is not there yet; of an error, or a Ctrl-C, nothing remains. claims: gets those on the copies."""
    make_folder(to)
    made: list[Path] = []
    runs = {each.path for each in cell.runs}
    try:
        with staging(to) as stage:
            staged = []
            for number, place in enumerate(_places(cell)):
                target, copy = to / place.relative_to(results), stage / str(number)
                if _there(place, results, to):
                    continue
                bring(place, copy, held.tick)
                if place in runs:
                    claim = watch.acquire(copy)
                    assert claim is not None, "nobody else knows of it"
                    claims.append(replace(claim, folder=target))
                staged.append((copy, target))
            _bring_code(cell, results, to)
            for copy, target in staged:  # runs before checkpoints, which would be resumed from without a run
                make_folder(target.parent)
                _put(copy, target)
                made.append(target)
    except BaseException:
        with suppress(OSError):
            discard(to, made[::-1])
        remove_empty(to / cell.folder.relative_to(results) / CHECKPOINTS, to)
        remove_empty(to / cell.folder.relative_to(results), to)
        raise


def _put(copy: Path, target: Path) -> None:
    """Raises TakenError where something has come into its place."""
    try:
        copy.rename(target)  # onto a folder with content it fails
    except OSError as error:
        if os.path.lexists(target):
            raise TakenError(f"{target}: has been made by another process meanwhile") from error
        raise
    sync_folder(target.parent)


def _places(cell: Cell) -> list[Path]:
    """All that has to be whole in the other folder: runs, then checkpoints."""
    return [*(each.path for each in cell.runs), *cell.checkpoints]


def _there(place: Path, results: Path, to: Path) -> bool:
    """Whether the other folder has it already, alike. Raises TakenError where it has something else."""
    target = to / place.relative_to(results)
    above = [each for each in target.parents if to in each.parents]
    if linked := next((each for each in (target, *above) if each.is_symlink()), None):
        raise TakenError(f"{linked}: a symbolic link, which is not followed")
    if not os.path.lexists(target):
        return False
    if not target.is_dir():
        raise TakenError(f"{target}: is no folder, and in the way of {place}")
    differs = difference(target, place)
    if differs:
        raise TakenError(
            f"{target} is there already, and differs: {_how(target, place) or differs}; nothing was moved"
        )
    return True


def _how(there: Path, here: Path) -> str:
    """In which facts two runs differ; "" where that cannot be said."""
    try:
        runs = read_run(there), read_run(here)
    except StoreError:
        return ""
    if runs[0] is None or runs[1] is None:
        return ""
    a, b = _facts(runs[0]), _facts(runs[1])
    lines = [f"{key}: {a.get(key)} there, {b.get(key)} here" for key in sorted({*a, *b}) if a.get(key) != b.get(key)]
    return "; ".join(lines[:3])


def _facts(run: Run) -> dict[str, Any]:
    return {"status": run.status, "env_step": run.progress["env_step"], **_flat(run.identity["of"])}


def _flat(content: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in content.items():
        found |= _flat(value, f"{above}{key}.") if isinstance(value, Mapping) else {f"{above}{key}": value}
    return found


def _bring_code(cell: Cell, results: Path, to: Path) -> None:
    """What the code of these runs consists of, so that a difference from it can be named there too."""
    for code in sorted({code for each in cell.runs for code in _codes(each)}):
        source, target = (folder / CODE_FOLDER / f"{code}.json" for folder in (results, to))
        if source.is_file() and not source.is_symlink() and not target.exists():
            atomic_write(target, source.read_bytes())


def _codes(each: Found) -> set[str]:
    if each.run is None:
        return set()
    allowed = each.run.provenance.get("code_allowed", [])
    codes = [each.run.identity["of"].get("code"), *(allowed if isinstance(allowed, list) else [])]
    return {code for code in codes if isinstance(code, str) and code.isalnum()}
