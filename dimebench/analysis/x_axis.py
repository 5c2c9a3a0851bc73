"""Curves against gradient steps or seconds of training, in place of env steps.

Runs are evaluated at env steps that they share; along another axis those fall at different places. There a run
counts at each place of a shared grid with its latest evaluation at or before it: what was known by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dimebench.analysis.curves import Array, Curve
from dimebench.analysis.errors import NotComparableError
from dimebench.analysis.notes import FloorNotShown
from dimebench.analysis.select import Selection
from dimebench.numbers import AXES, place

MOST_PLACES = 200  # of the shared grid; with fewer evaluations the grid holds every one


def on_axis(chosen: Selection, axis: str, budget: int | None) -> Selection:
    """The selection along `axis`, up to `budget` in its unit, or as far as every compared run got.

    Places are whole: runs that end within their first second are compared at one second, where they have ended.
    Raises NotComparableError where a run got nowhere, or the budget lies beyond one.
    """
    if axis == "env_step":
        return chosen
    last = min(chosen.compared, key=lambda curve: places(curve, axis)[-1])
    reach = float(places(last, axis)[-1])
    if not reach > 0:
        raise NotComparableError(
            f"not comparable: {last.run.variant} on {last.run.task} seed {last.run.seed} has no {AXES[axis]}"
        )
    if budget is not None and budget > reach:
        raise NotComparableError(
            f"not comparable at {place(budget, axis)}: {last.run.variant} on {last.run.task} seed {last.run.seed} "
            f"ends at {place(int(reach), axis)}"
        )
    end = max(1, int(reach)) if budget is None else budget
    cells, floor, notes = dict(chosen.cells), chosen.floor, chosen.notes
    if floor is not None and any(places(curve, axis)[-1] < end for cell in chosen.of(floor) for curve in cell):
        cells = {key: cell for key, cell in cells.items() if key[0] != floor}
        notes = (*notes, FloorNotShown(floor, ends_before=(end, axis, "")))
        floor = None
    every = [curve for cell in cells.values() for curve in cell]
    grid, beyond = _grid(every, axis, end), _beyond(every, axis, end)
    moved = {key: [_moved(curve, axis, grid, beyond) for curve in cell] for key, cell in cells.items()}
    return replace(chosen, cells=moved, floor=floor, notes=notes, env_steps=grid, axis=axis)


def places(curve: Curve, axis: str) -> Array:
    """Where the evaluations of a curve lie along the axis [K]; never falling."""
    found = {"env_step": curve.env_steps, "grad_step": curve.grad_steps, "wall_time": curve.wall_time_s}[axis]
    if len(found) != len(curve.env_steps) or not found:
        return np.zeros(max(1, len(curve.env_steps)))
    return np.maximum.accumulate(np.nan_to_num(np.asarray(found, dtype=np.float64)))


def _grid(compared: Sequence[Curve], axis: str, end: int) -> tuple[int, ...]:
    """Whole places from 0 to the end: every evaluation there is, or `MOST_PLACES` evenly spaced ones."""
    every = {int(np.ceil(place)) for curve in compared for place in places(curve, axis)}
    grid = sorted({0, end, *(place for place in every if place < end)})
    if len(grid) > MOST_PLACES:
        grid = np.unique(np.linspace(0, end, MOST_PLACES + 1).round()).astype(int).tolist()
    return tuple(grid)


def _beyond(compared: Sequence[Curve], axis: str, end: int) -> tuple[int, ...]:
    """Whole places after the end at which some run was evaluated: all, or `MOST_PLACES` of them."""
    found = sorted({int(np.ceil(place)) for curve in compared for place in places(curve, axis) if place > end})
    every = -(-len(found) // MOST_PLACES) or 1
    return tuple(found[::-1][::every][::-1])


def _moved(curve: Curve, axis: str, grid: tuple[int, ...], beyond: tuple[int, ...]) -> Curve:
    """The curve at the places of the grid, each the latest evaluation at or before it (the first one before any).

    So it is at those places beyond the grid that it reaches.
    """
    at = places(curve, axis)
    grid = (*grid, *(place for place in beyond if place <= np.ceil(at[-1])))
    held = np.maximum(np.searchsorted(at, grid, side="right") - 1, 0)
    values = curve.values(curve.env_steps) if curve.env_steps else np.array([curve.run.score["lower"]])
    seconds = np.asarray(curve.wall_time_s or (0.0,))
    diverged_at = None
    if curve.diverged_at is not None:
        lost = [p for p, step in zip(at, curve.env_steps, strict=False) if step >= curve.diverged_at]
        diverged_at = int(np.ceil(lost[0] if lost else at[-1]))
    return replace(
        curve,
        env_steps=grid,
        returns=tuple(values[held].tolist()),
        wall_time_s=tuple(seconds[held].tolist()),
        grad_steps=(),
        diverged_at=diverged_at,
    )
