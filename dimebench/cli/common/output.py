"""What commands print to: the console, and the one kind of table."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console as RichConsole
from rich.table import Table

from dimebench.errors import printable


class Console(RichConsole):
    """Plain text unless a terminal shows it: FORCE_COLOR would put escape codes into files and pipes."""

    @property
    def is_terminal(self) -> bool:
        return super().is_terminal and self.file.isatty()


# Names come from files and packages, and may hold what rich would read as markup: `mine:mode=[fast]`.
console = Console(highlight=False, markup=False, emoji=False)


def print_table(rows: Sequence[Sequence[str]], header: Sequence[str] = (), right: Collection[str] = ()) -> None:
    """A table on a terminal, with the columns in `right` right-aligned; elsewhere aligned lines, one per row."""
    from dimebench.tables.plain import aligned

    cells = [[printable(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        for line in aligned([list(header), *cells] if header else cells):
            print_line(line)
        return
    table = Table() if header else Table(show_header=False, box=None, pad_edge=False)
    for index in range(len(cells[0]) if cells else len(header)):
        name = header[index] if header else ""
        table.add_column(name, overflow="fold", justify="right" if name in right else "left")
    for row in cells:
        table.add_row(*row)
    console.print(table)


def print_line(text: str) -> None:
    """One line, however long."""
    console.print(printable(text), soft_wrap=True)


def print_json(content: Any, allow_nan: bool = True) -> None:
    """JSON for programs. Raises ValueError for what is no number, without `allow_nan`."""
    typer.echo(json.dumps(content, indent=1, allow_nan=allow_nan))


def tell_unread(problems: Iterable[object], said: set[str] | None = None) -> list[str]:
    """Runs that could not be read, on standard error: what is made is without them. Returns all, each once.

    said: what was told before, which is not told again.
    """
    told = set[str]() if said is None else said
    found = list(dict.fromkeys(map(str, problems)))
    for problem in found:
        if problem not in told:
            typer.echo(f"dimebench: not read, so not counted: {printable(problem)}", err=True)
    told |= set(found)
    return found


@contextmanager
def status_line(quiet: bool) -> Iterator[Callable[[str], None]]:
    """What is being done, in a line that changes; only on a terminal, and unless `quiet`."""
    if quiet or not console.is_terminal:
        yield lambda text: None
        return
    with console.status("") as status:
        yield lambda text: status.update(text)
