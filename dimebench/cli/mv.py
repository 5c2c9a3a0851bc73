"""`dimebench mv`: move runs to another results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_folder, check_writable
from dimebench.cli.common.housekeeping import Asked, chosen_cells, go_ahead, tell
from dimebench.errors import UsageError


def mv(
    words: options.RunWords = None,
    to: Annotated[
        Path | None, options.option("The other results folder.", "DIR", "--to", parser=options.folder_of("--to"))
    ] = None,
    seeds: options.SomeSeeds = "",
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> int:
    """Move runs that nobody trains to another results folder, after asking; nothing there is overwritten."""
    asked = Asked(dry_run, yes, as_json)
    asked.check()
    if to is None:
        raise UsageError("--to DIR: say which results folder the runs move to")
    _check_apart(results, to)
    cells = chosen_cells(words, seeds, results, "moved")
    from dimebench.store.claims import Watch
    from dimebench.store.housekeeping.moving import check_movable, move_runs

    check_movable(cells, results, to)
    listed = f"{'would move' if dry_run else 'to be moved'} to {to}/"
    go, plain = go_ahead(asked, cells, results, "moved", listed, to=str(to))
    if not go:
        return 0
    return tell(move_runs(cells, results, to, Watch()), plain, f"moved from {results}/ to {to}/")


def _check_apart(results: Path, to: Path) -> None:
    """Raises UsageError where the other folder cannot take the runs."""
    check_folder("--to", to)
    check_writable("--to", to)
    here, there = results.resolve(), to.resolve()
    if here == there:
        raise UsageError(f"--to {to}: is the results folder itself")
    if here in there.parents or there in here.parents:
        raise UsageError(f"--to {to}: one of the two results folders lies in the other")
