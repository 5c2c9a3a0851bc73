"""Reading runs from a results folder."""

from __future__ import annotations

import gc
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from dimebench.store.errors import StoreError
from dimebench.store.places import Place, RemotePath, stamp
from dimebench.store.schema import DEEPEST, ERROR_FILE, EVALS_FILE, RUN_FILE, Run

T = TypeVar("T")
R = TypeVar("R")
REMOTE_READERS = 32  # files at a URL read in parallel: each takes a round trip


class TwiceError(StoreError):
    """Two folders hold the same run, a forgotten copy say, which would count twice."""


def read_run(path: Place) -> Run | None:
    """The run in a seed's folder, or None where there is none. Raises StoreError for a broken run.json."""
    file = path / RUN_FILE
    try:
        text = file.read_bytes().decode()
        content = _DECODER.decode(text)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{file}: cannot be read ({error.strerror})") from error
    except json.JSONDecodeError as error:
        raise StoreError(f"{file}:{error.lineno}: not JSON: {error.msg}") from error
    except UnicodeDecodeError as error:
        raise StoreError(f"{file}: not UTF-8 text") from error
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, deeply nested lists
        raise StoreError(f"{file}: not JSON: {error}") from error
    return Run.from_json(path, content, shallow=text.count("{") + text.count("[") <= DEEPEST)


def read_runs(results: Place, suite: str | None = None, broken: list[StoreError] | None = None) -> list[Run]:
    """Every run under a results folder, sorted by suite, variant, task and seed.

    broken: collects the errors of single runs, in order, so that the others can still be used.
    Raises StoreError where the folder is missing or, without `broken`, a run.json is broken or two folders hold the
    same run (a forgotten copy, which would count twice).
    """
    if not results.is_dir():
        raise StoreError(f"no results folder at '{results}'")
    identities: dict[str, dict[str, Any]] = {}

    def read(path: Place) -> Run | StoreError | None:
        try:
            run = read_run(path)
        except StoreError as error:
            return error
        if run is None:
            file = path / EVALS_FILE
            return StoreError(f"{file}: evaluations without a {RUN_FILE} beside them") if file.exists() else None
        first = identities.setdefault(run.identity["sha256"], run.identity)  # a cell's seeds share one in memory
        return replace(run, identity=first) if first is not run.identity and first == run.identity else run

    with without_collecting():
        runs = side_by_side(read, run_folders(results), REMOTE_READERS if isinstance(results, RemotePath) else 1)
    found: dict[tuple[str, str, str, int], Run] = {}
    for run in runs:
        error = run if isinstance(run, StoreError) else None
        if isinstance(run, Run) and suite in (None, run.suite):
            first = found.setdefault((run.suite, run.variant, run.task, run.seed), run)
            if first is not run:
                name = f"{run.variant} on {run.task} seed {run.seed}"
                error = TwiceError(f"{run.path / RUN_FILE}: {name} of suite {run.suite} is at {first.path} already")
        if error is not None:
            if broken is None:
                raise error
            broken.append(error)
    return [found[key] for key in sorted(found)]


def traceback_of(folder: Place, block: str, reason: str | None) -> Place | None:
    """The file that tells where the run in a seed's folder failed, for that reason; None where nothing was kept.

    block: the run's, or the name of the block that failed before there was a run.json.
    """
    try:
        run = read_run(folder)
        if run is not None and (run.status, run.reason) != ("failed", reason):
            return None  # it is of an earlier failure
    except StoreError:
        pass  # that it cannot be read may be why it failed
    file = folder.parent / "checkpoints" / block / ERROR_FILE
    try:
        return file if stamp(file)[1] else None
    except (OSError, StoreError):
        return None


def run_folders(results: Place) -> list[Place]:
    """The folders that may hold a run, in order."""
    if isinstance(results, Path):
        return [Path(folder) for folder in sorted(_walk(results, _LEVELS), key=lambda each: each.split(os.sep))]
    found: dict[str, Place] = {}
    for name in (RUN_FILE, EVALS_FILE):
        found |= {str(file.parent): file.parent for file in results.glob(f"[!.]*/*/*/*/seed-*/{name}")}
    return [found[key] for key in sorted(found, key=lambda text: text.split("/"))]


def cell_names(results: Path) -> list[tuple[str, str, str]]:
    """Suite, variant and task of each cell that has a folder, from the folders' names; faster than reading runs."""
    parts = [folder.split(os.sep)[-4:] for folder in _walk(results, _LEVELS[:-1])]
    return [(suite, variant, f"{library}/{task}") for suite, variant, library, task in parts]


# suite / variant / library / task / seed. `Path.glob` finds the same and takes three times as long.
_LEVELS = ("[^.]", "", "", "", "seed-")  # how the names begin


def _walk(results: Path, levels: Sequence[str]) -> list[str]:
    """The folders `len(levels)` below the results whose names begin as each level says."""
    level = [str(results)]
    for begin in levels:
        level = [entry.path for folder in level for entry in _entries(folder) if re.match(begin, entry.name)]
    return level


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """The folders in a folder; none where it may not be read."""
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.is_dir()]
    except OSError:
        return []


@contextmanager
def without_collecting() -> Iterator[None]:
    """Pauses garbage collection: of 100,000 runs no mapping is garbage, and the search takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def side_by_side(read: Callable[[T], R], each: Sequence[T], readers: int) -> list[R]:
    """The results in order, read by several threads: small files are mostly latency."""
    if readers == 1:
        return list(map(read, each))
    with ThreadPoolExecutor(readers) as pool:
        return list(pool.map(read, each))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)
