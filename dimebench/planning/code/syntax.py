"""Source code as text that changes only where the code does something else.

What is left out: comments, docstrings and other bare strings, positions, annotations, `pass`, `if TYPE_CHECKING:`,
the words of errors that are raised, and import statements. A name that was imported is written as what it stands for:
`numpy.zeros` for another package's, the definition's own name, without its module, for one of a package that is
followed. So the text does not depend on the file a definition stands in, nor on how it was imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

# Class attributes that change no number: they are only shown, or part of the identity themselves.
DESCRIPTIONS = ("aliases", "complete", "packages", "summary")
MODULE_LEVEL = "module-level statements"  # the name of all that a module does when it is imported
# Calls of these, and decorators, have no effect beyond their value; an assignment from another call may have one.
PURE = {
    *("classmethod", "dict", "float", "frozenset", "int", "len", "list", "max", "min", "property", "range", "set"),
    *("staticmethod", "str", "tuple", "abc.abstractmethod", "collections.namedtuple", "contextlib.contextmanager"),
    *("dataclasses.dataclass", "functools.cache", "functools.cached_property", "functools.lru_cache"),
    *("functools.partial", "functools.wraps", "math.log", "math.sqrt", "pathlib.Path", "re.compile", "torch.device"),
    *("torch.no_grad", "typing.NewType", "typing.ParamSpec", "typing.TypeVar", "typing.final", "typing.overload"),
    "typing.runtime_checkable",
}
_SKIPPED = {"ctx", "kind", "type_comment", "type_params", "returns"}
_MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:[A-Za-z_]\w*)?")


class Key(NamedTuple):
    """A name bound at the top level of a module; "*": all of them, MODULE_LEVEL: the statements that bind none."""

    module: str
    name: str


@dataclass
class Definition:
    """What one key stands for: its parts (of a class the methods are parts), and what they refer to."""

    parts: list[tuple[str, list[str | Key]]] = field(default_factory=list)  # (qualified name, text)
    references: set[Key] = field(default_factory=set)
    imports: list[str] = field(default_factory=list)  # modules imported within it


Find = Callable[[str], tuple[Key | None, str]]  # "package.module.name.attribute" -> the key, and the text after it


@dataclass
class Names:
    """What the names at the top level of a module stand for."""

    name: str  # of the module
    package: str  # that its relative imports begin in
    bound: dict[str, list[ast.stmt]] = field(default_factory=dict)  # the statements that bind a name
    origins: dict[str, str] = field(default_factory=dict)  # imported names, and what they stand for
    stars: list[str] = field(default_factory=list)  # modules all of whose names are imported


def origins_of(statement: ast.Import | ast.ImportFrom, package: str, imports: list[str]) -> dict[str, str]:
    """What each name that the statement binds stands for; the modules that it imports go to `imports`."""
    if isinstance(statement, ast.Import):
        imports += [alias.name for alias in statement.names]
        tops = {alias.name: alias.name.partition(".")[0] for alias in statement.names}
        return {a.asname or tops[a.name]: a.name if a.asname else tops[a.name] for a in statement.names}
    above = package.split(".")
    above = above[: len(above) - statement.level + 1] if statement.level else []
    base = ".".join([*above, *([statement.module] if statement.module else [])])
    imports += [f"{base}.{alias.name}" for alias in statement.names]
    return {alias.asname or alias.name: f"{base}.{alias.name}" for alias in statement.names}


def is_text(node: ast.AST) -> bool:
    """A docstring, or another constant that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def for_type_checkers(node: ast.If) -> bool:
    return getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING"


@dataclass
class _Scope:
    names: dict[str, str | None]  # of a late import what it stands for
    of_class: bool = False
    fields: bool = False  # annotated names are fields, as in a dataclass


class Writer:
    """Writes a statement as text, and notes what it refers to."""

    def __init__(self, module: Names, find: Find) -> None:
        self._module, self._find = module, find
        self._scopes: list[_Scope] = []
        self._silent = 0  # depth of `raise`
        self.out: list[str | Key] = []
        self.references: set[Key] = set()
        self.imports: list[str] = []

    def pure(self, called: ast.expr) -> bool:
        """Whether calling it, or decorating with it, has no effect beyond the value."""
        self.out = []
        self.write(called.func if isinstance(called, ast.Call) else called)
        text = "".join(each if isinstance(each, str) else "?" for each in self.out)
        return text.removeprefix("Name(").removesuffix(")") in PURE

    def write(self, node: ast.AST) -> None:
        method = _SPECIAL.get(type(node))
        if method is None:
            self._plain(node)
        else:
            method(self, node)

    def _plain(self, node: ast.AST) -> None:
        self.out.append(f"{type(node).__name__}(")
        for name in node._fields:
            value = getattr(node, name, None)
            if value is None or value == [] or name in _SKIPPED:
                continue
            self.out.append(f"{name}=")
            self._value(value)
        self.out.append(")")

    def _value(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self.write(value)
        elif isinstance(value, list):
            self.out.append("[")
            for each in value:
                self._value(each)
            self.out.append("]")
        else:
            self.out.append(repr(value))

    # --- names ------------------------------------------------------------------------------------------------

    def _name(self, node: ast.expr, chain: Sequence[str] = ()) -> None:
        """A name with the attributes asked of it, or any other expression."""
        if isinstance(node, ast.Attribute):
            self._name(node.value, (node.attr, *chain)) if _begins_with_name(node) else self._plain(node)
            return
        assert isinstance(node, ast.Name)
        known, origin = self._local(node.id)
        if known and origin is None:
            self.out.append(f"Local({'.'.join((node.id, *chain))})")
            return
        if not known:
            module = self._module
            origin = f"{module.name}.{node.id}" if node.id in module.bound else module.origins.get(node.id)
        if origin is None:
            starred = (f"{star}.{node.id}" for star in self._module.stars)
            origin = next((each for each in starred if self._find(each)[0] is not None), node.id)
        self._refer(".".join((origin, *chain)))

    def _refer(self, dotted: str) -> None:
        key, rest = self._find(dotted)
        self.out.append("Name(")
        if key is not None:
            self.references.add(key)
            self.out.append(key)
        self.out.append(f"{rest})")

    def _local(self, name: str) -> tuple[bool, str | None]:
        """Whether a function or class around binds the name, and what a late import says that it stands for."""
        for depth, scope in enumerate(reversed(self._scopes)):
            if name in scope.names and (depth == 0 or not scope.of_class):
                return True, scope.names[name]
        return False, None

    def _constant(self, node: ast.Constant) -> None:
        """Text that names a module of a package that is followed stands for what is in it."""
        value = node.value
        if isinstance(value, str):
            if self._silent:
                value = ""
            elif _MODULE_NAME.fullmatch(value) and (key := self._find(value.replace(":", "."))[0]) is not None:
                self.references.add(key)
                self.out += ["Module(", key, ")"]
                return
        self.out.append(f"({value!r})")

    # --- what opens a scope -----------------------------------------------------------------------------------

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> None:
        arguments = node.args
        groups = (arguments.posonlyargs, arguments.args, arguments.kwonlyargs)
        names = [[each.arg for each in group] for group in groups]
        rest = [each.arg if each else None for each in (arguments.vararg, arguments.kwarg)]
        self.out.append(f"{type(node).__name__}({getattr(node, 'name', '')}{names}{rest}")
        self._value(arguments.defaults)
        self._value(arguments.kw_defaults)
        self._value(getattr(node, "decorator_list", []))
        body = node.body if isinstance(node.body, list) else [node.body]
        bound = dict.fromkeys([name for group in names for name in group] + [name for name in rest if name])
        self._scopes.append(_Scope(bound | self._bound_in(body)))
        self._value(body)
        self._scopes.pop()
        self.out.append(")")

    def _class(self, node: ast.ClassDef) -> None:
        self._open_class(node)
        self._value([each for each in node.body if not _describes(each)])
        self._scopes.pop()
        self.out.append(")")

    def top_class(self, node: ast.ClassDef, parts: dict[str, list[str | Key]]) -> None:
        """A class of a module: each method is a part of its own, so that it can be named."""
        self._open_class(node)
        methods = [each for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
        self._value([each for each in node.body if each not in methods and not _describes(each)])
        parts.setdefault(node.name, []).extend(self.out)
        for method in methods:
            self.out = []
            self.write(method)
            parts.setdefault(f"{node.name}.{method.name}", []).extend(self.out)

    def _open_class(self, node: ast.ClassDef) -> None:
        self.out.append(f"ClassDef({node.name}")
        self._value(node.decorator_list)
        start = len(self.out)
        self._value(node.bases)
        bases = "".join(each for each in self.out[start:] if isinstance(each, str))
        self._value(node.keywords)
        fields = bool(node.decorator_list) or bool(re.search(r"NamedTuple|TypedDict|Model|Struct", bases))
        self._scopes.append(_Scope(self._bound_in(node.body), of_class=True, fields=fields))

    def _comprehension(self, node: ast.AST) -> None:
        targets = [each.target for each in getattr(node, "generators")]  # noqa: B009 (four kinds of nodes have it)
        names = dict.fromkeys(n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name))
        self._scopes.append(_Scope(dict(names)))
        self._plain(node)
        self._scopes.pop()

    def _bound_in(self, body: Sequence[ast.AST]) -> dict[str, str | None]:
        """The names that the statements of a function or class bind."""
        bound: dict[str, str | None] = {}
        elsewhere: set[str] = set()
        for node in _own_nodes(body):
            if isinstance(node, ast.Name):
                if not isinstance(node.ctx, ast.Load):
                    bound.setdefault(node.id, None)
            elif isinstance(node, ast.Import | ast.ImportFrom):
                bound |= origins_of(node, self._module.package, self.imports)
            elif isinstance(node, ast.Global | ast.Nonlocal):
                elsewhere.update(node.names)
            elif isinstance(name := getattr(node, "name", None) or getattr(node, "rest", None), str):
                bound.setdefault(name, None)  # a function, a class, an error that is caught, a pattern
        return {name: origin for name, origin in bound.items() if name not in elsewhere} if elsewhere else bound

    # --- statements -------------------------------------------------------------------------------------------

    def _expression(self, node: ast.Expr) -> None:
        if not is_text(node):
            self._plain(node)

    def _nothing(self, node: ast.AST) -> None:
        pass

    def _if(self, node: ast.If) -> None:
        if for_type_checkers(node):
            for each in node.orelse:
                self.write(each)
        else:
            self._plain(node)

    def _annotated(self, node: ast.AnnAssign) -> None:
        """Without its annotation: a field where there are fields, else an assignment, or nothing."""
        fields = bool(self._scopes) and self._scopes[-1].fields and "ClassVar" not in ast.dump(node.annotation)
        if fields:
            self.out.append("Field")
        if node.value is not None:
            self._plain(ast.Assign(targets=[node.target], value=node.value))
        elif fields:
            self.write(node.target)

    def _raise(self, node: ast.Raise) -> None:
        self._silent += 1
        self._plain(node)
        self._silent -= 1

    def _formatted(self, node: ast.JoinedStr) -> None:
        if self._silent:
            self.out.append("('')")
        else:
            self._plain(node)

    def _assert(self, node: ast.Assert) -> None:
        self.out.append("Assert(")
        self.write(node.test)
        self.out.append(")")


_SPECIAL: dict[type[ast.AST], Callable[..., None]] = {
    ast.Name: Writer._name,
    ast.Attribute: Writer._name,
    ast.Constant: Writer._constant,
    ast.FunctionDef: Writer._function,
    ast.AsyncFunctionDef: Writer._function,
    ast.Lambda: Writer._function,
    ast.ClassDef: Writer._class,
    **dict.fromkeys((ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp), Writer._comprehension),
    **dict.fromkeys((ast.Import, ast.ImportFrom, ast.Pass), Writer._nothing),
    ast.Expr: Writer._expression,
    ast.If: Writer._if,
    ast.AnnAssign: Writer._annotated,
    ast.Raise: Writer._raise,
    ast.JoinedStr: Writer._formatted,
    ast.Assert: Writer._assert,
}


def _begins_with_name(node: ast.expr) -> bool:
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _describes(node: ast.stmt) -> bool:
    """A class attribute that is only shown: `summary = "..."`."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant | ast.Tuple | None):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return any(isinstance(target, ast.Name) and target.id in DESCRIPTIONS for target in targets)
    return False


def _own_nodes(body: Sequence[ast.AST]) -> Iterator[ast.AST]:
    """The nodes of a function's or class's body, but for what lies in functions, classes and comprehensions in it."""
    todo = list(body)
    while todo:
        node = todo.pop()
        yield node
        if type(node) not in _INNER:
            for value in vars(node).values():  # `ast.iter_child_nodes` takes several times as long
                if isinstance(value, ast.AST):
                    todo.append(value)
                elif type(value) is list:
                    todo += [each for each in value if isinstance(each, ast.AST)]


_INNER = {
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
}
