"""Parts of a campaign that go wrong, one way each, for `test_gpu_campaign.py`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.parts.pytests import watch
from benchmarks.gpu.session import Case, Session

FOREVER = 600.0


def run(session: Session) -> None:
    {
        "well": _well,
        "raises": _raises,
        "dies": _dies,
        "hangs": _hangs,
        "many": _many,
        "outside": _outside,
        "tests": _tests,
    }[session.orders.part](session)


def _well(session: Session) -> None:
    session.do("fine", _fine)


def _raises(session: Session) -> None:
    session.do("one", _fine)
    session.do("bad", _bad)
    session.do("unmet", _unmet)
    session.do("two", _fine)


def _dies(session: Session) -> None:
    """The process is gone in the middle of a case."""
    session.do("before", _fine)
    session.do("gone", lambda case: os._exit(11))
    session.do("after", _fine)


def _hangs(session: Session) -> None:
    session.do("before", _fine)
    session.do("endless", _endless, session)


def _many(session: Session) -> None:
    """More cases than there is time for."""
    for number in range(100):
        session.do(f"case {number}", lambda case: time.sleep(0.5))


def _outside(session: Session) -> None:
    session.do("before", _fine)
    raise ValueError("not in a case")


TESTS = """
import pytest
def test_good(): pass
def test_bad(): assert 1 + 1 == 3
@pytest.mark.skip(reason="not here")
def test_elsewhere(): pass
"""


def _tests(session: Session) -> None:
    """pytest, with a test that fails."""
    file = session.scratch / "test_three.py"
    file.write_text(TESTS)
    watch(session, [str(file)])


def _fine(case: Case) -> None:
    case.values |= {"answer": 42, "not finite": float("nan")}


def _bad(case: Case) -> None:
    case.values["seen"] = 1
    raise RuntimeError("two lines\nof words")


def _unmet(case: Case) -> None:
    case.check("water is dry", False)


def _endless(case: Case, session: Session) -> None:
    """Ignores that it is asked to end, and has a child that would outlive it."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({FOREVER})"])
    Path(session.orders.out, "child").write_text(str(child.pid))
    import signal

    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(FOREVER)
