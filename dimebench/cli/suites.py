"""`dimebench suites`: the suites that can be run."""

from __future__ import annotations

from typing import Any

from dimebench.cli.common.options import Json


def suites(as_json: Json = False) -> None:
    """List the suites: those shipped, and those in ./suites."""
    from dimebench.cli.common.output import print_json, print_table
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
        print_json(rows)
        return
    header, right = ("suite", "tasks", "env steps", "what it is"), ("tasks", "env steps")
    print_table([_cells(row) for row in rows], header, right)


def _cells(row: dict[str, Any]) -> list[str]:
    if "error" in row:
        return [row["name"], "", "", f"cannot be used: {row['error']}"]
    return [row["name"], str(row["tasks"]), f"{row['env_steps']:,}", row["description"]]
