"""The same learners and loop on a CUDA device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dimebench.agents.base import Batch, Dims
from dimebench.store import read_run
from dimebench.training.execution import prepare
from dimebench.training.replay import Replay
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


@pytest.mark.parametrize("mode", ["graph", "compile+graph"])
@pytest.mark.parametrize("name", LEARNERS)
def test_captured_updates_agree_with_eager_ones(name: str, mode: str) -> None:
    eager, other = (make(name, [0, 1], device="cuda") for _ in range(2))
    learner, source = prepare(other, "cuda", mode, "float32"), streams([0, 1])
    for _ in range(20):
        batch, noise = draw(eager, source)
        moved = Batch(*(getattr(batch, field).cuda() for field in Batch.__dataclass_fields__))
        noise = {key: value.cuda() for key, value in noise.items()}
        expected, found = eager.update(moved, noise), learner.update(moved, noise)
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], rtol=1e-2, atol=1e-2)
    assert other.counts() == eager.counts()


@pytest.mark.parametrize("mode", ["graph", "compile+graph"])
@pytest.mark.parametrize("algorithm", ["dime", "sac"])
def test_a_captured_block_repeats_and_resumes(algorithm: str, mode: str, tmp_path: Path) -> None:
    block = replace(make_block(algorithm), device="cuda", seeds=(0, 1, 2), mode=mode, precision="tf32", env_workers=2)
    assert train(block, tmp_path / "whole") == "finished"
    assert train(block, tmp_path / "again") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "again"), outputs(block, tmp_path / "whole"))


def test_a_replay_in_pinned_memory_gives_the_batches_of_one_on_the_device() -> None:
    dims, source = Dims(7, 3), np.random.default_rng(0)
    replays = [Replay(2, 50, dims, "cuda", on_host=on_host) for on_host in (False, True)]
    for _ in range(80):
        obs, after = (source.standard_normal((2, 7)).astype(np.float32) for _ in range(2))
        action, reward = source.standard_normal((2, 3)).astype(np.float32), source.random(2, np.float32)
        ended = source.random(2) < 0.2
        for replay in replays:
            replay.add(obs, action, reward, after, ended, ended)
        indices = torch.randint(len(replays[0]), (2, 16))
        one, other = (replay.sample(indices) for replay in replays)
        for field in Batch.__dataclass_fields__:
            assert torch.equal(getattr(one, field), getattr(other, field)), field
