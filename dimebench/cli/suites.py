"""`dimebench suites`: the suites that can be run."""

from __future__ import annotations

import json
from typing import Any

import typer

from dimebench.cli.common.options import Json


def suites(as_json: Json = False) -> int:
    """List the suites: those shipped, and those in ./suites."""
    from dimebench.config import ConfigError, list_suites, load_suite

    rows: list[dict[str, Any]] = []
    for name, path in list_suites():
        try:
            suite = load_suite(name)
        except ConfigError as error:
            rows.append({"name": name, "path": str(path), "error": str(error)})
            continue
        facts = {"tasks": len(suite.tasks), "env_steps": suite.budget.env_steps, "algorithms": suite.algorithms}
        rows.append({"name": name, "path": str(path), **facts, "description": suite.description})
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return 0
    from dimebench.cli.common.output import print_table

    print_table([_cells(row) for row in rows], ("suite", "tasks", "env steps", "what it is"), ("tasks", "env steps"))
    return 0


def _cells(row: dict[str, Any]) -> list[str]:
    if "error" in row:
        return [row["name"], "", "", f"cannot be used: {row['error']}"]
    return [row["name"], str(row["tasks"]), f"{row['env_steps']:,}", row["description"]]
