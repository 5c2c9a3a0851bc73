"""A table as markdown."""

from __future__ import annotations

from collections.abc import Sequence

from dimebench.tables.model import PAPER, Cell, Row, Table


def markdown(table: Table[Row]) -> str:
    """The first column left-aligned, the others right-aligned; title above, note below."""
    shown, caption = table.on(PAPER), table.paper
    assert caption is not None
    rule = [":--", *["--:"] * (len(shown.columns) - 1)]
    header = [escape(name) for name in shown.headings]
    lines = [_line(header), _line(rule), *(_line([_written(cell) for cell in row]) for row in shown.rows)]
    note = ["", caption.note] if caption.note else []
    return "\n".join([f"**{caption.title}**", "", *lines, *note, ""])


def escape(text: str) -> str:
    """Text for a cell: names from files hold what markdown would read as its own."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")


def _written(cell: Cell) -> str:
    return f"**{escape(cell.text)}**" if cell.bold and cell.text else escape(cell.text)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
