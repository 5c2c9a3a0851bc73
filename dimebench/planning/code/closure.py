"""The code that a run's numbers come from: what its algorithm, its environment and the training loop refer to.

From these roots every definition (function, class with its methods, constant) that is referred to by name is
followed, through this package and that of the algorithm, and each gets a digest of what it does (`syntax`). Modules
that are imported on the way add what they do when they are imported. The digest of all of it is part of a run's
identity; the map from definitions to digests tells which functions differ between two runs.
"""

from __future__ import annotations

import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import dimebench
from dimebench.agents.registry import algorithm_source, known_algorithms, load_algorithm
from dimebench.envs.libraries.registry import known_libraries, library_source
from dimebench.planning.code.source import Module
from dimebench.planning.code.syntax import REFERENCE, Writer
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
    "dimebench.plugins",
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
FACTS = (
    *("aliases", "body", "bounds", "complete", "current", "footprint", "former_versions", "packages", "refusal"),
    *("spellings", "tasks"),
)
MODULE_LEVEL = "module-level statements"  # the name of all that a module does when it is imported
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
        if spec is not None:
            places[package] = tuple(map(Path, spec.submodule_search_locations or filter(None, [spec.origin])))
    return Sources(places)


@dataclass
class Definition:
    """What one key (`module:name`) stands for; the name may be "*": all of the module's, or MODULE_LEVEL."""

    parts: dict[str, str]  # qualified name -> text; the methods of a class are parts of their own
    references: set[str]  # keys, beside those in the parts

    def without(self, module: str, left_out: Collection[str]) -> Definition:
        """Without the parts that are left out, and what they alone refer to."""
        kept = {name: text for name, text in self.parts.items() if f"{module}:{name}" not in left_out}
        return Definition(kept, self.references.union(*map(REFERENCE.findall, kept.values())))


class Sources:
    """The source files of the packages that are followed."""

    def __init__(self, places: Places, left_out: Collection[str] = LEFT_OUT) -> None:
        self._packages, self._left_out = frozenset(places), frozenset(left_out)
        self._files = {name: file for name, file in _files(places).items() if not _is_in(name, self._left_out)}
        self._module, self._definition = cache(self._parse), cache(self._read)
        self._found: dict[str, str] = {}

    def code(self, roots: Iterable[str], left_out: Collection[str] = ()) -> Code:
        """The code that the roots (`module:name`) refer to, but for what is left out beside the usual."""
        closed: dict[str, Definition] = {}
        left = self._left_out.union(left_out)
        starts = [(root.partition(":")[0], self.find(root.replace(":", "."))) for root in roots]
        todo = [key for module, found in starts for key in REFERENCE.findall(found) or [f"{module}:*"]]
        while todo:
            key = todo.pop()
            if key not in closed and not _is_in(key, left):
                closed[key] = self._definition(key).without(key.partition(":")[0], left_out)
                todo += closed[key].references
        often = Counter(map(_name, closed))  # definitions of one name are told apart by their texts
        alike = {key: "".join(each.parts.values()) for key, each in closed.items() if often[_name(key)] > 1}
        told = {key: f"{_name(key)} {_digest(_written(text, {}))}" for key, text in alike.items()}
        found: dict[str, list[str]] = defaultdict(list)
        for definition in closed.values():
            for name, text in definition.parts.items():
                found[name].append(_digest(_written(text, told)))
        joined = {name: " ".join(sorted(digests)) for name, digests in sorted(found.items())}
        return Code(_digest(repr(joined)), joined)

    def _parse(self, name: str) -> Module | None:
        return Module(name, self._files[name]) if name in self._files else None

    def _read(self, key: str) -> Definition:
        """What the key stands for; the bytes of a module that has no source."""
        module_name, _, name = key.partition(":")
        module = self._module(module_name)
        if module is None:
            file = getattr(sys.modules.get(module_name), "__file__", None)
            return Definition({module_name: str(Path(file).read_bytes()) if file else ""}, set())
        parts: dict[str, str] = defaultdict(str)
        writer = Writer(module, self.find)
        for statement in module.effects if name == MODULE_LEVEL else module.bound.get(name, ()):
            for part, text in writer.parts(name, statement):
                parts[part] += text
        names, imports = set(module.bound if name == "*" else ()), [module.name, *writer.imports]
        if name == MODULE_LEVEL:
            names = {each for each, called in module.called if not writer.is_pure(called)}
            imports += module.imports
        loaded = {above for each in imports for above in _above(each) if above in self._files}
        keys = {f"{module.name}:{each}" for each in names} | {f"{each}:{MODULE_LEVEL}" for each in loaded}
        return Definition(parts, keys)

    def find(self, dotted: str) -> str:
        """How to write a dotted name: a reference to what it stands for in a module that is followed, and the rest.

        Another package's name is written whole, what is left out by its last part.
        """
        if dotted not in self._found:
            self._found[dotted] = dotted.rpartition(".")[2]  # for circles of imports
            self._found[dotted] = self._find(dotted)
        return self._found[dotted]

    def _find(self, dotted: str) -> str:
        parts = dotted.split(".")
        if parts[0] not in self._packages:
            return dotted
        plain = ""  # without the module
        for end in range(len(parts) - 1, 0, -1):
            above, part, rest = ".".join(parts[:end]), parts[end], "".join(f".{each}" for each in parts[end + 1 :])
            module = self._module(above)
            if module is None:
                continue
            plain = plain or f"{part}{rest}"
            if part in module.bound:
                return f"\0{above}:{part}\0{rest}"
            if module.origins.get(part, f"{above}.{part}") != f"{above}.{part}":
                return self.find(f"{module.origins[part]}{rest}")
            starred = (self.find(f"{star}.{part}{rest}") for star in module.stars)
            if found := next(filter(REFERENCE.match, starred), ""):
                return found
        if dotted in self._files:
            return f"\0{dotted}:*\0"
        return parts[-1] if _is_in(dotted, self._left_out) else plain or dotted


def _files(places: Places) -> dict[str, Path]:
    """The modules in these places, and the file of each."""
    found = {}
    for package, place in ((package, place) for package, each in places.items() for place in each):
        for file in [place] if place.suffix == ".py" else place.rglob("*.py"):
            below = file.relative_to(place.parent).with_suffix("").parts[1:]
            found[".".join((package, *below)).removesuffix(".__init__")] = file
    return found


def _name(key: str) -> str:
    return key.partition(":")[2]


def _above(module: str) -> list[str]:
    """The packages that the module lies in, and itself."""
    return list(accumulate(module.split("."), "{}.{}".format))


def _is_in(key: str, left_out: Collection[str]) -> bool:
    """Whether a definition or a module is left out, or a package above it."""
    return key in left_out or any(each in left_out for each in _above(key.partition(":")[0]))


def _written(text: str, told: Mapping[str, str]) -> str:
    """The text with each reference as it is told; by its name alone where it is not."""
    return REFERENCE.sub(lambda found: told.get(found[1]) or _name(found[1]), text)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
