"""A table as csv: one value per cell, numbers in full."""

from __future__ import annotations

import csv
import io
from typing import Any

from dimebench.tables.model import Table


def records(table: Table) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Header and rows for programs."""
    if table.spread:
        return table.spread, [
            (*row[0].data, field, *cell.data)
            for row in table.rows
            for column, cell in zip(table.columns[1:], row[1:], strict=True)
            for field in column.fields
        ]
    header = tuple(field for column in table.columns for field in column.fields)
    kept = [k for k, column in enumerate(table.columns) if column.fields]
    return header, [tuple(value for k in kept for value in row[k].data) for row in table.rows]


def csv_text(table: Table) -> str:
    header, rows = records(table)
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if value is None else value for value in row] for row in rows])
    return buffer.getvalue()
