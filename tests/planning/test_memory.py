"""Memory of a block: held to what learners and replays really keep, and corrected by what earlier runs reached."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dimebench.agents.base import Dims
from dimebench.agents.parts.paths import gpu_ways
from dimebench.agents.registry import load_algorithm
from dimebench.envs import task_spec
from dimebench.planning.learner_bytes import NOTHING, _counted, learner_bytes
from dimebench.planning.memory import (
    CONTEXT,
    _kinds,
    block_memory,
    estimated_memory,
    gpu_fraction,
    measured_memory,
    replay_bytes,
    same_cell,
)
from dimebench.store import RunWriter
from dimebench.training.block import Block
from dimebench.training.replay import Replay
from tests.agents.learners import LEARNERS, make, small
from tests.store.runs import make_run
from tests.training.blocks import make_block

GPU = 10**9


@pytest.mark.parametrize("ways", [nullcontext, gpu_ways], ids=["cpu", "gpu"])
@pytest.mark.parametrize(("name", "seeds"), [*((name, 2) for name in LEARNERS), ("sac", 1)])
def test_counting_without_numbers_finds_what_the_real_update_keeps(name: str, seeds: int, ways: Any) -> None:
    algorithm = load_algorithm(name)
    settings: Any = algorithm.Settings(**(small(name) | {"batch_size": 32}))
    with ways():
        counted = _counted(algorithm, settings, Dims(7, 3), seeds, fake=True)
        assert counted == _counted(algorithm, settings, Dims(7, 3), seeds, fake=False)
    assert counted.peak > counted.state > 0


@pytest.mark.parametrize("name", LEARNERS)
def test_the_state_is_that_of_the_learner_after_an_update(name: str) -> None:
    from tests.agents.learners import DIMS, streams, train

    agent = make(name, [0, 1])
    train(agent, streams([0, 1]), 3)
    counted = _counted(load_algorithm(name), agent.settings, DIMS, 2, fake=True)
    assert counted.state == sum(value.nbytes for value in agent.state_dict().values())


def test_an_algorithm_that_looks_at_its_numbers_is_counted_on_a_real_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    sac: Any = load_algorithm("sac")
    update = sac.update

    def look(self: Any, batch: Any, noise: Any) -> Any:
        if bool((batch.reward.nonzero().sum() > 0).item()) or len(batch.reward.nonzero()):
            raise AssertionError
        return update(self, batch, noise)

    plain = learner_bytes(gpu_block("sac", seeds=(0, 1), batch_size=7), Dims(5, 3))
    monkeypatch.setattr(sac, "update", look)
    looking = learner_bytes(gpu_block("sac", seeds=(0, 1), batch_size=8), Dims(5, 3))
    assert looking.state == pytest.approx(plain.state, rel=0.01)  # what seeds share is counted for each
    assert looking.peak > plain.state


def gpu_block(algorithm: str, **changes: Any) -> Block:
    settings = {key: changes.pop(key) for key in ("batch_size", "replay_capacity") if key in changes}
    block = make_block(algorithm, **changes)
    return replace(block, device="cuda", settings=block.settings | settings)


def test_the_replays_bytes_are_those_that_it_allocates() -> None:
    block = make_block("sac", seeds=(0, 1, 2))
    block = replace(block, settings=block.settings | {"replay_capacity": 4000})
    block = replace(block, protocol=replace(block.protocol, env_steps=10_000))
    spec = task_spec(block.task, block.protocol.action_repeat)
    replay = Replay(3, 4000, Dims(spec.obs_dim, spec.act_dim), "cpu")
    assert spec.max_episode_steps is not None
    obs, action, one = np.zeros((3, spec.obs_dim)), np.zeros((3, spec.act_dim)), np.zeros(3)
    for env_step in range(1, 5000):
        replay.add(obs, action, one, obs, one, np.full(3, env_step % spec.max_episode_steps == 0))
    held = [replay.obs, replay.action, replay.reward, replay.terminated, replay.end_slot, replay.ends]
    allocated = sum(value.nbytes for value in held)
    assert allocated <= replay_bytes(block, spec) < 1.1 * allocated
    assert replay_bytes(make_block("random"), spec) == 0


def test_more_seeds_need_more_and_what_learns_nothing_has_no_learner() -> None:
    one, ten = (estimated_memory(gpu_block("sac", seeds=tuple(range(n)))) for n in (1, 10))
    assert ten.device > one.device > CONTEXT
    assert ten.host > one.host
    assert estimated_memory(gpu_block("random")).device == CONTEXT
    assert learner_bytes(make_block("random"), Dims(3, 1)) == NOTHING
    assert estimated_memory(make_block("sac")).device == 0


def test_a_replay_that_does_not_fit_on_the_gpu_is_the_hosts() -> None:
    block = gpu_block("sac", replay_capacity=10**8)
    block = replace(block, protocol=replace(block.protocol, env_steps=10**8))
    large, small = estimated_memory(block, 10**12), estimated_memory(block, GPU)
    assert large.device - small.device == small.host - large.host > GPU


def test_a_fraction_is_of_one_gpu() -> None:
    block = gpu_block("sac", seeds=(0, 1))
    needed = block_memory(block).device
    assert gpu_fraction(block, 2 * needed) == pytest.approx(0.5, abs=0.011)
    assert gpu_fraction(block, 2 * needed) * 2 * needed >= needed
    assert gpu_fraction(block, needed // 2) == 1.0
    assert gpu_fraction(block, 10**15) == 0.01


def earlier(block: Block, results: Path, **provenance: Any) -> None:
    """A finished run of the block's work, with what it reached."""
    run = make_run(results, block.variant, seed=block.seeds[0])
    run = replace(
        run,
        path=results / "pilot" / Path(block.cell).relative_to(block.suite) / f"seed-{block.seeds[0]:03d}",
        suite="pilot",
        task=block.task,
        identity={"sha256": "ab" * 32, "of": block.identity()},
        provenance={"seeds_together": list(block.seeds)} | provenance,
    )
    RunWriter(run).write()


def test_what_earlier_runs_reached_counts_more_than_the_estimate(tmp_path: Path) -> None:
    block = gpu_block("sac", seeds=(0, 1))
    estimate = estimated_memory(block)
    assert block_memory(block, tmp_path) == estimate
    earlier(block, tmp_path, peak_memory_bytes=5_000, peak_host_memory_bytes=9_000)
    earlier(replace(block, seeds=(7, 8)), tmp_path, peak_memory_bytes=6_000, peak_host_memory_bytes=8_000)
    found = block_memory(block, tmp_path)
    assert (found.device, found.host, found.source) == (6_000 + CONTEXT, 9_000, "earlier runs")
    more = replace(block, seeds=tuple(range(8)))
    scaled = block_memory(more, tmp_path)
    assert scaled.device == pytest.approx(found.device * estimated_memory(more).device / estimate.device, rel=1e-6)
    assert scaled.device > found.device


def test_runs_of_other_work_say_nothing(tmp_path: Path) -> None:
    block = gpu_block("sac", seeds=(0, 1))
    earlier(replace(block, precision="bf16"), tmp_path, peak_memory_bytes=5_000)
    earlier(replace(block, seeds=(3,), settings=block.settings | {"batch_size": 99}), tmp_path, peak_memory_bytes=5)
    earlier(replace(block, seeds=(4,)), tmp_path, peak_memory_bytes="a lot")
    earlier(replace(block, seeds=(5,)), tmp_path)
    (tmp_path / "pilot" / "sac" / block.task / "seed-006").mkdir()
    (tmp_path / "pilot" / "sac" / block.task / "seed-006" / "run.json").write_text("{")
    assert [run.seed for run in same_cell(block, tmp_path)] == [4, 5]
    estimate = estimated_memory(block)
    assert measured_memory(block, estimate, same_cell(block, tmp_path)) == estimate


@pytest.mark.parametrize(("utd", "delay", "kinds"), [(1, 1, 1), (1, 3, 2), (2, 3, 3), (4, 2, 1)])
def test_update_calls_are_of_as_many_kinds_as_there_are_places_of_the_actors_update(
    utd: int, delay: int, kinds: int
) -> None:
    block = make_block("sac")
    block = replace(block, settings=block.settings | {"utd": utd, "policy_delay": delay})
    assert _kinds(block) == kinds
    graph, eager = (estimated_memory(replace(block, mode=mode)).host for mode in ("graph", "eager"))
    assert graph > eager
