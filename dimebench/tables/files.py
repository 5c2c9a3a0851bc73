"""The tables as files: csv for programs, markdown and LaTeX for papers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dimebench.analysis.summary import Summary
from dimebench.store import atomic_write
from dimebench.tables.content import tables
from dimebench.tables.csv import csv_text
from dimebench.tables.latex import latex
from dimebench.tables.markdown import markdown
from dimebench.tables.model import Table

WRITERS: dict[str, tuple[str, Callable[[Table[Any]], str]]] = {  # format: suffix of its files, writer
    "csv": ("csv", csv_text),
    "markdown": ("md", markdown),
    "latex": ("tex", latex),
}


def table_files(summary: Summary, formats: Sequence[str] = tuple(WRITERS)) -> dict[str, str]:
    """Every table in every format that shows it, by the name of its file."""
    files: dict[str, str] = {}
    made = tables(summary)
    for form in formats:
        suffix, write = WRITERS[form]
        shown = [
            table
            for table in made
            if (any(column.fields for column in table.columns) if form == "csv" else table.paper)
        ]
        files |= {f"{table.name}.{suffix}": write(table) for table in shown}
    return files


def write_tables(summary: Summary, folder: Path, formats: Sequence[str] = tuple(WRITERS)) -> list[Path]:
    """Write every table in every format. Returns the paths. Raises OSError where a file cannot be written."""
    files = {folder / name: text for name, text in table_files(summary, formats).items()}
    for path, text in files.items():
        atomic_write(path, text.encode())
    return list(files)
