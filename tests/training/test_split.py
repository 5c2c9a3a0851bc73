"""A block is parted: every seed goes on from its own share of the checkpoint, to the numbers it would have had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dimebench.store import read_run
from dimebench.training.split import pick_chunk, pick_state, split_block
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train


@pytest.mark.parametrize("parts", [((2, 9), (5,)), ((2,), (5,), (9,))], ids=str)
def test_the_parts_of_a_block_go_on_where_it_stood(parts: tuple[tuple[int, ...], ...], tmp_path: Path) -> None:
    block = make_block("sac", seeds=(2, 5, 9))
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
        share = pick_state(whole, which, 3) | {f"replay.{key}": value for key, value in chunk.items()}
        found = outputs(part, tmp_path / "cut")
        found.pop("policy")
        assert_same_outputs(
            found,
            {key: expected[key] for key in found} | {"final": {key: value.numpy() for key, value in share.items()}},
        )


def test_a_block_without_a_checkpoint_is_parted_too(tmp_path: Path) -> None:
    block = make_block("crossq", seeds=(0, 1))
    made = split_block(block, tmp_path, [(0,), (1,)], "out of memory")
    assert [part.seeds for part in made] == [(0,), (1,)]
    assert [train(part, tmp_path) for part in made] == ["finished", "finished"]
