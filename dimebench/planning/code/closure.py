"""The code that a run's numbers come from: what its algorithm, its environment and the training loop refer to.

From these roots every definition (function, class with its methods, constant) that is referred to by name is
followed, through this package and that of the algorithm, and each gets a digest of what it does (`syntax`). Modules
that are imported on the way add what they do when they are imported. The digest of all of it is part of a run's
identity; the map from definitions to digests tells which functions differ between two runs.
"""

from __future__ import annotations

import hashlib
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import dimebench
from dimebench.agents.registry import algorithm_source, known_algorithms, load_algorithm
from dimebench.envs.libraries.registry import known_libraries, library_source
from dimebench.planning.code.source import Module
from dimebench.planning.code.syntax import MODULE_LEVEL, Definition, Key
from dimebench.store.reader import without_collecting

# A run's code begins here, beside its algorithm and its environment library.
LOOP = (
    "dimebench.training.loop:Trainer",
    "dimebench.training.block:Block",
    "dimebench.training.block:Protocol",
    "dimebench.training.split:split_block",  # a block's seeds that go on apart
    "dimebench.planning.process_env:WORKER_ENVIRONMENT",
)
# What only looks things up, records or reports changes no number: modules, with all below them, or definitions.
LEFT_OUT = (
    "dimebench.errors",
    "dimebench.agents.registry",
    "dimebench.envs.libraries.base",
    "dimebench.envs.libraries.registry",  # the library's own code is a root
    "dimebench.envs.factory:known_tasks",
    "dimebench.envs.factory:_library",
    "dimebench.envs.factory:_tasks",
    "dimebench.store",  # the files of a run
    "dimebench.training.energy",
    "dimebench.training.peak",
    "dimebench.training.record",
)
FUSED = ("dimebench.agents.parts.chain.calls", "dimebench.agents.parts.chain.fused")  # for `--chain fused` alone
# What an adapter says of its library besides how to build an environment.
FACTS = ("aliases", "body", "bounds", "complete", "current", "footprint", "packages", "refusal", "tasks")
Places = Mapping[str, tuple[Path, ...]]  # a package's name -> its folders, or the one file that it is


@dataclass(frozen=True)
class Code:
    """A run's code. `definitions`: name -> digest; of several of one name, all their digests."""

    digest: str
    definitions: Mapping[str, str]


def code_of(algorithm: str, task: str, chain: str = "plain") -> Code:
    """The code of a run of this algorithm on this task, as it stands on disk here; read once per process."""
    load_algorithm(algorithm)  # raises for one that cannot be used
    return _code((algorithm_source(algorithm),), (library_source(task.partition("/")[0]),), chain)


def shared_code(task: str) -> str:
    """The digest of what the runs of all algorithms on a library have in common: the loop and the environment."""
    return _code((), (library_source(task.partition("/")[0]),)).digest


def code_version() -> str:
    """The package's version, and a digest of the code of every built-in algorithm on every library."""
    sources = (*map(algorithm_source, known_algorithms()), *map(library_source, known_libraries()))
    code = _code(tuple(source for source in sources if source.startswith("dimebench.")), (), "fused")
    return f"{dimebench.__version__}+{code.digest}"


@cache
def _code(algorithms: tuple[str, ...], libraries: tuple[str, ...], chain: str = "plain") -> Code:
    roots = (*algorithms, *libraries, *LOOP)
    left_out = {f"{library}.{fact}" for library in libraries for fact in FACTS}
    packages = sorted({root.partition(".")[0].partition(":")[0] for root in roots} - {"dimebench"})
    with without_collecting():  # of a hundred thousand nodes
        return _sources(tuple(packages)).code(roots, left_out if chain == "fused" else left_out.union(FUSED))


@cache
def _sources(packages: tuple[str, ...]) -> Sources:
    places: dict[str, tuple[Path, ...]] = {"dimebench": (Path(dimebench.__file__).parent,)}
    for package in packages:
        spec = find_spec(package)
        if spec is not None and spec.submodule_search_locations is not None:
            places[package] = tuple(map(Path, spec.submodule_search_locations))
        elif spec is not None and spec.origin is not None:
            places[package] = (Path(spec.origin),)
    return Sources(places)


class Sources:
    """The source files of the packages that are followed."""

    def __init__(self, places: Places, left_out: Collection[str] = LEFT_OUT) -> None:
        self._places, self._left_out = places, frozenset(left_out)
        self._modules: dict[str, Module | None] = {}
        self._definitions: dict[Key, Definition] = {}
        self._found: dict[str, tuple[Key | None, str]] = {}

    def code(self, roots: Iterable[str], left_out: Collection[str] = ()) -> Code:
        """The code that the roots (`module:name`) refer to, but for what is left out beside the usual."""
        definitions = self._closure(roots, frozenset(left_out))
        texts = self._told_apart(definitions)
        found: dict[str, list[str]] = defaultdict(list)
        for key, definition in definitions.items():
            for name, text in definition.parts:
                if f"{key.module}:{name}" in left_out:
                    continue
                written = (each if isinstance(each, str) else texts.get(each, each.name) for each in text)
                found[name].append(_digest("".join(written)))
        joined = {name: " ".join(sorted(digests)) for name, digests in sorted(found.items())}
        return Code(_digest(repr(joined))[:16], joined)

    @staticmethod
    def _told_apart(definitions: Mapping[Key, Definition]) -> dict[Key, str]:
        """How to refer to definitions whose name is that of another one which is followed too."""
        by_name: dict[str, list[Key]] = defaultdict(list)
        for key in definitions:
            by_name[key.name].append(key)
        alike = [key for keys in by_name.values() if len(keys) > 1 for key in keys]

        def plain(key: Key) -> str:
            parts = definitions[key].parts
            return repr([[each.name if isinstance(each, Key) else each for each in text] for _, text in parts])

        return {key: f"{key.name} {_digest(plain(key))}" for key in alike}

    def _closure(self, roots: Iterable[str], left_out: frozenset[str]) -> dict[Key, Definition]:
        closed: dict[Key, Definition] = {}
        imported: set[str] = set()
        todo = [self._root(root) for root in roots]
        while todo:
            key = todo.pop()
            if key in closed or self._is_left_out(key, left_out):
                continue
            definition = closed[key] = self.definition(key)
            todo += definition.references
            names = [key.module, *definition.imports]
            while names:
                name = names.pop()
                if name in imported:
                    continue
                imported.add(name)
                names.append(name.rpartition(".")[0])
                module = self.module(name)
                if module is not None and not self._is_left_out(Key(name, MODULE_LEVEL), left_out):
                    names += module.imports
                    todo += [Key(name, each) for each in module.doing(self.find)]
                    todo += [Key(name, MODULE_LEVEL)] if module.effects else []
        return closed

    def _root(self, root: str) -> Key:
        key, _ = self.find(root.replace(":", "."))
        return key or Key(root.partition(":")[0], "*")

    def _is_left_out(self, key: Key, more: frozenset[str] = frozenset()) -> bool:
        return any(
            each in self._left_out or each in more for each in (f"{key.module}:{key.name}", *_above(key.module))
        )

    def definition(self, key: Key) -> Definition:
        """What the key stands for; nothing where there is no source of it."""
        if key not in self._definitions:
            module = self.module(key.module)
            if module is None:
                self._definitions[key] = Definition([(key.module, [_bytes_of(key.module)])])
            else:
                self._definitions[key] = module.definition(key.name, self.find)
        return self._definitions[key]

    def module(self, name: str) -> Module | None:
        """A module of a package that is followed; None for any other."""
        if name not in self._modules:
            file = self._file(name)
            self._modules[name] = Module(name, file) if file else None
        return self._modules[name]

    def _file(self, name: str) -> Path | None:
        top, _, below = name.partition(".")
        if self._is_left_out(Key(name, "*")):
            return None
        for place in self._places.get(top, ()):
            if place.suffix == ".py":
                return place if not below else None
            path = place.joinpath(*below.split(".")) if below else place
            for file in (path / "__init__.py", path.with_suffix(".py") if below else path):
                if file.is_file():
                    return file
        return None

    def find(self, dotted: str) -> tuple[Key | None, str]:
        """What a dotted name stands for: a key of a module that is followed, and the attributes asked of it.

        Without a key the text is the name's own: the whole of it for another package's, the last part for what is
        left out.
        """
        if dotted not in self._found:
            self._found[dotted] = None, dotted.rpartition(".")[2]  # for circles of imports
            self._found[dotted] = self._find(dotted)
        return self._found[dotted]

    def _find(self, dotted: str) -> tuple[Key | None, str]:
        parts = dotted.split(".")
        if parts[0] not in self._places:
            return None, dotted
        name, module = parts[0], self.module(parts[0])
        for i, part in enumerate(parts[1:], 1):
            rest = "".join(f".{each}" for each in parts[i + 1 :])
            if module is not None and part in module.bound:
                return Key(name, part), rest
            imported = module.origins.get(part) if module is not None else None
            if imported not in (None, dotted.removesuffix(rest)) and not (rest and self._is_below(f"{name}.{part}")):
                return self.find(f"{imported}{rest}")
            for star in module.stars if module is not None else ():
                key, after = self.find(f"{star}.{part}{rest}")
                if key is not None:
                    return key, after
            if not self._is_below(f"{name}.{part}"):
                return None, parts[-1] if self._is_left_out(Key(f"{name}.{part}", "*")) else ".".join(parts[i:])
            name = f"{name}.{part}"
            module = self.module(name)
        return (None if module is None else Key(name, "*")), ""

    def _is_below(self, name: str) -> bool:
        """Whether it is a module, or a package without an `__init__.py`."""
        if self.module(name) is not None:
            return True
        top, *below = name.split(".")
        places = () if self._is_left_out(Key(name, "*")) else self._places.get(top, ())
        return any(place.joinpath(*below).is_dir() for place in places)


def _above(module: str) -> list[str]:
    """The module and the packages that it lies in."""
    parts = module.split(".")
    return [".".join(parts[:i]) for i in range(len(parts), 0, -1)]


def _bytes_of(module: str) -> str:
    """The digest of a module that has no source here, compiled maybe."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return hashlib.sha256(Path(file).read_bytes()).hexdigest() if file else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
