"""Source code as text that changes only where the code does something else.

What is left out: comments, docstrings and other bare strings, positions, annotations, `pass`, `if TYPE_CHECKING:`,
the words of errors that are raised, and import statements. A name that was imported is written as what it stands for:
`numpy.zeros` for another package's, a reference for a definition of a package that is followed. So the text does not
depend on the file a definition stands in, nor on how it was imported.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from copy import copy

from dimebench.planning.code.source import Module, for_type_checkers, imports_in, is_text, targets_of

# In a text: the key (`module:name`) of another definition, between signs that no text of code has.
REFERENCE = re.compile("\0(.*?)\0")
# Class attributes that change no number: they are only shown, or part of the identity themselves.
DESCRIPTIONS = {"aliases", "complete", "packages", "summary"}
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


class Writer(ast.NodeVisitor):
    """Writes the statements of a module as text. `find`: "package.module.name.attribute" -> how to write that."""

    def __init__(self, module: Module, find: Callable[[str], str]) -> None:
        self._module, self._find = module, find
        self._local: set[str] = set()
        self._late: dict[str, str] = {}  # names imported within the statement, and what they stand for
        self._raising = False
        self.imports: list[str] = []  # modules imported within the statements

    def parts(self, name: str, statement: ast.stmt) -> Iterator[tuple[str, str]]:
        """The (qualified name, text) of what binds this name; the methods of a class are parts of their own."""
        self._local, imports = self._module.local_names(statement)
        late = list(imports_in(statement, self._module.package)) if imports else []
        self._late = {bound: origin for bound, origin, _ in late}
        self.imports += [imported for *_, imported in late]
        if isinstance(statement, ast.ClassDef):
            methods = [each for each in statement.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            statement = copy(statement)
            statement.body = [each for each in statement.body if each not in methods]
            yield from ((f"{name}.{method.name}", self.visit(method)) for method in methods)
        yield name, self.visit(statement)

    def is_pure(self, called: ast.expr) -> bool:
        """Whether calling it, or decorating with it, has no effect beyond the value."""
        return self.visit(called.func if isinstance(called, ast.Call) else called) in PURE

    def generic_visit(self, node: ast.AST) -> str:
        """The node's kind and its fields, as far as they hold something."""
        fields = ((name, getattr(node, name, None)) for name in node._fields if name not in _SKIPPED)
        texts = [f"{name}={self._text(value)}" for name, value in fields if value is not None and value != []]
        return f"{type(node).__name__}({','.join(texts)})"

    def _text(self, value: object) -> str:
        if isinstance(value, ast.AST):
            return str(self.visit(value))
        if isinstance(value, list):
            return f"[{','.join(filter(None, map(self._text, value)))}]"
        return repr(value)

    def _no_text(self, node: ast.AST) -> str:
        return ""

    visit_Pass = visit_Import = visit_ImportFrom = _no_text  # noqa: N815 (as `NodeVisitor` names them)

    def visit_Name(self, node: ast.expr) -> str:
        """A name with the attributes asked of it, or of any other expression."""
        attributes = ""
        while isinstance(node, ast.Attribute):
            attributes = f".{node.attr}{attributes}"
            node = node.value
        if not isinstance(node, ast.Name):
            return f"{self.visit(node)}{attributes}"
        if node.id in self._late:
            return self._find(f"{self._late[node.id]}{attributes}")
        if node.id in self._local:
            return f"{node.id}{attributes}"
        return self._find(f"{self._module.name}.{node.id}{attributes}")

    visit_Attribute = visit_Name  # noqa: N815

    def visit_Constant(self, node: ast.Constant) -> str:
        """Text that names a module of a package that is followed stands for what is in it."""
        value = "" if self._raising and isinstance(node.value, str) else node.value
        named = isinstance(value, str) and _MODULE_NAME.fullmatch(value)
        found = REFERENCE.match(self._find(named[0].replace(":", "."))) if named else None
        return f"Module({found[0]})" if found else repr(value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> str:
        return "''" if self._raising else self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> str:
        self._raising = True
        text = self.generic_visit(node)
        self._raising = False
        return text

    def visit_Assert(self, node: ast.Assert) -> str:
        return f"Assert({self.visit(node.test)})"

    def visit_Expr(self, node: ast.Expr) -> str:
        return "" if is_text(node) else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> str:
        return self._text(node.orelse) if for_type_checkers(node) else self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> str:
        return node.arg

    def visit_AnnAssign(self, node: ast.AnnAssign) -> str:
        return self.visit(ast.Assign([node.target], node.value)) if node.value is not None else ""

    def visit_ClassDef(self, node: ast.ClassDef) -> str:
        """Annotated names are fields, in their order, where a decorator or a base may make them such."""
        shown = copy(node)
        names = [{getattr(target, "id", "") for target in targets_of(each)} for each in node.body]
        shown.body = [each for each, bound in zip(node.body, names, strict=True) if not bound & DESCRIPTIONS]
        made = [each for each in node.body if isinstance(each, ast.AnnAssign) and (node.decorator_list or node.bases)]
        fields = [ast.dump(each.target) for each in made if "'ClassVar'" not in ast.dump(each.annotation)]
        return f"{self.generic_visit(shown)}{fields}"
