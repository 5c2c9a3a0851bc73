"""`run --log tensorboard,wandb`: a thread beside the training that passes on what the runs' files gain."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dimebench.export.trackers import Follower, sink_of

EVERY_S = 5.0


@contextmanager
def following(
    folders: Sequence[Path], trackers: Sequence[str], place: Path, on_failure: Callable[[str], None]
) -> Iterator[None]:
    """Follow the runs in these folders while the context lasts; `place`: where trackers keep their files.

    A run that cannot be read when the context ends is reported. A tracker that fails is reported once and dropped:
    training must not end for a full disk or a lost network.
    Raises MissingExtraError beforehand.
    """
    followers = [Follower([sink_of(name, place / name)], place / name, lambda: folders) for name in trackers]
    over = threading.Event()

    def attempt(follower: Follower, what: Callable[[], object]) -> None:
        try:
            what()
        except Exception as error:
            followers.remove(follower)
            on_failure(f"logging stopped: {type(error).__name__}: {error}")

    def follow() -> None:
        while followers and not over.wait(EVERY_S):
            for follower in list(followers):
                attempt(follower, follower.look)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        for follower in list(followers):
            attempt(follower, follower.close)
        unread = {path: error for follower in followers for path, error in follower.unread.items()}
        for error in unread.values():
            on_failure(f"not read, so not logged: {error}")
