"""The same learners and loop on a CUDA device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dimebench.agents.base import Batch
from dimebench.store import read_run
from tests.agents.learners import LEARNERS, draw, make, streams
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]


@pytest.mark.parametrize("name", LEARNERS)
def test_updates_agree_with_the_cpu(name: str) -> None:
    """From the same parameters, batches and noise; Adam magnifies rounding, so most elements, not all, agree."""
    on_cpu, on_gpu = make(name, [0, 1]), make(name, [0, 1], device="cuda")
    source = streams([0, 1])
    for _ in range(6):
        batch, noise = draw(on_cpu, source)
        expected = on_cpu.update(batch, noise)
        moved = Batch(*(getattr(batch, field).cuda() for field in Batch.__dataclass_fields__))
        found = on_gpu.update(moved, {key: value.cuda() for key, value in noise.items()})
        for key in expected:
            torch.testing.assert_close(found[key].cpu(), expected[key], rtol=1e-3, atol=1e-3)
    for key, arena in on_cpu.arenas.items():
        off = (arena - on_gpu.arenas[key].cpu()).abs() > 1e-4
        assert off.float().mean() < 0.02


@pytest.mark.parametrize("algorithm", ["dime", "dime-gaussian", "crossq", "sac", "random"])
def test_a_block_of_seeds_trains_and_resumes(algorithm: str, tmp_path: Path) -> None:
    block = replace(make_block(algorithm), device="cuda", seeds=(0, 1, 2))
    assert train(block, tmp_path / "whole") == "finished"
    assert train(block, tmp_path / "cut", stop_after(70)) == "interrupted"
    assert train(block, tmp_path / "cut") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "cut"), outputs(block, tmp_path / "whole"))
    runs = [read_run(block.run_folder(tmp_path / "cut", seed)) for seed in block.seeds]
    assert [run.status for run in runs if run is not None] == ["finished"] * 3
