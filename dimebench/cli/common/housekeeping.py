"""What `rm` and `mv` share: which runs the words mean, the list of them, the question, and how it ended."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dimebench.cli.common.parsers import parse_seeds, split_words
from dimebench.errors import SOME_FAILED, UsageError
from dimebench.numbers import count

if TYPE_CHECKING:
    from dimebench.store.housekeeping.cells import Cell, Done

TRACKERS = "trackers"  # below the results: what `run --log` has passed on


@dataclass(frozen=True)
class Asked:
    """How a command is to go about it."""

    dry_run: bool
    yes: bool
    as_json: bool

    def check(self) -> None:
        """Raises UsageError for options at odds, and where nobody can be asked."""
        if self.as_json and not (self.dry_run or self.yes):
            raise UsageError("--json: nobody can be asked then: add --dry-run or --yes")
        if not (self.dry_run or self.yes or sys.stdin.isatty()):
            raise UsageError("standard input is no terminal, so nobody can be asked: add --yes, or --dry-run to look")


def chosen_cells(words: list[str] | None, seeds: str, results: Path, what: str) -> list[Cell]:
    """The runs that the words mean, free to be `what`. Raises UsageError, StoreError."""
    tasks = [word.partition("=")[2] for word in words or [] if word.startswith("task=")]
    names, suite = split_words([word for word in words or [] if not word.startswith("task=")], ("suite", "task"))
    if not words and not seeds:
        raise UsageError(f"say which runs are {what}: variants, suite=NAME, task=A,B or --seeds")
    from dimebench.store import StoreError
    from dimebench.store.claims import Watch
    from dimebench.store.housekeeping.cells import cells_of, check_free
    from dimebench.store.housekeeping.choosing import Wanted, choose, find_runs

    numbers = parse_seeds(seeds) if seeds else None
    wanted = Wanted(suite, {name: _folders(name) for name in names}, _split(tasks), numbers)
    found, links = find_runs(results)
    for link in links:
        typer.echo(f"dimebench: {link}: a symbolic link, which is not followed: left alone", err=True)
    try:
        chosen = choose(found, wanted)
    except StoreError as error:
        raise UsageError(f"{results}: {error}") from None
    for each in chosen.left:
        typer.echo(f"dimebench: not read, so left alone unless its variant is named: {each.problem}", err=True)
    cells = cells_of(chosen.runs, found)
    for cell in cells:
        if why := cell.torn_apart():
            raise UsageError(why)
    check_free(chosen.runs, Watch(), what, lambda line: typer.echo(f"dimebench: {line}", err=True))
    _check_queue(results, cells)
    return cells


def _folders(variant: str) -> list[str]:
    """The folders that a variant may have."""
    from dimebench.config import ConfigError, parse_variant
    from dimebench.store.external import folder_name

    try:
        return [parse_variant(variant).slug, folder_name(variant)]
    except ConfigError:
        return [folder_name(variant)]


def _split(tasks: Sequence[str]) -> list[str]:
    names = [name for text in tasks for name in text.split(",")]
    if not all(names):
        raise UsageError("task=: names no task")
    return names


def _check_queue(results: Path, cells: Sequence[Cell]) -> None:
    """Raises UsageError where a job in the queue of a cluster is to train one of the runs."""
    from dimebench.engines.jobs import jobs_beside

    jobs = jobs_beside(results, None, [], [])
    if jobs.problem:
        typer.echo(f"dimebench: whether jobs in a queue are to train them is not known: {jobs.problem}", err=True)
    for each in [each for cell in cells for each in cell.runs]:
        job = jobs.of(each.path)
        if job is not None and job.queued:
            where = "" if str(results) == "results" else f" --results {results}"
            raise UsageError(
                f"{each.name}: job {job.job} in the queue is to train it: dimebench cancel {job.job}{where} first"
            )


def go_ahead(
    asked: Asked, cells: Sequence[Cell], results: Path, what: str, listed: str, **facts: str
) -> tuple[bool, dict[str, Any] | None]:
    """List the runs and ask: whether they are to be `what`; and the list with these facts, where JSON is asked for.

    The JSON is printed here where nothing follows, else by `tell`.
    """
    plain = _plain(cells, results=str(results), **facts, dry_run=asked.dry_run) if asked.as_json else None
    if plain is None:
        _list_runs(cells, results, listed)
    go = not asked.dry_run and (asked.yes or _confirm(what))
    if plain is not None and not go:
        from dimebench.cli.common.output import print_json

        print_json(plain)
    return go, plain


def _list_runs(cells: Sequence[Cell], results: Path, what: str) -> None:
    """A row for each cell, and how much it is on the whole."""
    from dimebench.cli.common.output import print_line, print_table

    rows = []
    for cell in cells:
        first, seeds = cell.runs[0], ", ".join(_spans([each.seed for each in cell.runs]))
        statuses = ", ".join(sorted({each.status for each in cell.runs}))
        rows.append([first.suite, first.variant, first.task, seeds, statuses, size(cell.bytes)])
    print_table(rows, ("suite", "algorithm", "task", "seeds", "status", "on disk"), ("on disk",))
    for each in [each for cell in cells for each in cell.runs if each.run is None]:
        print_line(f"not read: {each.problem}")
    for cell in cells:
        for kept in sorted({each.name for each in cell.checkpoints} - {each.name for each in cell.unneeded}):
            if cell.others:
                print_line(f"{cell.name}: checkpoints/{kept} stays, other seeds need it")
    runs, total = sum(len(cell.runs) for cell in cells), sum(cell.bytes for cell in cells)
    print_line(f"{count(runs, 'run')}, {size(total)} in {results}/ {what}")
    if (results / TRACKERS).is_dir():
        print_line(f"{results / TRACKERS}/ is left as it is")


def _confirm(what: str) -> bool:
    """Ask whether to go on; Enter alone means no."""
    if typer.confirm("go on?", default=False):
        return True
    typer.echo(f"nothing was {what}")
    return False


def _plain(cells: Sequence[Cell], **facts: Any) -> dict[str, Any]:
    """For programs."""
    runs = [
        {
            "path": str(each.path), "suite": each.suite, "variant": each.variant, "task": each.task,
            "seed": each.seed, "status": each.status, "bytes": each.bytes, "problem": each.problem or None,
        }
        for cell in cells
        for each in cell.runs
    ]  # fmt: skip
    return {**facts, "runs": runs, "bytes": sum(cell.bytes for cell in cells)}


def tell(done: Done, plain: dict[str, Any] | None, text: str) -> int:
    """How it ended; the exit code. plain: as JSON."""
    from dimebench.cli.common.output import print_json, print_line

    stayed = [(str(each.path), why) for cell, why in done.stayed for each in cell.runs]
    for cell, why in done.stayed:
        typer.echo(f"dimebench: {cell.name}: left as it was: {why}", err=True)
    if plain is None:
        print_line(f"{count(len(done.gone), 'run')} {text}")
    else:
        gone = [str(each.path) for each in done.gone]
        print_json({**plain, "gone": gone, "stayed": [{"path": path, "why": why} for path, why in stayed]})
    return SOME_FAILED if stayed else 0


def size(number: int) -> str:
    """12.3 MB."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:.0f} {unit}"


def _spans(numbers: Sequence[int]) -> list[str]:
    spans: list[list[int]] = []
    for number in sorted(numbers):
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return [str(first) if first == last else f"{first}-{last}" for first, last in spans]
