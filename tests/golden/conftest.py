"""`make golden` prints each case's errors, and fails where GOLDEN names a folder without golden files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from dimebench.agents.parts.paths import gpu_ways
from tests.golden import files
from tests.golden.cases import ERRORS


@pytest.fixture(autouse=True, params=["cpu", "gpu"] if files.DEVICE == "cpu" else [files.DEVICE])
def ways(request: pytest.FixtureRequest) -> Iterator[None]:
    """On a CPU every case is computed in a CPU's way, and once more in a GPU's (`agents.paths`)."""
    with gpu_ways() if request.param == "gpu" else nullcontext():
        yield


def pytest_configure() -> None:
    if os.environ.get("GOLDEN") and not files.there():
        raise pytest.UsageError(f"GOLDEN={os.environ['GOLDEN']}: there is no manifest.json")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not ERRORS:
        return
    terminalreporter.section("errors of the golden cases")
    terminalreporter.write_line(f"{'case':66s} {'largest relative':>16s} {'of limit':>9s}  closest to its limit")
    for test, errors in ERRORS.items():
        relative = max((e.relative for e in errors), default=0.0)
        worst = max(errors, key=lambda e: e.size / e.limit)
        what = f"{worst.what}: {worst.kind} {worst.size:.1e}, limit {worst.limit:.0e}"
        terminalreporter.write_line(f"{test:66s} {relative:16.1e} {worst.size / worst.limit:9.0%}  {what}")
