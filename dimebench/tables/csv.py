"""A table as csv: one value per cell, numbers in full."""

from __future__ import annotations

import csv
import io
from typing import Any

from dimebench.tables.model import Table


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
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if value is None else value for value in row] for row in rows])
    return buffer.getvalue()
