"""The tables as files: csv for programs with numbers in full, markdown and LaTeX with booktabs for papers."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dimebench.analysis.summary import Summary
from dimebench.store import atomic_write
from dimebench.tables.content import tables
from dimebench.tables.latex_text import latex_needs, latex_text
from dimebench.tables.model import PAPER, Caption, Cell, Row, Table

LONGEST = 40  # rows on one page of LaTeX
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
    headings, rows, caption = _of_paper(table, lambda text: text.translate(_MARKDOWN), "**{}**")
    lines = [headings, [":--", *["--:"] * (len(headings) - 1)], *rows]
    note = ["", caption.note] if caption.note else []
    return "\n".join([f"**{caption.title}**", "", *(f"| {' | '.join(line)} |" for line in lines), *note, ""])


def latex(table: Table[Row]) -> str:
    """A table that needs the package booktabs, and longtable where it is longer than a page.

    Comments above it say what names in other scripts than Latin and Greek need.
    """
    headings, rows, above = _of_paper(table, latex_text, r"\textbf{{{}}}")
    columns = "l" + "r" * (len(headings) - 1)
    header, *lines = (_row(line) for line in [headings, *rows])
    title = above.title + (". " + above.note if above.note else "")
    caption, label = rf"\caption{{{latex_text(title)}}}", rf"\label{{tab:{table.name.replace('_', '-')}}}"
    shown = table.on(PAPER)
    needs = latex_needs([title, *shown.headings, *(cell.text for row in shown.rows for cell in row)])
    if len(lines) > LONGEST:
        head = [rf"\begin{{longtable}}{{{columns}}}", caption + label + r" \\", r"\toprule", header, r"\midrule"]
        return "\n".join([*needs, *head, r"\endhead", *lines, r"\bottomrule", r"\end{longtable}", ""])
    head = [r"\begin{table}", r"\centering", caption, label, rf"\begin{{tabular}}{{{columns}}}", r"\toprule"]
    return "\n".join(
        [*needs, *head, header, r"\midrule", *lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""]
    )


def _row(cells: list[str]) -> str:
    """A row of LaTeX. The line break of the row before would take a bracket or a star for its own."""
    line = " & ".join(cells) + r" \\"
    return "{}" + line if line.startswith(("[", "*")) else line


def _of_paper(
    table: Table[Row], escape: Callable[[str], str], bold: str
) -> tuple[list[str], list[list[str]], Caption]:
    """Headings and rows as a paper shows them, escaped, and the caption as it is."""
    shown, caption = table.on(PAPER), table.paper
    assert caption is not None

    def written(cell: Cell) -> str:
        text = escape(cell.text)
        return bold.format(text) if cell.bold and text else text

    headings = [escape(heading) for heading in shown.headings]
    return headings, [[written(cell) for cell in row] for row in shown.rows], caption


WRITERS: dict[str, tuple[str, Callable[[Table[Any]], str]]] = {  # format: suffix of its files, writer
    "csv": ("csv", csv_text),
    "markdown": ("md", markdown),
    "latex": ("tex", latex),
}


def table_files(summary: Summary, formats: Sequence[str] = tuple(WRITERS)) -> dict[str, str]:
    """Every table in every format that shows it, by the name of its file."""
    made = tables(summary)
    return {
        f"{table.name}.{suffix}": write(table)
        for form, (suffix, write) in ((form, WRITERS[form]) for form in formats)
        for table in made
        if (table.for_programs if form == "csv" else table.paper)
    }


def write_tables(summary: Summary, folder: Path, formats: Sequence[str] = tuple(WRITERS)) -> list[Path]:
    """Write every table in every format. Returns the paths. Raises OSError where a file cannot be written."""
    files = {folder / name: text for name, text in table_files(summary, formats).items()}
    for path, text in files.items():
        atomic_write(path, text.encode())
    return list(files)
