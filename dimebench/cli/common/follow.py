"""`run --log tensorboard,wandb`: a thread beside the training that passes on what the runs' files gain."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dimebench.errors import UsageError

if TYPE_CHECKING:
    from dimebench.planning.cells import Plan

EVERY_S = 5.0


def trackers_of(text: str) -> list[str]:
    """The trackers of `--log A,B`. Raises UsageError."""
    from dimebench.errors import nearest
    from dimebench.export.trackers import TRACKERS

    names = [name for name in text.split(",") if name]
    for name in names:
        if name not in TRACKERS:
            raise UsageError(f"--log {text}: unknown tracker '{name}'{nearest(name, TRACKERS)}")
    return names


@contextmanager
def following(plan: Plan, trackers: list[str]) -> Iterator[None]:
    """Follow the plan's runs while the block lasts; nothing happens without trackers.

    A tracker that fails is told once and left; the training goes on. Raises MissingExtraError beforehand.
    """
    if not trackers:
        yield
        return
    from dimebench.export.trackers import Follower, sink_of

    folder = plan.results / "trackers"
    folders = [block.run_folder(plan.results, seed) for _, block in plan.blocks() for seed in block.seeds]
    followers = [Follower([sink_of(name, folder / name)], folder / name, lambda: folders) for name in trackers]
    over = threading.Event()

    def follow() -> None:
        while followers and not over.wait(EVERY_S):
            for follower in list(followers):
                try:
                    follower.look()
                except Exception as error:  # a full disk, no network: training must not end for it
                    followers.remove(follower)
                    print(f"dimebench: logging stopped: {type(error).__name__}: {error}", file=sys.stderr)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for follower in followers:
            try:
                follower.close()
            except Exception as error:
                print(f"dimebench: logging stopped: {type(error).__name__}: {error}", file=sys.stderr)
