"""A source file: what it binds and imports, and what it does when it is imported."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from importlib.util import decode_source
from pathlib import Path
from symtable import symtable


class Module:
    """What a source file binds, imports and does at its top level."""

    def __init__(self, name: str, file: Path) -> None:
        self.name = name
        self.package = name if file.name == "__init__.py" else name.rpartition(".")[0]  # relative imports begin there
        self.bound: defaultdict[str, list[ast.stmt]] = defaultdict(list)  # the statements that bind a name
        self.called: list[tuple[str, ast.expr]] = []  # on the way to such a name: functions and decorators
        self.origins: dict[str, str] = {}  # imported names, and what they stand for
        self.stars: list[str] = []  # modules all of whose names are imported
        self.imports: list[str] = []
        self.effects: list[ast.stmt] = []  # the statements that bind no name
        try:
            text = decode_source(file.read_bytes())
            body, table = ast.parse(text).body, symtable(text, str(file), "exec")
        except (SyntaxError, ValueError):  # it is imported conditionally, and cannot be here
            body, table = [], symtable("", str(file), "exec")
        self._tables = {(each.get_name(), each.get_lineno()): each for each in table.get_children()}
        # As decorators and defaults do, which a function's own table does not know of.
        self._referenced = {each.get_name() for each in table.get_symbols() if each.is_referenced()}
        for statement in body:
            self._add(statement)

    def _add(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.bound[statement.name].append(statement)
            self.called += [(statement.name, each) for each in statement.decorator_list]
        elif targets := targets_of(statement):
            nodes = [node for target in targets for node in ast.walk(target)]
            value = getattr(statement, "value", None)
            if any(isinstance(node, ast.Attribute | ast.Subscript) for node in nodes):
                self.effects.append(statement)
            elif value is not None:
                calls = [node.func for node in ast.walk(value) if isinstance(node, ast.Call)]
                for name in [node.id for node in nodes if isinstance(node, ast.Name)]:
                    self.bound[name].append(statement)
                    self.called += [(name, each) for each in calls]
        elif isinstance(statement, ast.If) and for_type_checkers(statement):
            for each in statement.orelse:
                self._add(each)
        elif not (is_text(statement) or _for_scripts(statement)):
            if not isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
                self.effects.append(statement)
            for name, origin, imported in imports_in(statement, self.package):
                self.imports.append(imported)
                self.origins.setdefault(name, origin)
                self.stars += [origin.removesuffix(".*")] if name == "*" else []

    def local_names(self, statement: ast.stmt) -> tuple[set[str], bool]:
        """The names of a function or class that are nowhere in it those of the module; and whether it imports any."""
        table = self._tables.get((getattr(statement, "name", ""), statement.lineno))
        if table is None:
            return set(), True
        tables = [table]
        for each in tables:
            tables += each.get_children()
        symbols = [symbol for each in tables for symbol in each.get_symbols()]
        outside = {symbol.get_name() for symbol in symbols if symbol.is_global()} | self._referenced
        names = {symbol.get_name() for symbol in symbols}
        return names - outside, any(symbol.is_imported() for symbol in symbols)


def imports_in(statement: ast.AST, package: str) -> Iterator[tuple[str, str, str]]:
    """Of each import in it: the name that it binds, what that stands for, and what is imported."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or name, name, alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            for alias in node.names:
                origin = ".".join([*above, *([node.module] if node.module else []), alias.name])
                yield alias.asname or alias.name, origin, origin


def is_text(node: ast.AST) -> bool:
    """A docstring, or another constant that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _for_scripts(node: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, which no import carries out."""
    return isinstance(node, ast.If) and "'__name__'" in ast.dump(node.test)


def for_type_checkers(node: ast.If) -> bool:
    return getattr(node.test, "id", getattr(node.test, "attr", "")) == "TYPE_CHECKING"


def targets_of(statement: ast.stmt) -> list[ast.expr]:
    """What an assignment assigns to; [] of another statement."""
    if isinstance(statement, ast.Assign):
        return statement.targets
    return [statement.target] if isinstance(statement, ast.AnnAssign | ast.AugAssign) else []
