"""Ctrl-C, and what a scheduler sends, before and after there is something to save."""

from __future__ import annotations

import os
import signal

from dimebench.engines.signals import SIGNALS
from dimebench.errors import INTERRUPTED


def leave_on_signals() -> None:
    """Until there is something to save or to tidy up, Ctrl-C and what a scheduler sends end the command at once.

    Not by an exception: raised within the import of a library, it comes out as anything, or not at all.
    """
    for number in SIGNALS:
        if signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL):
            signal.signal(number, _leave)


def interrupt_on_signals() -> None:
    """From here on they raise KeyboardInterrupt where nothing else handles them."""
    for number in SIGNALS:
        if signal.getsignal(number) is _leave:
            signal.signal(number, _interrupt)


def _leave(*_: object) -> None:
    os.write(2, b"dimebench: interrupted\n")
    os._exit(INTERRUPTED)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
