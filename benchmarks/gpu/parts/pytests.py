"""Tests on the device: the golden numbers, and those marked `gpu`; each that fails is a result of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.session import Session
from dimebench.cores import usable_cores

ROOT = Path(__file__).resolve().parents[3]
PROCESSES = 6  # side by side, where there are twice as many cores
FOR_ONE_TEST = 10.0  # seconds: with less left no other test is begun


def run(session: Session) -> None:
    if session.orders.part == "golden":
        os.environ["GOLDEN_DEVICE"] = session.device
        if os.environ.get("GOLDEN"):
            os.environ["GOLDEN"] = str(Path(session.options["here"], os.environ["GOLDEN"]).resolve())
        arguments = ["tests/golden", "-m", "not slow"]
    else:
        marked = [path for path in sorted((ROOT / "tests").rglob("test_*.py")) if "mark.gpu" in path.read_text()]
        arguments = [*(str(path.relative_to(ROOT)) for path in marked), "-m", "gpu", *_side_by_side()]
    watch(session, arguments)


def watch(session: Session, arguments: Sequence[str]) -> None:
    """Run pytest here, record what it finds as it finds it, and stop in time."""
    found = _Watcher(session)
    code = pytest.main([*arguments, "-vv", "-rs", "-p", "no:cacheprovider", f"--rootdir={ROOT}"], plugins=[found])
    status, note = "ok", found.reason
    if found.stopped:
        note = f"stopped for want of time after {found.count()} of {found.collected} tests"
        status = "left out"
    elif code == pytest.ExitCode.TESTS_FAILED:
        status = "failed"
    elif code == pytest.ExitCode.NO_TESTS_COLLECTED or (code == 0 and not found.counts["passed"]):
        status = "skipped"
    elif code != 0:
        status, note = "error", f"pytest ended with {code!s}"
    status = "failed" if found.counts["failed"] else status
    session.record(session.orders.part, status, values=found.counts, note=note)


class _Watcher:
    """A pytest plugin: counts, records failures, ends the session when its time is up."""

    def __init__(self, session: Session) -> None:
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.stopped, self.reason, self.collected = False, "", 0
        self._session = session

    def count(self) -> int:
        return sum(self.counts.values())

    def pytest_collection_finish(self, session: Any) -> None:
        self.collected = len(session.items)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self._failed(report.nodeid, str(report.longrepr))

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.skipped and report.when in ("setup", "call"):
            self.counts["skipped"] += 1
            self.reason = self.reason or str(report.longrepr[-1] if report.longrepr else "")
        elif report.failed:
            self._failed(report.nodeid, report.longreprtext)
        elif report.when == "call":
            self.counts["passed"] += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        if self._session.left() < FOR_ONE_TEST and self.count() < self.collected and self._pytest is not None:
            self.stopped = True
            self._pytest.shouldstop = "no time is left"

    def pytest_sessionstart(self, session: Any) -> None:
        self._pytest: Any = session

    def _failed(self, test: str, text: str) -> None:
        self.counts["failed"] += 1
        kept = self._session.file.traceback(f"{self._session.orders.part} {test}", text)
        lines = [line[2:].strip() for line in text.splitlines() if line.startswith("E ")]
        error = next(iter(lines), text.strip().splitlines()[-1] if text.strip() else "failed")
        self._session.record(test, "failed", error=error[:300], traceback=kept)


def _side_by_side() -> list[str]:
    cores = usable_cores()
    return ["-n", str(PROCESSES)] if find_spec("xdist") and cores >= 2 * PROCESSES else []
