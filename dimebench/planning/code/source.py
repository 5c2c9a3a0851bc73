"""A source file: what it binds and imports, and what it does when it is imported."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from symtable import SymbolTable, symtable


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
            text = file.read_text(encoding="utf-8")
            body, self._table = ast.parse(text).body, symtable(text, str(file), "exec")
        except (SyntaxError, ValueError):  # it is imported conditionally, and cannot be here
            body, self._table = [], symtable("", str(file), "exec")
        self._tables = {(each.get_name(), each.get_lineno()): each for each in self._table.get_children()}
        for statement in body:
            self._add(statement)

    def _add(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._bind([statement.name], statement, statement.decorator_list)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            stored = [node for target in targets for node in ast.walk(target)]
            if any(isinstance(node, ast.Attribute | ast.Subscript) for node in stored):
                self.effects.append(statement)
            elif statement.value is not None:
                calls = [node.func for node in ast.walk(statement.value) if isinstance(node, ast.Call)]
                self._bind([node.id for node in stored if isinstance(node, ast.Name)], statement, calls)
        elif isinstance(statement, ast.If) and is_named(statement.test, "TYPE_CHECKING"):
            for each in statement.orelse:
                self._add(each)
        elif not (is_text(statement) or _for_scripts(statement)):
            if not isinstance(statement, ast.Import | ast.ImportFrom | ast.Pass):
                self.effects.append(statement)
            for name, origin, imported in imports_in(statement, self.package):
                self.imports.append(imported)
                if name == "*":
                    self.stars.append(origin.removesuffix(".*"))
                self.origins.setdefault(name, origin)

    def _bind(self, names: list[str], statement: ast.stmt, called: list[ast.expr]) -> None:
        for name in names:
            self.bound[name].append(statement)
            self.called += [(name, each) for each in called]

    def local_names(self, statement: ast.stmt) -> tuple[set[str], bool]:
        """The names of a function or class that are nowhere in it those of the module; and whether it imports any."""
        table = self._tables.get((getattr(statement, "name", ""), statement.lineno))
        symbols = [symbol for each in _all_tables(table) for symbol in each.get_symbols()] if table else []
        outside = [symbol for symbol in symbols if symbol.is_global()]
        outside += [symbol for symbol in self._table.get_symbols() if symbol.is_referenced()]  # decorators, defaults
        names = {symbol.get_name() for symbol in symbols} - {symbol.get_name() for symbol in outside}
        return names, table is None or any(symbol.is_imported() for symbol in symbols)


def _all_tables(table: SymbolTable) -> Iterator[SymbolTable]:
    yield table
    for each in table.get_children():
        yield from _all_tables(each)


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


def is_named(node: ast.expr, name: str) -> bool:
    """Whether it is this name, of a module or not."""
    return getattr(node, "id", getattr(node, "attr", "")) == name


def _for_scripts(node: ast.AST) -> bool:
    """`if __name__ == "__main__":`, which no import carries out."""
    return isinstance(node, ast.If) and any(
        is_named(each, "__name__") for each in ast.walk(node.test) if isinstance(each, ast.expr)
    )
