"""A table as aligned lines of text, without colour or boxes: for a pipe or a log."""

from __future__ import annotations

from collections.abc import Sequence

from dimebench.tables.model import TERMINAL, Row, Table


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line per row, its columns padded to the widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def plain(table: Table[Row]) -> list[str]:
    """Title, header, rows and note."""
    shown, caption = table.on(TERMINAL), table.terminal
    assert caption is not None
    body = [[cell.text + cell.remark for cell in row] for row in shown.rows]
    return [caption.title, *aligned([shown.headings, *body]), *[caption.note] * bool(caption.note)]
