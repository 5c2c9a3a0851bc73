"""Runs in TensorBoard or Weights & Biases, while they train and afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dimebench.export.event_files import TensorBoard
from dimebench.export.follower import Follower
from dimebench.export.ledger import Remembering, Sink
from dimebench.export.points import MissingExtraError, RunInUseError, Tracker, TrackerError, scalars_of
from dimebench.export.wandb_runs import WandB
from dimebench.store import Run

__all__ = [
    "TRACKERS",
    "Follower",
    "MissingExtraError",
    "Remembering",
    "RunInUseError",
    "Sink",
    "TensorBoard",
    "Tracker",
    "TrackerError",
    "WandB",
    "export_runs",
    "scalars_of",
    "sink_of",
]

TRACKERS = ("tensorboard", "wandb")


def sink_of(name: str, folder: Path) -> Tracker:
    """The tracker of a name of TRACKERS, writing below `folder`. Raises MissingExtraError."""
    return TensorBoard(folder) if name == "tensorboard" else WandB(folder)


def export_runs(runs: Sequence[Run], tracker: Tracker) -> int:
    """Everything that runs hold, at once. Returns how many points; those that the tracker has are not sent again.

    External runs come with what they have. Raises StoreError, and what `Tracker.show` raises, but RunInUseError only
    after all other runs.
    """
    points, in_use = 0, None
    try:
        for run in runs:
            found = scalars_of(run)
            try:
                tracker.show(run, found)
            except RunInUseError as error:
                in_use = error
            points += len(found)
    finally:
        tracker.close()
    if in_use:
        raise in_use
    return points
