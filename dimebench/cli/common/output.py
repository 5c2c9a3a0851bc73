"""What commands print to: the console, and the one kind of table."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.cells import cell_len
from rich.console import Console as RichConsole
from rich.text import Text

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
    cells = [[printable(cell) for cell in row] for row in rows]
    if not cells:
        return
    if console.is_terminal:
        from dimebench.tables.terminal import Lines

        console.print(Lines(cells, header, right))
        return
    from dimebench.tables.plain import aligned

    for line in aligned([list(header), *cells] if header else cells):
        print_line(line)


def print_line(text: str, hang: int = 0) -> None:
    """One line, however long; on a terminal ended between words, the further lines `hang` columns to the right."""
    line = printable(text)
    if not console.is_terminal or cell_len(line) <= console.width or hang >= console.width:
        console.print(line, soft_wrap=True)
        return
    first = Text(line).wrap(console, console.width)[0].plain
    console.print(first, soft_wrap=True)
    for each in Text(line[len(first) :].lstrip()).wrap(console, console.width - hang):
        console.print(" " * hang + each.plain.rstrip(), soft_wrap=True)


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
def progress_line() -> Iterator[Callable[[str], None]]:
    """What is being done, in a line on standard error that changes and goes; only where that is a terminal."""
    told = Console(stderr=True, highlight=False, markup=False, emoji=False)
    if not told.is_terminal:
        yield lambda text: None
        return
    with told.status("") as status:
        yield lambda text: status.update(printable(text))
