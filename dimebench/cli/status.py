"""`dimebench status`: which runs there are and how far they are."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dimebench.cli.options import DEFAULT_RESULTS, Json, Results, split_words


def status(
    words: Annotated[list[str] | None, typer.Argument(help="suite=NAME to see one suite.", metavar="[WORDS]")] = None,
    results: Results = DEFAULT_RESULTS,
    as_json: Json = False,
) -> int:
    """Show the runs of a results folder, one line per algorithm and task; failures with their reasons."""
    from dimebench.cli.errors import UsageError
    from dimebench.store import Run, read_runs

    names, suite = split_words(words)
    if names:
        raise UsageError(f"'{names[0]}': status takes suite=NAME alone")
    runs = read_runs(results, suite)
    if as_json:
        typer.echo(json.dumps([_plain(run) for run in runs], indent=1))
        return 0
    if not runs:
        typer.echo(f"no runs in {results}/" + (f" for suite {suite}" if suite else ""))
        return 0
    from rich.table import Table

    from dimebench.cli.output import console

    table = Table()
    for name in ("suite", "algorithm", "task"):
        table.add_column(name, overflow="fold")
    for name in ("seeds", "finished", "other", "env steps"):
        table.add_column(name, justify="right")
    cells: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        cells.setdefault((run.suite, run.variant, run.task), []).append(run)
    for key, members in cells.items():
        finished = sum(run.status == "finished" for run in members)
        others = sorted({run.status for run in members} - {"finished"})
        other = ", ".join(f"{sum(run.status == s for run in members)} {s}" for s in others)
        steps = min(run.progress.get("env_step", 0) for run in members)
        budget = members[0].identity["of"]["protocol"]["env_steps"]
        table.add_row(*key, str(len(members)), str(finished), other, f"{steps:,} of {budget:,}")
    console.print(table)
    for run in runs:
        if run.reason:
            where = f"{run.variant} on {run.task} seed {run.seed}"
            console.print(f"{run.status}: {where}: {run.reason}", markup=False, soft_wrap=True)
    return 0


def _plain(run: Any) -> dict[str, Any]:
    content = run.to_json()
    return {"path": str(run.path), **content}
