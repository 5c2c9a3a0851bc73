"""Seeds of a cell in several blocks: where memory or idle GPUs ask for it, and never once they have begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dimebench.planning.cells import Hardware
from dimebench.planning.memory import block_memory
from dimebench.planning.plan import ROOM, make_plan, shares
from tests.planning.requests import request
from tests.planning.test_plan import block_seeds
from tests.training.blocks import stop_after, train


@given(st.lists(st.integers(0, 999), min_size=1, max_size=50, unique=True), st.data())
def test_shares_are_all_seeds_in_order_in_parts_of_nearly_one_size(seeds: list[int], data: st.DataObject) -> None:
    parts = data.draw(st.integers(1, len(seeds)))
    found = shares(seeds, parts)
    assert [seed for part in found for seed in part] == seeds
    sizes = [len(part) for part in found]
    assert len(sizes) == parts
    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) == sizes[0]


def test_a_block_that_does_not_fit_is_parted_into_as_few_as_do(tmp_path: Path) -> None:
    (whole,) = make_plan(request(), range(6), tmp_path, "cuda").cells[0].blocks
    half = replace(whole, seeds=(0, 1, 2))
    needed = block_memory(half).device
    gpu = int(needed / ROOM) + 1
    assert block_memory(whole, gpu_bytes=gpu).device > ROOM * gpu
    assert block_seeds(make_plan(request(), range(6), tmp_path, "cuda", hardware=Hardware(gpu_bytes=gpu))) == [
        (0, 1, 2),
        (3, 4, 5),
    ]
    smallest = make_plan(request(), range(3), tmp_path, "cuda", hardware=Hardware(gpu_bytes=1000))
    assert block_seeds(smallest) == [(0,), (1,), (2,)], "one seed is tried wherever it goes"


@pytest.mark.parametrize(
    ("gpus", "blocks"),
    [
        (1, [5, 5]),
        (2, [5, 5]),
        (3, [3, 2, 5]),
        (4, [3, 2, 3, 2]),
        (8, [2, 1, 1, 1, 2, 1, 1, 1]),
        (9, [1] * 8 + [2]),
        (64, [1] * 10),
    ],
)
def test_no_gpu_is_left_without_a_block_while_seeds_are_together(
    gpus: int, blocks: list[int], tmp_path: Path
) -> None:
    plan = make_plan(request(algo="sac,crossq"), range(5), tmp_path, "cuda", hardware=Hardware(gpus=gpus))
    assert sorted(len(seeds) for seeds in block_seeds(plan)) == sorted(blocks)
    for cell in plan.cells:
        assert [seed for block in cell.blocks for seed in block.seeds] == list(range(5))


def test_a_block_that_has_begun_goes_on_as_it_is(tmp_path: Path) -> None:
    (block,) = make_plan(request(), range(3), tmp_path, "cuda").cells[0].blocks
    on_cpu = replace(block, device="cpu", mode="eager", precision="float32", env_workers=0)
    assert train(on_cpu, tmp_path, stop_after(30)) == "interrupted"
    for seed in block.seeds:  # as if it had begun on a GPU
        file = block.run_folder(tmp_path, seed) / "run.json"
        text = file.read_text().replace('"device": "cpu"', '"device": "cuda"').replace('"eager"', f'"{block.mode}"')
        file.write_text(text.replace('"float32"', f'"{block.precision}"'))
    plan = make_plan(request(), range(5), tmp_path, "cuda", hardware=Hardware(gpus=3, gpu_bytes=1000))
    assert block_seeds(plan) == [(0, 1, 2), (3,), (4,)]


def test_a_block_has_as_many_environment_processes_as_its_share_of_cores_allows(tmp_path: Path) -> None:
    def workers(cores: int, gpus: int = 1) -> list[int]:
        hardware = Hardware(gpus=gpus, cores=cores)
        plan = make_plan(request(), range(6), tmp_path, "cuda", hardware=hardware)
        return [block.env_workers for _, block in plan.blocks()]

    assert workers(1) == [0]
    assert workers(4) == [3]
    assert workers(4, gpus=3) == [2, 2, 2]
