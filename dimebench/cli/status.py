"""`dimebench status`: which runs there are and how far they are."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.cli.common.errors import explain
from dimebench.cli.common.parsers import split_words
from dimebench.errors import USAGE, UsageError, nearest


def status(
    words: Annotated[list[str] | None, options.words("suite=NAME to see one suite.", "[WORDS]")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew until all runs are done.")] = False,
    every: Annotated[float, options.seconds("--every", "Seconds between two looks.")] = 2.0,
    results: options.ResultsToRead = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> int:
    """Show the runs of a results folder, one line per algorithm and task; failures with their reasons."""
    names, suite = split_words(words)
    if names:
        raise UsageError(f"'{names[0]}': status takes suite=NAME alone")
    if watch and as_json:
        raise UsageError("--watch: redraws for a person: leave --json out")
    return _watch(results, suite, every) if watch else _show(results, suite, as_json)


def _watch(results: Any, suite: str | None, every: float) -> int:
    """The table, again whenever it has changed; on a terminal in place. Ends when no run is running or queued."""
    from dimebench.analysis.watch import watch
    from dimebench.cli.common.output import console
    from dimebench.engines.jobs import queued_jobs

    code = 0
    beside = queued_jobs(results, suite) if isinstance(results, Path) else tuple  # jobs' files are local
    for state, changed, _ in watch(results, suite, every, beside):
        if changed:
            if console.is_terminal:
                console.clear()
            typer.echo(f"{time.strftime('%H:%M:%S')}  {state.words()}")
            code = _show(results, suite, as_json=False)
    return code


def _show(results: Any, suite: str | None, as_json: bool) -> int:
    from dimebench.cli.common.jobs import plain_job, print_jobs
    from dimebench.cli.common.output import print_json, print_line, print_table
    from dimebench.engines.jobs import Jobs, jobs_beside
    from dimebench.store import StoreError, read_runs
    from dimebench.store.claims import claimed_by

    broken: list[StoreError] = []
    everything = read_runs(results, broken=broken)
    for error in broken:
        typer.echo(f"dimebench: {explain(error)[0]}", err=True)
    code = USAGE if broken else 0
    runs = [run for run in everything if suite in (None, run.suite)]
    held = {run.path: claimed_by(run.path) for run in runs if not run.done}
    taken = [path for path, owner in held.items() if owner is not None]
    jobs = jobs_beside(results, suite, runs, taken) if isinstance(results, Path) else Jobs()  # jobs' files are local
    if suite is not None and everything and not runs and not jobs.statuses and not broken:
        known = sorted({run.suite for run in everything})
        raise UsageError(f"no runs of suite '{suite}' in '{results}'{nearest(suite, known)}")
    if as_json:
        plain = [_plain(run, held.get(run.path), jobs.of(run.path)) for run in runs]
        plain += [plain_job(path, job) for path, job in jobs.others([run.path for run in runs])]
        print_json(plain)
        return code
    if not runs and not jobs.statuses:
        typer.echo(f"no runs in '{results}'" if not broken else f"no run in '{results}' can be read")
        print_jobs(jobs)
        return code
    if runs:
        print_line(_sum(runs, held))
        rows = _rows(runs, held)
        blank = {k for k, name in enumerate(HEADER) if name in ("suite", "other") and len({r[k] for r in rows}) == 1}
        kept = [k for k in range(len(HEADER)) if k not in blank]
        print_table([[row[k] for k in kept] for row in rows], [HEADER[k] for k in kept], HEADER[3:])
    for run in runs:
        name = f"{run.variant} on {run.task} seed {run.seed}"
        if run.reason:
            print_line(f"{run.status}: {name}: {run.reason}{_traceback(run)}")
        if held.get(run.path) is not None:
            print_line(f"held: {name}: {held[run.path]}")
    print_jobs(jobs)
    return code


HEADER = ("suite", "algorithm", "task", "seeds", "finished", "other", "env steps")


def _sum(runs: list[Any], held: dict[Any, Any]) -> str:
    """All of them in a line: dmc-hard: 105 runs of 26 algorithms on 7 tasks, 100 finished, 5 running."""
    from dimebench.numbers import count

    suites = ", ".join(dict.fromkeys(run.suite for run in runs))
    statuses = Counter(_status(run, held.get(run.path)) for run in runs)
    variants, tasks = len({run.variant for run in runs}), len({run.task for run in runs})
    parts = [f"{statuses.pop('finished', 0):,} finished", *(f"{n:,} {name}" for name, n in sorted(statuses.items()))]
    of = f"{len(runs):,} run{'s' * (len(runs) > 1)} of {count(variants, 'algorithm')} on {count(tasks, 'task')}"
    return f"{suites}: {of}, {', '.join(parts)}"


def _rows(runs: list[Any], held: dict[Any, Any]) -> list[list[str]]:
    """A line for each cell."""
    from dimebench.config.names import shown_tasks

    cells: dict[tuple[str, str, str], list[Any]] = {}
    for run in runs:
        cells.setdefault((run.suite, run.variant, run.task), []).append(run)
    called = shown_tasks(task for _, _, task in cells)
    return [
        [suite, variant, called[task], *_figures(members, held)] for (suite, variant, task), members in cells.items()
    ]


def _traceback(run: Any) -> str:
    """Where the traceback of a failed run is, if one was kept."""
    from dimebench.store import traceback_of

    file = traceback_of(run.path, run.block, run.reason) if run.status == "failed" else None
    return f" (traceback: {file})" if file is not None else ""


def _figures(members: list[Any], held: dict[Any, Any]) -> list[str]:
    """A cell's seeds, those finished, the others by status, and the env steps that every seed has reached."""
    finished = sum(run.status == "finished" for run in members)
    statuses = [_status(run, held.get(run.path)) for run in members]
    others = sorted({*statuses} - {"finished"})
    other = ", ".join(f"{statuses.count(status)} {status}" for status in others)
    steps = min(run.progress["env_step"] for run in members)
    budget = max(run.identity["of"]["protocol"]["env_steps"] for run in members)
    reached = f"{steps:,}" if steps == budget else f"{steps:,} of {budget:,}"
    return [str(len(members)), str(finished), other, reached]


def _status(run: Any, owner: Any) -> str:
    """As run.json says, but for runs whose process was killed before it could write anything."""
    return "cut off" if run.status == "running" and owner is None else str(run.status)


def _plain(run: Any, owner: Any, job: Any) -> dict[str, Any]:
    holder = None if owner is None else {"host": owner.host, "processes": [pid for pid, _ in owner.processes]}
    return {"path": str(run.path), **run.to_json(), "held_by": holder, **({"job": job.to_json()} if job else {})}
