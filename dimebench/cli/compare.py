"""`dimebench compare A B`: which is better, by how much, how sure."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dimebench.cli.errors import UsageError
from dimebench.cli.options import DEFAULT_RESULTS, Allow, Json, Results, parse_allow, split_words, whole_number

Budget = Annotated[
    int | None,
    typer.Option(
        help="Compare at this many env steps (default: what all have).",
        metavar="ENV_STEPS",
        parser=whole_number("--budget", 1, " env step"),
    ),
]


def compare(
    words: Annotated[
        list[str] | None,
        typer.Argument(help="Two or more algorithms or variants, and suite=NAME.", metavar="A B [WORDS]..."),
    ] = None,
    budget: Budget = None,
    allow: Allow = None,
    results: Results = DEFAULT_RESULTS,
    as_json: Json = False,
) -> int:
    """Say which algorithm is better at a matched env-step budget, with 95% intervals."""
    names, suite = split_words(words)
    if len(set(names)) < 2:
        raise UsageError(f"compare takes two algorithms or more, not {len(set(names))}: dimebench compare A B")
    allowed = parse_allow(allow)
    from dimebench.report import summary

    found = summary(results, names, suite=suite, budget=budget, allow=allowed)
    if as_json:
        typer.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
        return 0
    from dimebench.cli.output import console
    from dimebench.report import tables

    if console.is_terminal:
        console.print(tables.render(found))
    else:
        for line in tables.plain_lines(found):
            typer.echo(line)
    return 0
