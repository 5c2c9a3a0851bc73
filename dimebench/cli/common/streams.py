"""Standard output and error: whoever reads them, or does not, never ends a command with an internal error.

A reader that has seen enough (`| head`) ends a command quietly, as it ends others. Training goes on without one.
"""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO, cast

from dimebench.errors import READER_GONE

NAMES = {1: "standard output", 2: "standard error"}


class _Raw(io.FileIO):
    """One of the two; `keep_going`: what cannot be written is lost, and the command goes on."""

    def __init__(self, number: int, keep_going: bool) -> None:
        super().__init__(number, "w", closefd=False)
        self.keep_going = keep_going

    def write(self, data: Any, /) -> Any:
        """Raises SystemExit where nobody reads any more, else (a full disk) OSError, which names the stream."""
        if not memoryview(data).nbytes:
            return 0  # Typer asks so whether bytes can be written, and takes any error for a no
        try:
            return super().write(data)
        except OSError as error:
            number, gone = self.fileno(), isinstance(error, BrokenPipeError)
            _discard(number)  # what is still in buffers too
            if self.keep_going:
                if number == 1:
                    why = "nobody reads the output any more" if gone else f"{NAMES[1]}: {error.strerror}"
                    print(f"dimebench: {why}; training goes on", file=sys.stderr)
                return memoryview(data).nbytes
            if gone:
                sys.exit(READER_GONE)
            error.filename = NAMES[number]
            raise


def guard() -> None:
    """Make the two streams safe. Where they are closed, or not this process's own (in a test), nothing is done."""
    for number in (0, 1, 2):  # else the next file that is opened would take a closed stream's place
        try:
            os.fstat(number)
        except OSError:
            _open_devnull()
    sys.stdout = _guarded(sys.stdout, 1, keep_going=False)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (`print` to None would write to standard output)
    sys.stderr = _guarded(sys.stderr, 2, keep_going=True)


def keep_going() -> None:
    """From here on the command does not end when its output cannot be written: for one that trains."""
    raw = _raw_of(sys.stdout)
    if isinstance(raw, _Raw):
        raw.keep_going = True


def finish() -> None:
    """Write what is still in buffers. Raises as writing does."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def _guarded(stream: TextIO, number: int, keep_going: bool) -> TextIO:
    """The same stream over a guarded file; a character that its encoding lacks is written as an escape."""
    if not isinstance(stream, io.TextIOWrapper) or isinstance(_raw_of(stream), _Raw):
        return stream
    try:
        if stream.fileno() != number:
            return stream
    except (OSError, ValueError):
        return stream
    stream.flush()
    raw = _Raw(number, keep_going)
    # As Python does: with PYTHONUNBUFFERED nothing is kept back.
    buffer = cast(io.BufferedWriter, raw) if stream.write_through else io.BufferedWriter(raw)
    lines = number == 2 or stream.line_buffering
    return io.TextIOWrapper(
        buffer, stream.encoding, "backslashreplace", line_buffering=lines, write_through=stream.write_through
    )


def _raw_of(stream: object) -> object:
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def _discard(number: int) -> None:
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, number)
    os.close(silent)


def _open_devnull() -> None:
    """The lowest free number is the closed stream's. Its text object stays None: nothing is written there."""
    os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
