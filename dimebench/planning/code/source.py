"""A source file: what it binds and imports, and what it does when it is imported."""

from __future__ import annotations

import ast
from pathlib import Path

from dimebench.planning.code.syntax import (
    MODULE_LEVEL,
    Definition,
    Find,
    Key,
    Names,
    Writer,
    for_type_checkers,
    is_text,
    origins_of,
)


class Module(Names):
    """What a source file binds, imports and does at its top level."""

    def __init__(self, name: str, file: Path) -> None:
        super().__init__(name, name if file.name == "__init__.py" else name.rpartition(".")[0])
        self.imports: list[str] = []
        self.effects: list[ast.stmt] = []
        self._called: list[tuple[str, list[ast.expr]]] = []
        try:
            body = ast.parse(file.read_bytes()).body
        except (SyntaxError, ValueError):  # it is imported conditionally, and cannot be here
            body = []
        for statement in body:
            self._add(statement)

    def _add(self, statement: ast.stmt) -> None:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            self._import(statement)
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self._bind([statement.name], statement, statement.decorator_list)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)]
            if any(isinstance(n, ast.Attribute | ast.Subscript) for target in targets for n in ast.walk(target)):
                self.effects.append(statement)
            elif statement.value is not None:
                calls = [n.func for n in ast.walk(statement.value) if isinstance(n, ast.Call)]
                self._bind(names, statement, calls)
        elif isinstance(statement, ast.If) and for_type_checkers(statement):
            for each in statement.orelse:
                self._add(each)
        elif not (is_text(statement) or isinstance(statement, ast.Pass) or _for_scripts(statement)):
            self.effects.append(statement)
            for inner in ast.walk(statement):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    self._import(inner)

    def _bind(self, names: list[str], statement: ast.stmt, called: list[ast.expr]) -> None:
        for name in names:
            self.bound.setdefault(name, []).append(statement)
            if called:
                self._called.append((name, called))

    def _import(self, statement: ast.Import | ast.ImportFrom) -> None:
        for name, origin in origins_of(statement, self.package, self.imports).items():
            if name == "*":
                self.stars.append(origin.removesuffix(".*"))
            else:
                self.origins.setdefault(name, origin)

    def doing(self, find: Find) -> set[str]:
        """The names whose definition may do something when the module is imported, whether they are used or not."""
        writer = Writer(self, find)
        return {name for name, called in self._called if not all(writer.pure(each) for each in called)}

    def definition(self, name: str, find: Find) -> Definition:
        """What `name` stands for here."""
        made = Definition()
        if name == "*":
            made.references = {Key(self.name, each) for each in (*self.bound, MODULE_LEVEL)}
            return made
        statements = self.effects if name == MODULE_LEVEL else self.bound[name]
        parts: dict[str, list[str | Key]] = {}
        for statement in statements:
            writer = Writer(self, find)
            if isinstance(statement, ast.ClassDef):
                writer.top_class(statement, parts)
            else:
                writer.write(statement)
                parts.setdefault(name, []).extend(writer.out)
            made.references |= writer.references
            made.imports += writer.imports
        made.parts = list(parts.items())
        return made


def _for_scripts(node: ast.AST) -> bool:
    """`if __name__ == "__main__":`, which no import carries out."""
    return isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}
