"""For all tests: what must have happened before any of them is imported."""

from __future__ import annotations

import signal
from contextlib import suppress

from tests.processes import end_with_this_process

end_with_this_process()  # before anything is started, and before processes of tests inherit this one's environment

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it puts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # so that a Ctrl-C reaches the processes of tests

with suppress(ImportError):
    # It sets up logging anew, which closes the handlers that there are: absl's with the stream that pytest captures.
    import submitit  # noqa: F401
