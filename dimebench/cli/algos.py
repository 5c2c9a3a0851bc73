"""`dimebench algos`: the algorithms that can be run."""

from __future__ import annotations

import json

import typer

from dimebench.cli.common.options import Json


def algos(as_json: Json = False) -> int:
    """List the algorithms: those built in, and those that installed packages add."""
    from dimebench.agents.registry import BrokenAlgorithmError, algorithm_source, known_algorithms, load_algorithm

    rows = []
    for name in known_algorithms():
        try:
            summary = load_algorithm(name).summary
        except BrokenAlgorithmError as error:
            summary = f"cannot be used: {error}"
        rows.append({"name": name, "summary": summary, "source": algorithm_source(name)})
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return 0
    from dimebench.cli.common.output import print_table

    print_table([[row["name"], row["summary"], row["source"]] for row in rows], ("algorithm", "what it is", "source"))
    return 0
