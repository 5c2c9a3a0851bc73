"""Seeds that began together and one of which cannot be read any more: the others go on, from their checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dimebench.engines.events import Event, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.planning.cells import Cell, Plan
from dimebench.planning.plan import make_plan, tidy
from dimebench.store import StoreError, read_evals, read_run, read_runs
from dimebench.training.block import Block
from tests.planning.requests import request
from tests.training.blocks import stop_after, train

Spoil = Callable[[Path], object]


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


SPOILT: dict[str, Spoil] = {
    "run.json": lambda run: cut(run / "run.json"),
    "evals.parquet": lambda run: cut(run / "evals.parquet"),
    "of another seed": lambda run: shutil.copy(run.parent / "seed-000" / "evals.parquet", run / "evals.parquet"),
}


def three_together(results: Path) -> Block:
    """Three seeds in one process, cut off in the middle."""
    (_, alone), *_ = make_plan(request(), [0], results, "cpu").blocks()
    block = replace(alone, seeds=(0, 1, 2))
    assert train(block, results, stop_after(30)) == "interrupted"
    return block


def returns(results: Path, seeds: tuple[int, ...]) -> list[float]:
    runs = [run for run in read_runs(results, broken=[]) if run.seed in seeds]
    return read_evals(runs)["return"].tolist()


@pytest.mark.parametrize(
    ("how", "asked"),
    [
        pytest.param(how, asked, marks=() if i == j % 2 and j < 2 else pytest.mark.slow)
        for j, how in enumerate(SPOILT)
        for i, asked in enumerate([(0, 1, 2), (0, 2)])
    ],
)
def test_the_others_of_a_block_go_on_without_it(how: str, asked: tuple[int, ...], tmp_path: Path) -> None:
    block = three_together(tmp_path / "cut")
    shutil.copytree(tmp_path / "cut", tmp_path / "whole")
    whole = make_plan(request(), [0, 1, 2], tmp_path / "whole", "cpu")
    assert LocalPool(whole, PoolSettings(1)).run(lambda event: None).failed == []

    results = tmp_path / "cut"
    place = block.run_folder(results, 1)
    SPOILT[how](place)
    spoilt = {file.name: file.read_bytes() for file in place.iterdir()}
    plan = make_plan(request(), asked, results, "cpu")
    assert [each.seeds for _, each in plan.blocks()] == [(0, 1, 2)]
    assert set(plan.cells[0].broken) == ({1} if how == "run.json" and 1 in asked else set())
    assert plan.left_alone == 0, "its block goes on, and fails it"
    said: list[Event] = []
    outcome = LocalPool(plan, PoolSettings(1)).run(said.append)
    ((failed, reason),) = outcome.failed
    assert failed.seeds == (1,)
    assert str(place) in reason
    assert outcome.exit_code == 3
    done = {run.seed: run for run in read_runs(results, broken=[]) if run.status == "finished"}
    assert sorted(done) == [0, 2]
    assert {run.provenance["resumed"] for run in done.values()} == {1}, "from the checkpoint"
    assert returns(results, (0, 2)) == returns(tmp_path / "whole", (0, 2))
    assert (place / "evals.parquet").read_bytes() == spoilt["evals.parquet"]
    if how == "run.json":
        assert (place / "run.json").read_bytes() == spoilt["run.json"]
    assert failed.checkpoint_folder(results).is_dir(), "it keeps its share of the checkpoint"


def test_all_of_a_block_that_cannot_be_read_fail_and_lose_nothing(tmp_path: Path) -> None:
    block = three_together(tmp_path)
    for seed in block.seeds:
        cut(block.run_folder(tmp_path, seed) / "evals.parquet")
    outcome = LocalPool(make_plan(request(), [0, 1, 2], tmp_path, "cpu"), PoolSettings(1)).run(lambda event: None)
    assert sorted(failed.seeds for failed, _ in outcome.failed) == [(0,), (1,), (2,)]
    assert all("evals.parquet: not a readable Parquet file" in reason for _, reason in outcome.failed)
    assert {(block.run_folder(tmp_path, seed) / "evals.parquet").stat().st_size for seed in block.seeds} == {40}


def test_a_run_that_is_spoilt_after_the_plan_was_made_costs_itself_alone(tmp_path: Path) -> None:
    (_, alone), *_ = make_plan(request(), [0], tmp_path, "cpu").blocks()
    block = replace(alone, seeds=(0, 1, 2))
    plan = Plan("quick", tmp_path, [Cell(block.variant, block.task, block.seeds, {}, [block])])
    place = block.run_folder(tmp_path, 1)
    place.mkdir(parents=True)
    (place / "run.json").write_text("{")
    outcome = LocalPool(plan, PoolSettings(1)).run(lambda event: None)
    assert [failed.seeds for failed, _ in outcome.failed] == [(1,)]
    assert sorted(run.seed for run in read_runs(tmp_path, broken=[]) if run.status == "finished") == [0, 2]
    assert not (place / "evals.parquet").exists()
    assert (place / "run.json").read_text() == "{"


def test_tidying_up_leaves_the_checkpoint_of_a_block_with_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    block = three_together(tmp_path)
    for run in read_runs(tmp_path):
        text = (run.path / "run.json").read_text().replace('"status": "interrupted"', '"status": "finished"')
        (run.path / "run.json").write_text(text)
    cut(block.run_folder(tmp_path, 1) / "run.json")
    with pytest.raises(StoreError):
        read_run(block.run_folder(tmp_path, 1))
    plan = make_plan(request(), [0, 1, 2], tmp_path, "cpu")
    assert (sorted(plan.cells[0].done), plan.left_alone) == ([0, 2], 1)
    tidy(plan)
    assert block.checkpoint_folder(tmp_path).is_dir()
