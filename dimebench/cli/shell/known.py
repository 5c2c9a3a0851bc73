"""Names that completion offers, each read in the cheapest way."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from glob import escape
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

MOST_FOLDERS = 2_000  # looked into for names of variants


def engines() -> list[str]:
    """The names of `--on`."""
    from dimebench.engines.registry import known_engines

    return known_engines()


def papers() -> list[str]:
    """The names of `--style`."""
    from dimebench.papers import PAPERS

    return list(PAPERS)


def rates() -> list[str]:
    """What `--rate` begins with."""
    return [f"{name}=" for name in algorithms()]


VALUES: Mapping[str, Any] = {  # by option: its values, or what lists them
    "--on": engines,
    "--device": ("auto", "cpu", "cuda"),
    "--mode": ("auto", "eager", "compile", "graph", "compile+graph"),
    "--precision": ("auto", "float32", "tf32", "bf16"),
    "--chain": ("auto", "plain", "fused"),
    "--log": ("tensorboard", "wandb"),
    "--axis": ("env_step", "grad_step", "wall_time"),
    "--metric": ("final", "auc", "threshold:"),
    "--interval": ("expanded", "percentile", "bca", "student"),
    "--engine": ("numpy", "rliable"),
    "--formats": ("svg", "png", "pdf"),
    "--format": ("csv", "markdown", "latex", "figures", "zip", "tensorboard", "wandb"),
    "--style": papers,
    "--rate": rates,
    "--allow": ("budget", "physics", "protocol", "settings", "code"),
    "--install-completion": ("bash", "zsh", "fish"),
    "--show-completion": ("bash", "zsh", "fish"),
}


def asked(words: Sequence[str]) -> dict[str, Any]:
    """What the words before say that matters to the next: the suite, and the results folder."""
    found: dict[str, Any] = {"results": Path("results")}
    for number, word in enumerate(words):
        key, equals, value = word.partition("=")
        if key == "suite" and equals:
            found["suite"] = value
        elif key == "--results":
            found["results"] = Path(value if equals else next(iter(words[number + 1 :]), ""))
    return found


def suites() -> list[str]:
    """Those that can be called by name."""
    from dimebench.config.suites import list_suites

    return [name for name, _ in list_suites()]


def algorithms() -> list[str]:
    """Built-in ones and those of installed packages."""
    from dimebench.agents.registry import known_algorithms

    return known_algorithms()


def tasks(suite: str | None, full: bool) -> list[str]:
    """The tasks of the suite, else of all suites; `full`: with their library."""
    from dimebench.config.names import short_task
    from dimebench.config.suites import load_suite

    found: list[str] = []
    for name in [suite] if suite else suites():
        with suppress(Exception):  # a broken file: its command says so
            found += load_suite(name).tasks
    return found if full else [short_task(task) for task in found]


def suites_there(results: Path) -> list[str]:
    """The suites that have runs in a folder of this machine."""
    return sorted(folder.name for folder in results.glob("[!.]*") if any(folder.glob("*/*/*/seed-*")))


def tasks_there(results: Path, suite: str | None, full: bool) -> list[str]:
    """The tasks that have runs in a folder of this machine."""
    cells = islice(results.glob(f"{escape(suite) if suite else '[!.]*'}/*/*/*"), MOST_FOLDERS)
    found = {(cell.parent.name, cell.name) for cell in cells if any(cell.glob("seed-*"))}
    return sorted({f"{library}/{task}" if full else task for library, task in found})


def variants(results: Path) -> list[str]:
    """The variants that have runs in a folder of this machine, as their first run.json names them."""
    found: dict[str, None] = {}
    for folder in islice(results.glob("[!.]*/*"), MOST_FOLDERS):
        with suppress(OSError, ValueError, StopIteration, KeyError, TypeError):
            name = json.loads(next(folder.glob("*/*/seed-*/run.json")).read_bytes())["variant"]
            found[str(name)] = None
    return sorted(name for name in found if name.isprintable() and " " not in name)


def names(results: Path, current: str) -> list[str]:
    """What can be compared: variants that have runs, and published figures."""
    from dimebench.reference import PREFIX, references

    published = sorted(references()) if current.startswith(PREFIX) else [PREFIX]
    return [*variants(results), *(each for each in published if " " not in each)]


def owners() -> list[str]:
    """What may stand before the dot of OWNER.KEY=VALUE."""
    from dimebench.config.names import SHARED
    from dimebench.config.overrides import SECTIONS

    return [*algorithms(), SHARED, *SECTIONS]


def dotted(word: str) -> list[str]:
    """OWNER.KEY for each key of the word's owner: an algorithm, all of them, or a section of the suite."""
    from dimebench.config.names import SHARED
    from dimebench.config.overrides import SECTIONS
    from dimebench.config.suite import Suite

    owner = word.partition(".")[0]
    if owner in SECTIONS:
        keys: Iterable[str] = type(Suite.model_fields[owner].default).model_fields
    else:
        keys = [key for name in (algorithms() if owner == SHARED else [owner]) for key in settings(name)]
    return [f"{owner}.{key}" for key in dict.fromkeys(keys)]


def settings(algorithm: str) -> list[str]:
    """The settings of an algorithm, read from its source without running it; none where that cannot be done."""
    from dimebench.agents.registry import UnknownAlgorithmError, algorithm_source

    with suppress(UnknownAlgorithmError, OSError, SyntaxError, ImportError, ValueError, RecursionError):
        module, _, name = algorithm_source(algorithm).partition(":")
        for owner, each in _lineage(module, name):
            for line in each.body:
                if isinstance(line, ast.AnnAssign) and _name(line.target) == "Settings" and line.value is not None:
                    return list(_fields(owner, _name(line.value)))
    return []


def _fields(module: str, name: str) -> Iterator[str]:
    """The fields of a dataclass, those of the classes above it first."""
    for _, each in reversed(list(_lineage(module, name))):
        for line in each.body:
            if isinstance(line, ast.AnnAssign) and "ClassVar" not in ast.dump(line.annotation):
                yield _name(line.target)


def _lineage(module: str, name: str) -> Iterator[tuple[str, ast.ClassDef]]:
    """A class and those above it, each with its module, as far as their sources name each other."""
    spec = find_spec(module)
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return
    body = ast.parse(Path(spec.origin).read_bytes()).body
    here = {each.name: each for each in body if isinstance(each, ast.ClassDef)}
    if name not in here:
        for line in body:
            if isinstance(line, ast.ImportFrom) and line.module and name in {alias.name for alias in line.names}:
                yield from _lineage(line.module, name)
        return
    yield module, here[name]
    for base in here[name].bases:
        of = base.value if isinstance(base, ast.Subscript) else base
        yield from _lineage(module, _name(of))


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ""
