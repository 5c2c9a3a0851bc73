"""For all tests: what must happen before any of them is imported, and the seed of a run."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

import pytest

from tests.processes import end_with_this_process

end_with_this_process()  # before anything is started, and before processes of tests inherit this one's environment

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what it puts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)  # so that a Ctrl-C reaches the processes of tests

os.environ.setdefault("DIMEBENCH_BROWSER", "none")  # a browser takes seconds: tests that want one say so

with suppress(ImportError):
    # It configures logging anew, which closes existing handlers: absl's with the stream that pytest captures.
    import submitit  # noqa: F401


def pytest_sessionstart(session: pytest.Session) -> None:
    """Print the seed, which `-q` hides, before a run can be killed. Workers of pytest-xdist have no terminal."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if terminal and (seed := session.config.getoption("randomly_seed", None)) is not None:
        terminal.write_line(f"Tests in random order; the same again with --randomly-seed={seed}")


@pytest.fixture(autouse=True)
def _torch_seed(request: pytest.FixtureRequest) -> None:
    """pytest-randomly seeds `random` and NumPy before each test; torch's generator on the CPU gets the same seed."""
    if torch := sys.modules.get("torch"):
        torch.default_generator.manual_seed(request.config.getoption("randomly_seed", 0))
