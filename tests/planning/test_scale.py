"""Many cells on many workers that fail at random: `benchmarks/scale.py workers` in a small form, and in full."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from dimebench.store.claims import Claim


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    file = Path(__file__).parents[2] / "benchmarks" / "scale.py"
    spec = importlib.util.spec_from_file_location("scale", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["scale"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


def fragile(scale: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers that fail often, and look at many cells of others."""
    monkeypatch.setattr(scale, "LIFE_S", 150.0)
    monkeypatch.setattr(scale, "SHARE_FROZEN", 0.6)


def test_no_cell_is_lost_or_done_twice_when_workers_die_or_freeze(
    scale: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fragile(scale, monkeypatch)
    ledger, problems, _ = scale.simulate(60, 24, tmp_path, seed=1)
    assert problems == []
    assert sum(ledger.finished.values()) == 60
    for what in ("deaths", "freezes", "claims lost", "resumes"):
        assert ledger.counts[what] > 0, f"the simulation must meet {what}"


def test_the_simulation_finds_claims_that_do_not_hold(
    scale: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a beat that does not look whether the claim still counts, those who wake up write on."""
    fragile(scale, monkeypatch)
    monkeypatch.setattr(Claim, "_check", lambda claim: None)
    monkeypatch.setattr(Claim, "_write", lambda claim, free: None if not claim.path.exists() else write(claim, free))
    _, problems, _ = scale.simulate(60, 24, tmp_path, seed=1)
    assert problems


def write(claim: Claim, free: bool) -> None:
    claim.path.write_bytes(claim._content(free))


def test_status_of_a_small_tree_is_measured(
    scale: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["scale.py", "status", "--runs", "20", "--folder", str(tmp_path)])
    assert scale.main() == 0
    assert "20 runs, status: " in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_ten_thousand_cells_on_a_thousand_workers(scale: ModuleType, tmp_path: Path) -> None:
    memory = Path("/dev/shm")  # where there is one: what is flushed to a disk takes long, and is not in question
    folder = memory / f"dimebench-scale-{os.getpid()}" if memory.is_dir() else tmp_path
    try:
        ledger, problems, _ = scale.simulate(10_000, 1_000, folder)
    finally:
        if folder is not tmp_path:
            scale.shutil.rmtree(folder, ignore_errors=True)
    assert problems == []
    assert sum(ledger.finished.values()) == 10_000
    assert ledger.counts["claims lost"] > 0
