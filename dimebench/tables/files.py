"""The tables as files: csv for programs with numbers in full, markdown for people, LaTeX (`paper`) for papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dimebench.analysis.summary import Summary
from dimebench.papers import PAPERS, Paper
from dimebench.store import atomic_write
from dimebench.tables.content import tables
from dimebench.tables.model import PAPER, Row, Table
from dimebench.tables.paper import paper_tables

# Names from files hold what a format would read as commands.
_MARKDOWN = str.maketrans({"\\": "\\\\", "|": "\\|", "<": "&lt;", "*": "\\*"})


def records(table: Table[Any]) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Header and rows for programs."""
    if table.spread:
        return table.spread, [
            (*row[0].data, field, *cell.data)
            for row in table.rows
            for column, cell in zip(table.columns[1:], row[1:], strict=True)
            for field in column.fields
        ]
    named = [column for column in table.columns if column.fields]
    header = tuple(field for column in named for field in column.fields)
    return header, [tuple(value for column in named for value in column.cell(item).data) for item in table.items]


def csv_text(table: Table[Any]) -> str:
    header, rows = records(table)
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows([header, *rows])
    return buffer.getvalue()


def markdown(table: Table[Row]) -> str:
    """The first column left-aligned, the others right-aligned; title above, note below."""
    shown, caption = table.on(PAPER), table.paper
    assert caption is not None
    headings = [_escaped(heading) for heading in shown.headings]
    rows = [[f"**{_escaped(c.text)}**" if c.bold and c.text else _escaped(c.text) for c in row] for row in shown.rows]
    lines = [headings, [":--", *["--:"] * (len(headings) - 1)], *rows]
    note = ["", caption.note] if caption.note else []
    return "\n".join([f"**{caption.title}**", "", *(f"| {' | '.join(line)} |" for line in lines), *note, ""])


def _escaped(text: str) -> str:
    return text.translate(_MARKDOWN)


FORMATS = ("csv", "markdown", "latex")


def table_files(summary: Summary, formats: Sequence[str] = FORMATS, paper: Paper = PAPERS["plain"]) -> dict[str, str]:
    """Every table in every format that shows it, by the name of its file; LaTeX is set for `paper`."""
    made = tables(summary)
    found: dict[str, str] = {}
    if "csv" in formats:
        found |= {f"{table.name}.csv": csv_text(table) for table in made if table.for_programs}
    if "markdown" in formats:
        found |= {f"{table.name}.md": markdown(table) for table in made if table.paper}
    return found | (paper_tables(summary, paper) if "latex" in formats else {})


def write_tables(summary: Summary, folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write every table in every format. Returns the paths. Raises OSError where a file cannot be written."""
    files = {folder / name: text for name, text in table_files(summary, formats).items()}
    for path, text in files.items():
        atomic_write(path, text.encode())
    return list(files)
