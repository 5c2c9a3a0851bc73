"""Which runs of a results folder are meant: by suite, variant, task and seed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from dimebench.errors import nearest
from dimebench.store.errors import StoreError
from dimebench.store.external import OTHER, PUBLISHED, folder_name
from dimebench.store.housekeeping.trees import size_of
from dimebench.store.reader import read_run, run_folders
from dimebench.store.schema import RUN_FILE, Run

_SEED = re.compile(r"seed-([0-9]+)")


@dataclass(frozen=True)
class Found:
    """A seed's folder, and the run in it; without a run, why it cannot be read. Its names are then its folders'."""

    path: Path
    run: Run | None
    problem: str = ""

    @property
    def suite(self) -> str:
        return self.run.suite if self.run else self.path.parents[3].name

    @property
    def variant(self) -> str:
        return self.run.variant if self.run else self.path.parents[2].name

    @property
    def task(self) -> str:
        return self.run.task if self.run else f"{self.path.parents[1].name}/{self.path.parent.name}"

    @property
    def seed(self) -> int:
        """-1 where the folder's name has no number."""
        match = _SEED.match(self.path.name)
        return self.run.seed if self.run else int(match[1]) if match else -1

    @property
    def status(self) -> str:
        return self.run.status if self.run else "not read"

    @property
    def name(self) -> str:
        return f"{self.variant} on {self.task} seed {self.seed}"

    @property
    def block(self) -> str:
        """The folder of its checkpoints, below the cell's."""
        return self.run.block if self.run else self.path.name

    @cached_property
    def bytes(self) -> int:
        """On disk, as measured when it was first asked for."""
        return size_of(self.path)


@dataclass(frozen=True)
class Wanted:
    """What words ask for; nothing given: all of it."""

    suite: str | None = None
    variants: Mapping[str, Collection[str]] = field(default_factory=dict)  # with the folders that each may have
    tasks: Sequence[str] = ()  # in full or without their library
    seeds: Sequence[int] | None = None


@dataclass(frozen=True)
class Chosen:
    """The runs that are meant, and those beside them that cannot be read: they are meant only by their variant."""

    runs: list[Found]
    left: list[Found]


def find_runs(results: Path) -> tuple[list[Found], list[Path]]:
    """Every seed's folder of a results folder, in order; and the symbolic links that lead to others, left unread.

    Raises StoreError for a folder that is missing or holds no runs but behind such links.
    """
    if not results.is_dir():
        raise StoreError(f"no results folder at '{results}'")
    found: list[Found] = []
    links: dict[Path, None] = {}
    for folder in run_folders(results):
        assert isinstance(folder, Path)
        if link := next((place for place in (*reversed(folder.parents[:4]), folder) if place.is_symlink()), None):
            links[link] = None
            continue
        try:
            run = read_run(folder)
            found.append(Found(folder, run, "" if run else f"{folder}: has no {RUN_FILE}"))
        except StoreError as error:
            found.append(Found(folder, None, str(error)))
    if not found:
        why = (
            f"{next(iter(links))} is a symbolic link, which is not followed"
            if links
            else "it is no results folder, or an empty one"
        )
        raise StoreError(f"no runs in '{results}': {why}")
    return found, list(links)


def choose(found: Sequence[Found], wanted: Wanted) -> Chosen:
    """Raises StoreError where nothing fits, with the nearest that would."""
    suites = sorted({each.suite for each in found})
    if wanted.suite is None and len(suites) > 1:
        raise StoreError(f"{len(suites)} suites are there: {', '.join(suites)}; choose one with suite=NAME")
    suite = suites[0] if wanted.suite is None else wanted.suite
    pool = [each for each in found if each.suite == suite]
    if not pool:
        raise StoreError(f"no runs of suite '{suite}'{nearest(suite, suites)}")
    left = [] if wanted.variants else [each for each in pool if each.run is None]
    if wanted.variants:
        pool = [each for name in wanted.variants for each in _of_variant(pool, name, wanted.variants[name], suite)]
    else:
        pool = [each for each in pool if each.run is not None]
    pool, left = _of_tasks(pool, wanted.tasks), [each for each in left if _fits(each, wanted)]
    if wanted.seeds is not None:
        there = sorted({each.seed for each in pool})
        pool = [each for each in pool if each.seed in wanted.seeds]
        if there and not pool:
            raise StoreError(f"no run of these seeds is there (known: {', '.join(map(str, there))})")
    if not pool:
        why = f": {left[0].problem}; name its variant to mean it" if left else ""
        raise StoreError(f"no run that can be read is meant{why}")
    unique = {each.path: each for each in pool}
    return Chosen([unique[path] for path in sorted(unique)], left)


def _of_variant(pool: Sequence[Found], name: str, folders: Collection[str], suite: str) -> list[Found]:
    """The prefix of an imported variant may be left out, where one alone has the rest of its name."""
    found = [each for each in pool if _is(each, name, folders)]
    if found:
        return found
    known = sorted({each.variant for each in pool})
    full = [each for each in known if each.startswith((OTHER, PUBLISHED)) and each.partition(":")[2] == name]
    if len(full) > 1:
        raise StoreError(f"'{name}' may be {' or '.join(full)} in suite {suite}: name one of them")
    if not full:
        raise StoreError(f"no runs of '{name}' in suite {suite}{nearest(name, known)}")
    return [each for each in pool if _is(each, full[0], [folder_name(full[0])])]


def _is(each: Found, name: str, folders: Collection[str]) -> bool:
    return each.variant == name if each.run else each.variant in (name, *folders)


def _of_tasks(pool: list[Found], tasks: Sequence[str]) -> list[Found]:
    known = sorted({each.task for each in pool})
    for task in tasks:
        if not any(task in _task_names(each) for each in known):
            hint = nearest(task, known, key=lambda name: name.rpartition("/")[2])
            raise StoreError(f"task={task}: no run of it is there{hint}")
    return [each for each in pool if not tasks or set(tasks) & _task_names(each.task)]


def _fits(each: Found, wanted: Wanted) -> bool:
    seeds = wanted.seeds is None or each.seed in wanted.seeds
    return seeds and (not wanted.tasks or bool(set(wanted.tasks) & _task_names(each.task)))


def _task_names(task: str) -> set[str]:
    return {task, task.partition("/")[2]}
