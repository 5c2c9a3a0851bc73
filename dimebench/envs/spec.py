"""What a task looks like to a learner, and the errors of this room."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class TaskSpec:
    """The shape of a task: everything that a learner needs to know before the first step."""

    name: str  # "dm_control/dog-run"
    obs_dim: int  # O
    act_dim: int  # A; actions are in [-1, 1]
    max_episode_steps: int | None  # env steps (after action repeat) until truncation; None: no limit
    obs_layout: tuple[tuple[str, int], ...]  # (key, size) in stacking order; the sizes add up to obs_dim


class EnvError(Exception):
    """A task cannot be loaded, stepped, saved or restored. The message is one whole line."""

    environment: int | None = None  # which one of a block, where it is one alone


class UnknownTaskError(EnvError):
    """No task has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        self.known = list(known)
        super().__init__(f"unknown task {name!r} ({_hint(name, self.known)})")


def one_line(error: BaseException) -> str:
    """The first line of an exception's message without its full stop, or its type when it has none."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _hint(name: str, known: list[str]) -> str:
    # Compared without the library's name: it is a long common prefix that would make everything look near.
    full = {task.partition("/")[2]: task for task in known}
    nearest = difflib.get_close_matches(name.rpartition("/")[2], full, n=3)
    if nearest:
        return "nearest: " + ", ".join(full[short] for short in nearest)
    return "known: " + ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
