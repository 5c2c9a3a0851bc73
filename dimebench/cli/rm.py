"""`dimebench rm`: remove runs from a results folder."""

from __future__ import annotations

from typing import Annotated

from dimebench.cli.common import options
from dimebench.cli.common.housekeeping import Asked, as_plain, chosen_cells, confirm, list_runs, tell


def rm(
    words: Annotated[list[str] | None, options.words("Variants, suite=NAME and task=A,B.")] = None,
    seeds: options.SomeSeeds = "",
    dry_run: options.DryRun = False,
    yes: options.Yes = False,
    results: options.Results = options.DEFAULT_RESULTS,
    as_json: options.Json = False,
) -> int:
    """Remove runs that nobody trains, after asking; checkpoints that no other run needs go with them."""
    asked = Asked(dry_run, yes, as_json)
    asked.check()
    cells = chosen_cells(words, seeds, results, "removed")
    plain = as_plain(cells, results=str(results), dry_run=dry_run) if as_json else None
    if plain is None:
        list_runs(cells, results, "would be removed" if dry_run else "to be removed")
    if dry_run or not (yes or confirm("removed")):
        if plain is not None:
            from dimebench.cli.common.output import print_json

            print_json(plain)
        return 0
    from dimebench.store.claims import Watch
    from dimebench.store.housekeeping.removing import remove_runs

    return tell(remove_runs(cells, results, Watch()), plain, f"removed from {results}/")
