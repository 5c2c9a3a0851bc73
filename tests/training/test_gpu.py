"""The same learners and loop on a CUDA device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dimebench.agents.base import Batch, Dims, Noise
from dimebench.agents.registry import built_in_algorithms, load_algorithm
from dimebench.agents.updates.actor_critic import ActorCritic
from dimebench.store import read_run
from dimebench.training.execution.modes import prepare
from dimebench.training.replay import Replay
from dimebench.training.rng import NoiseBuffer
from tests.agents.learners import LEARNERS, draw, having, make, streams
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
]

DEVICE = "cuda"
CALLS = 48  # 24 on either side of the renormalisation's warm-up: 3 kinds of update, 3 calls before each is captured


class Drawn:
    """What training gives a learner on its device: noise as views into numbers drawn for many calls (`NoiseBuffer`).

    So a seed's numbers lie far from the next seed's, and nothing that is compiled or captured may count on another
    layout. A copy to another device would not keep it.
    """

    def __init__(self, agent: ActorCritic[Any], seeds: list[int]) -> None:
        self._agent, self._batches = agent, streams(seeds)
        self._update = NoiseBuffer(seeds, "update", agent.update_noise, DEVICE)
        self._act = NoiseBuffer(seeds, "act", lambda _: agent.policy_noise(1), DEVICE)

    def update(self) -> tuple[Batch, Noise]:
        """A batch, contiguous as a replay gathers it, and the noise of the agent's next update."""
        batch, _ = draw(self._agent, self._batches)
        noise = self._update.next()
        assert not any(value.is_contiguous() for value in noise.values())
        return Batch(*(getattr(batch, field).to(DEVICE) for field in Batch.__dataclass_fields__)), noise

    def act(self) -> tuple[torch.Tensor, Noise]:
        """An observation of every seed, and the noise of its action."""
        obs = self._batches.normal("act", {"obs": (1, self._agent.dims.obs)})["obs"]
        return obs.to(DEVICE), self._act.next()


@pytest.mark.parametrize("name", LEARNERS)
def test_updates_agree_with_the_cpu(name: str) -> None:
    """From the same parameters, batches and noise; Adam magnifies rounding, so most elements, not all, agree."""
    on_cpu, on_gpu = make(name, [0, 1]), make(name, [0, 1], device=DEVICE)
    drawn = Drawn(on_gpu, [0, 1])
    for _ in range(6):
        batch, noise = drawn.update()
        found = on_gpu.update(batch, noise)
        moved = Batch(*(getattr(batch, field).cpu() for field in Batch.__dataclass_fields__))
        expected = on_cpu.update(moved, {key: value.cpu() for key, value in noise.items()})
        for key in expected:
            torch.testing.assert_close(found[key].cpu(), expected[key], rtol=1e-3, atol=1e-3)
    for network, module in on_cpu.modules.items():
        other = dict(on_gpu.modules[network].named_parameters())
        off = [((p - other[key].cpu()).abs() > 1e-4).flatten() for key, p in module.named_parameters()]
        assert torch.cat(off).float().mean() < 0.02


@pytest.mark.parametrize("algorithm", built_in_algorithms())
def test_a_block_of_seeds_trains_and_resumes(algorithm: str, tmp_path: Path) -> None:
    block = replace(make_block(algorithm), device=DEVICE, seeds=(0, 1, 2))
    assert train(block, tmp_path / "whole") == "finished"
    assert train(block, tmp_path / "cut", stop_after(70)) == "interrupted"
    assert train(block, tmp_path / "cut") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "cut"), outputs(block, tmp_path / "whole"))
    runs = [read_run(block.run_folder(tmp_path / "cut", seed)) for seed in block.seeds]
    assert [run.status for run in runs if run is not None] == ["finished"] * 3


@pytest.mark.parametrize("mode", ["graph", "compile", "compile+graph"])
@pytest.mark.parametrize("name", LEARNERS)
def test_captured_and_compiled_calls_agree_with_eager_ones(name: str, mode: str) -> None:
    """So many that every kind of update, before and after the renormalisation sets in, is replayed several times."""
    eager, other = (make(name, [0, 1], device=DEVICE, **_later(name)) for _ in range(2))
    learner, drawn = prepare(other, DEVICE, mode, "float32"), Drawn(eager, [0, 1])
    for _ in range(CALLS):
        obs, noise = drawn.act()
        torch.testing.assert_close(learner.act(obs, noise), eager.act(obs, noise), rtol=1e-2, atol=1e-2)
        batch, noise = drawn.update()
        expected, found = eager.update(batch, noise), learner.update(batch, noise)
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], rtol=1e-2, atol=1e-2)
    assert other.counts() == eager.counts()


def _later(name: str) -> dict[str, object]:
    """The renormalisation sets in after half of the calls."""
    utd = load_algorithm(name).Settings().utd
    return having(name, renorm_warmup=CALLS // 2 * utd)


@pytest.mark.parametrize("mode", ["graph", "compile+graph"])
@pytest.mark.parametrize("algorithm", ["dime", "sac"])
def test_a_captured_block_resumes_with_the_same_bits(algorithm: str, mode: str, tmp_path: Path) -> None:
    block = replace(make_block(algorithm), device=DEVICE, seeds=(0, 1, 2), mode=mode, precision="tf32", env_workers=2)
    assert train(block, tmp_path / "whole") == "finished"
    assert train(block, tmp_path / "cut", stop_after(70)) == "interrupted"
    assert train(block, tmp_path / "cut") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "cut"), outputs(block, tmp_path / "whole"))


def test_a_replay_in_pinned_memory_gives_the_batches_of_one_on_the_device() -> None:
    dims, source = Dims(7, 3), np.random.default_rng(0)
    replays = [Replay(2, 50, dims, DEVICE, on_host=on_host) for on_host in (False, True)]
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
