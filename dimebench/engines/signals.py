"""The signals that ask to stop: Ctrl-C, and what schedulers send."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def handled_by(handler: Callable[..., Any], numbers: Sequence[signal.Signals] = SIGNALS) -> Iterator[None]:
    """Signals go to `handler` meanwhile. For the main thread."""
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def say_stopping(again: bool) -> None:
    """Say what a first signal does, or another one."""
    hint = "stopping at once" if again else "saving what is in work; Ctrl-C again stops at once"
    print(f"dimebench: {hint}", file=sys.stderr)
