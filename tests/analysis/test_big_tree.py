"""The tree that benchmarks/big_tree.py times is one that can be read, compared and reported."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from dimebench.analysis import read_summary
from dimebench.page.html import page


def test_a_small_one_is_read_compared_and_reported(tmp_path: Path) -> None:
    file = Path(__file__).parents[2] / "benchmarks" / "big_tree.py"
    spec = importlib.util.spec_from_file_location("big_tree", file)
    assert spec is not None
    assert spec.loader is not None
    big_tree = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(big_tree)
    big_tree.TASKS, big_tree.SEEDS = 2, 3
    assert big_tree.make(tmp_path, 12) == 12
    found = read_summary(tmp_path, resamples=200)
    assert found.budget == 1_000_000
    assert found.variants == ("algo-01", "algo-00")
    assert "algo-01" in page(found)
