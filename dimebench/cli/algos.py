"""`dimebench algos`: the algorithms that can be run."""

from __future__ import annotations

from dimebench.cli.common.options import Json


def algos(as_json: Json = False) -> None:
    """List the algorithms: those built in, and those that installed packages add."""
    from dimebench.agents.registry import BrokenAlgorithmError, algorithm_source, known_algorithms, load_algorithm
    from dimebench.cli.common.output import print_json, print_table

    rows = []
    for name in known_algorithms():
        try:
            summary = load_algorithm(name).summary
        except BrokenAlgorithmError as error:
            summary = f"cannot be used: {error}"
        rows.append({"name": name, "summary": summary, "source": algorithm_source(name)})
    if as_json:
        print_json(rows)
    else:
        print_table([list(row.values()) for row in rows], ("algorithm", "what it is", "source"))
