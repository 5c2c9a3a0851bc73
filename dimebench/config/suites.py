"""Finding and loading suites: a path, a file in ./suites, or one that is shipped with the package."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from dimebench.config.errors import ConfigError
from dimebench.config.names import SHARED, SUITE
from dimebench.config.problems import problem
from dimebench.config.suite import Suite
from dimebench.config.variant import parse_variant
from dimebench.config.yaml_io import Document, KeyPath, dotted, read_document
from dimebench.errors import nearest, shorten


def find_suite(name_or_path: str, cwd: Path | None = None) -> Path:
    """The file of a suite: a path that ends in .yaml or .yml, else ./suites/NAME.yaml, else the shipped one.

    ConfigError naming the nearest suites when there is none.
    """
    base = cwd or Path()
    if name_or_path.endswith((".yaml", ".yml")):
        path = base / name_or_path
        if path.name != name_or_path or os.path.exists(path):
            return path  # the reader reports whether it can be read
        stem = path.name.rpartition(".")[0]
        known = {name for name, _ in list_suites(cwd)}
        hint = f"; suite={stem} is the suite of that name" if stem in known else nearest(stem, sorted(known))
        raise ConfigError(f"{name_or_path}: no such file{hint}")
    if SUITE.fullmatch(name_or_path):
        for folder in _folders(base):
            path = folder / f"{name_or_path}.yaml"
            if os.path.isfile(path):
                return path
    known_names = [name for name, _ in list_suites(cwd)]
    raise ConfigError(f"unknown suite {shorten(name_or_path)!r}{nearest(name_or_path, known_names)}")


def list_suites(cwd: Path | None = None) -> list[tuple[str, Path]]:
    """(name, file) of every suite that can be called by name, by name; ./suites hides shipped ones."""
    found: dict[str, Path] = {}
    for folder in _folders(cwd or Path()):
        try:
            files = sorted(folder.glob("*.yaml"))
        except OSError:
            continue
        for file in files:
            if SUITE.fullmatch(file.stem) and os.path.isfile(file):
                found.setdefault(file.stem, file)
    return sorted(found.items())


def load_suite(name_or_path: str, cwd: Path | None = None, *, algorithms: Collection[str] | None = None) -> Suite:
    """The suite of that name or file; without `name:` in the file, it is called after the file.

    algorithms: the known ones, to check the file's names against (None: only their form is checked).
    ConfigError "FILE:LINE: key.path: problem (nearest: ...)" for the first thing that is wrong.
    """
    return open_suite(name_or_path, cwd, algorithms)[0]


def open_suite(
    name_or_path: str, cwd: Path | None = None, algorithms: Collection[str] | None = None
) -> tuple[Suite, Document]:
    """As `load_suite`, with its document, for messages that name lines."""
    path = find_suite(name_or_path, cwd)
    document = read_document(path)
    try:
        suite = Suite.model_validate({"name": path.stem, **document.data})
    except ValidationError as error:
        found = [problem(each, Suite) for each in error.errors(include_url=False)]
        first = min(found, key=lambda each: (each.rank, document.lines.get(each.path, 0)))
        raise ConfigError(f"{_at(document, first.path)}: {first.text}{first.got}") from None
    if algorithms is not None:
        _check_algorithms(suite, document, algorithms)
    if suite.name != path.stem == name_or_path:  # results would be stored under another name than it is called by
        wrong = f"name: {suite.name!r} is not the file's name: leave it out, or rename the file"
        raise ConfigError(f"{document.at(('name',))}: {wrong}")
    return suite, document


def _check_algorithms(suite: Suite, document: Document, known: Collection[str]) -> None:
    """Every algorithm that the file names exists."""
    named: dict[KeyPath, str] = {
        ("algorithms", n): parse_variant(v).algorithm for n, v in enumerate(suite.algorithms)
    }
    named |= {("settings", name): name for name in suite.settings}
    named |= {("task_settings", task, name): name for task, own in suite.task_settings.items() for name in own}
    for path, name in named.items():
        if name not in known and name != SHARED:
            raise ConfigError(f"{_at(document, path)}: unknown algorithm {name!r}{nearest(name, sorted(known))}")


def _at(document: Document, path: KeyPath) -> str:
    return f"{document.at(path)}: {dotted(path)}" if path else document.at(path)


def _folders(base: Path) -> list[Path]:
    """Where suites are called by name: the user's folder, the wheel's, the checkout's."""
    package = Path(__file__).parents[1]
    return [base / "suites", package / "suites", package.parent / "suites"]
