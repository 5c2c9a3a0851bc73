"""Learners and whole blocks with the fused chain on a CUDA device."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dimebench.agents.base import Batch
from dimebench.training.execution.modes import prepare
from tests.agents.learners import draw, make, streams
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed"),
]


@pytest.mark.parametrize("mode", ["eager", "graph", "compile+graph"])
def test_updates_with_the_fused_chain_agree_with_plain_ones(mode: str) -> None:
    plain, fused = (make("dime", [0, 1], device="cuda") for _ in range(2))
    learner, source = prepare(fused, "cuda", mode, "float32", "fused"), streams([0, 1])
    for _ in range(20):
        batch, noise = draw(plain, source)
        moved = Batch(*(getattr(batch, field).cuda() for field in Batch.__dataclass_fields__))
        noise = {key: value.cuda() for key, value in noise.items()}
        expected, found = plain.update(moved, noise), learner.update(moved, noise)
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], rtol=1e-2, atol=1e-2)
    assert fused.counts() == plain.counts()


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_block_with_the_fused_chain_repeats_and_resumes(precision: str, tmp_path: Path) -> None:
    block = make_block("dime")
    block = replace(block, device="cuda", seeds=(0, 1, 2), mode="compile+graph", precision=precision, chain="fused")
    assert train(block, tmp_path / "whole") == "finished"
    assert train(block, tmp_path / "again") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "again"), outputs(block, tmp_path / "whole"))
    assert train(block, tmp_path / "cut", stop_after(40)) == "interrupted"
    assert train(block, tmp_path / "cut") == "finished"
