"""`dimebench export`: tables, figures, raw runs and trackers' files out of a results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_folder
from dimebench.cli.common.parsers import some_of, split_words

TABLES = ("csv", "markdown", "latex")
FORMATS = (*TABLES, "figures", "zip", "tensorboard", "wandb")


def export(
    words: Annotated[
        list[str] | None, options.words("Algorithms or variants (default: all there are), and suite=NAME.")
    ] = None,
    formats: Annotated[str, typer.Option("--format", help=f"Of {', '.join(FORMATS)}.", metavar="A,B")] = "csv",
    budget: options.BudgetOfSteps = None,
    out: Annotated[Path, typer.Option("--out", help="Folder to write into.", metavar="DIR")] = Path("export"),
    results: options.ResultsToRead = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> None:
    """Write per-seed and aggregate tables, figures, the raw runs as a zip, or events for TensorBoard and W&B."""
    chosen = some_of("--format", formats, FORMATS)
    check_folder("--out", out)
    names, suite = split_words(words)
    from dimebench.cli.common.output import print_json

    written: dict[str, Any] = {}
    unread: set[str] = set()
    if {*TABLES, "figures"} & set(chosen):
        written |= _tables_and_figures(results, names, suite, budget, chosen, out, unread)
    if {"zip", "tensorboard", "wandb"} & set(chosen):
        written |= _raw(results, names, suite, chosen, out, unread)
    if as_json:
        print_json(written | {"not_read": sorted(unread)})
        return
    for form, what in written.items():
        typer.echo(f"{form}: {what if isinstance(what, str) else f'{len(what)} files in {Path(what[0]).parent}/'}")


def _tables_and_figures(
    results: Any,
    names: list[str],
    suite: str | None,
    budget: int | None,
    chosen: list[str],
    out: Path,
    unread: set[str],
) -> dict[str, Any]:
    from dimebench.analysis import read_summary
    from dimebench.cli.common.output import tell_unread
    from dimebench.tables.files import write_tables

    found = read_summary(results, names, suite=suite, budget=budget)
    tell_unread(found.unread, unread)
    folder = out / found.suite
    tables = [form for form in chosen if form in TABLES]
    written = {form: [str(path) for path in write_tables(found, folder / "tables", [form])] for form in tables}
    if "figures" in chosen:
        from dimebench.cli.report import say_not_shown
        from dimebench.figures.files import write_figures

        say_not_shown(found)
        written["figures"] = [str(path) for path in write_figures(found, folder / "figures", ["pdf", "svg"])]
    return written


def _raw(
    results: Any, names: list[str], suite: str | None, chosen: list[str], out: Path, unread: set[str]
) -> dict[str, Any]:
    from dimebench.analysis.select import read_chosen, require_left
    from dimebench.cli.common.output import tell_unread
    from dimebench.export.trackers import export_runs, sink_of
    from dimebench.store import StoreError, unreadable

    broken: list[StoreError] = []
    asked = read_chosen(results, suite, names, broken)
    lost = unreadable(asked)
    runs = require_left(asked, lost, {run.variant for run in asked} if names else ())
    problems = [*broken, *lost.values()]
    tell_unread(problems, unread)
    written: dict[str, Any] = {}
    if "zip" in chosen:
        from dimebench.export.archive import write_archive

        path = out / f"{runs[0].suite}.zip"
        files = write_archive(runs, results, path, problems)
        written["zip"] = f"{path}, {len(runs)} runs in {files} files"
    for tracker in [form for form in chosen if form in ("tensorboard", "wandb")]:
        folder = out / tracker
        points = export_runs(runs, sink_of(tracker, folder))
        written[tracker] = f"{folder}, {points} points of {len(runs)} runs"
    return written
