"""Ends what a test run has started when the run itself has ended, however it ended: `python watchdog.py TOKEN`.

It waits for the end of its standard input, whose other end the run holds open, and then kills every process with the
token in its environment or on its command line: daemons and jobs inherit it, whatever their parent is by then.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

QUIET_S = 1.0  # without any such process, before the search ends: one may have been about to start another


def marked(token: bytes) -> list[int]:
    """The processes, other than this one, that have the token."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile, or is another user's
            words = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
            if token in words and int(entry.name) != os.getpid():
                found.append(int(entry.name))
    return found


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # meant for the run, which may need a while to end
    token = sys.argv[1].encode()
    sys.stdin.buffer.read()
    quiet_since = time.monotonic()
    while time.monotonic() - quiet_since < QUIET_S:
        for pid in marked(token):
            quiet_since = time.monotonic()
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


if __name__ == "__main__":
    main()
