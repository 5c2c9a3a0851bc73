"""What a task looks like to a learner, and the errors of this room."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dimebench.errors import DimebenchError, nearest


@dataclass(frozen=True)
class TaskSpec:
    """The shape of a task: everything that a learner needs to know before the first step."""

    name: str  # "dm_control/dog-run"
    obs_dim: int  # O
    act_dim: int  # A; actions are in [-1, 1]
    max_episode_steps: int | None  # env steps (after action repeat) until truncation; None: no limit
    obs_layout: tuple[tuple[str, int], ...]  # (key, size) in stacking order; the sizes add up to obs_dim


class EnvError(DimebenchError):
    """A task cannot be loaded, stepped, saved or restored. The message is one whole line."""

    environment: int | None = None  # the number of the one that failed, where it is one alone


class UnknownTaskError(EnvError):
    """No task has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = list(known)
        super().__init__(f"unknown task {name!r}{nearest(name, self.known, _short)}")


def _short(task: str) -> str:
    """Compared without the library's name: it is a long common prefix that would make everything look near."""
    return task.rpartition("/")[2]
