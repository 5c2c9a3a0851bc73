"""`dimebench rm`: remove runs from a results folder."""

from __future__ import annotations

from dimebench.cli.common import options
from dimebench.cli.common.housekeeping import Asked, chosen_cells, go_ahead, tell


def rm(
    words: options.RunWords = None,
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
    go, plain = go_ahead(asked, cells, results, "removed", "would be removed" if dry_run else "to be removed")
    if not go:
        return 0
    from dimebench.store.claims import Watch
    from dimebench.store.housekeeping.removing import remove_runs

    return tell(remove_runs(cells, results, Watch()), plain, f"removed from {results}/")
