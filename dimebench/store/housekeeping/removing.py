"""Runs leave a results folder: each at once, and never while somebody trains it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dimebench.store.claims import Watch
from dimebench.store.housekeeping.cells import CHECKPOINTS, Cell, Done, each_cell, holding
from dimebench.store.housekeeping.trees import discard, remove_empty, sweep


def remove_runs(cells: Sequence[Cell], results: Path, watch: Watch) -> Done:
    """Remove the runs of these cells, checkpoints that no other run needs, and folders that are empty then.

    A kill in between leaves each run whole or gone, but for its checkpoints, which go first: training would resume
    from what is left of them without the evaluations before.
    """

    def remove(cell: Cell) -> None:
        with holding(cell.runs, watch):
            discard(results, [*cell.unneeded, *(each.path for each in cell.runs)])
        remove_empty(cell.folder / CHECKPOINTS, results)
        remove_empty(cell.folder, results)

    sweep(results)
    return each_cell(cells, remove)
