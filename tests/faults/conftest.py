"""A workplace in which algorithms that misbehave are installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.calls import TINY
from tests.cli.test_full_disk import mounting
from tests.faults.package import install

__all__ = ["mounting"]


def with_package(place: Path) -> dict[str, str]:
    """The environment in which a process finds the package."""
    return {"PYTHONPATH": f"{place / 'site'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites" / "tiny.yaml").write_text(TINY)
    install(tmp_path / "site")
    return tmp_path


@pytest.fixture
def faulty(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The faulty algorithms are there for this process and its workers."""
    monkeypatch.syspath_prepend(place / "site")
    monkeypatch.setenv("PYTHONPATH", with_package(place)["PYTHONPATH"])
    return place / "results"
