"""A block is parted: every seed goes on from its own share of the checkpoint, to the numbers it would have had."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dimebench.agents.base import Agent, Dims
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.unstacked import UnstackedSeeds
from dimebench.store import read_run
from dimebench.training.block import Block
from dimebench.training.checkpoint import CheckpointError
from dimebench.training.rng import generator
from dimebench.training.split import pick_chunk, pick_state, split_block
from tests.agents.learners import DIMS, LEARNERS, PURPOSES, draw_of, having, small, streams
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train

PARTS = [((2, 9), (5,)), ((2,), (5,), (9,))]


@pytest.mark.parametrize(("name", "parts"), [("sac", PARTS[1]), *((name, PARTS[0]) for name in LEARNERS)], ids=str)
def test_the_parts_of_a_block_go_on_where_it_stood(
    name: str, parts: tuple[tuple[int, ...], ...], tmp_path: Path
) -> None:
    block = make_block(name, seeds=(2, 5, 9))
    asked: list[int] = []
    train(block, tmp_path / "whole", lambda: bool(asked.append(0)))  # type: ignore[func-returns-value]
    assert train(block, tmp_path / "cut", stop_after(95)) == "interrupted"
    made = split_block(block, tmp_path / "cut", parts, "out of memory on the device")
    assert not block.checkpoint_folder(tmp_path / "cut").exists()
    for part in made:
        run = read_run(part.run_folder(tmp_path / "cut", part.seeds[0]))
        assert run is not None
        assert run.progress["env_step"] > 12, "learning had begun"
        assert run.block == part.name
        assert run.provenance["seeds_together"] == list(part.seeds)
        assert run.provenance["events"][-1]["what"].startswith("out of memory on the device; goes on with ")
        began: list[int] = []
        assert train(part, tmp_path / "cut", lambda began=began: bool(began.append(0))) == "finished"  # type: ignore
        assert len(began) <= len(asked) - 60, "from its checkpoint, not from the start"
    expected = outputs(block, tmp_path / "whole")
    whole = {key: torch.from_numpy(value) for key, value in expected["final"].items()}
    replay = {key.removeprefix("replay."): whole.pop(key) for key in list(whole) if key.startswith("replay.")}
    for part in made:
        which = [block.seeds.index(seed) for seed in part.seeds]
        chunk = pick_chunk(replay, which)
        share = pick_state(block, whole, which) | {f"replay.{key}": value for key, value in chunk.items()}
        found = outputs(part, tmp_path / "cut")
        found.pop("policy")
        assert_same_outputs(
            found,
            {key: expected[key] for key in found} | {"final": {key: value.numpy() for key, value in share.items()}},
        )


def alike_sizes(name: str, size: int) -> tuple[Dims, dict[str, object]]:
    """A learner all of whose sizes are the same: a tensor's shape says nothing of what its axes are."""
    widths = dict.fromkeys(("score_hidden", "actor_hidden", "critic_hidden"), (size, size))
    sizes = dict.fromkeys(("diffusion_steps", "atoms", "time_frequencies", "time_embedding", "batch_size"), size)
    return Dims(size, size), small(name) | having(name, **widths, **sizes)


def learner(name: str, dims: Dims, settings: dict[str, object], block: Block) -> Agent:
    """As a trainer of the block has it, but for its device."""
    algorithm, generators = load_algorithm(name), [generator(seed, "parameters") for seed in block.seeds]
    values = algorithm.Settings(**settings)
    if block.unstacked:
        return UnstackedSeeds(dims, values, generators, "cpu", algorithm)
    return algorithm(dims, values, generators, "cpu")


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("seeds", [2, DIMS.act, 16])
@pytest.mark.parametrize("alike", [True, False])
def test_a_seeds_share_is_what_belongs_to_the_seed_whatever_the_sizes(
    name: str, device: str, seeds: int, alike: bool
) -> None:
    """One learner of all seeds, as on a GPU, or one for each; with sizes that equal the number of seeds."""
    dims, settings = alike_sizes(name, seeds) if alike else (DIMS, small(name) | {"batch_size": 6})
    block = make_block(name, seeds=tuple(range(10, 10 + seeds)), device=device)
    whole, source = learner(name, dims, settings, block), streams(list(block.seeds))
    for _ in range(4):
        whole.update(*draw_of(whole, dims, source))
    state = {f"agent.{key}": value.clone() for key, value in whole.state_dict().items()}
    begun = source.state_dict()
    for _ in range(3):
        whole.update(*draw_of(whole, dims, source))
    after = {f"agent.{key}": value for key, value in whole.state_dict().items()}
    for which in ([0], list(range(1, seeds))):
        part = replace(block, seeds=tuple(block.seeds[place] for place in which))
        own, drawn = learner(name, dims, settings, part), streams(list(part.seeds))
        share = {key.removeprefix("agent."): value for key, value in pick_state(block, state, which).items()}
        assert {key: value.shape for key, value in share.items()} == {
            key: value.shape for key, value in own.state_dict().items()
        }
        own.load_state_dict(share)
        drawn.load_state_dict(
            {f"{purpose}.{i}": begun[f"{purpose}.{at}"] for i, at in enumerate(which) for purpose in PURPOSES}
        )
        for _ in range(3):
            own.update(*draw_of(own, dims, drawn))
        expected = pick_state(block, after, which)
        for key, value in own.state_dict().items():
            if device == "cpu":
                assert torch.equal(value, expected[f"agent.{key}"]), key
            else:  # products of fewer seeds may be rounded in another way
                torch.testing.assert_close(value, expected[f"agent.{key}"], rtol=1e-2, atol=1e-3, msg=key)


def test_a_tensor_that_should_have_a_seed_axis_and_has_none_is_named() -> None:
    block = make_block("sac", seeds=(0, 1), device="cuda")
    with pytest.raises(CheckpointError, match=r"^sac: 'policy.table' has no seed axis, and `shared_state` does not"):
        pick_state(block, {"agent.policy.table": torch.zeros(7)}, [0])


def test_a_block_without_a_checkpoint_is_parted_too(tmp_path: Path) -> None:
    block = make_block("crossq", seeds=(0, 1))
    made = split_block(block, tmp_path, [(0,), (1,)], "out of memory")
    assert [part.seeds for part in made] == [(0,), (1,)]
    assert [train(part, tmp_path) for part in made] == ["finished", "finished"]
