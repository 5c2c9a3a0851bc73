"""The plan: what is trained together, what is done already, what is in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dimebench.config import ConfigError, Suite
from dimebench.engines.events import PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.envs import UnknownTaskError
from dimebench.planning.cells import Plan
from dimebench.planning.identity import IdentityConflictError
from dimebench.planning.plan import make_plan
from dimebench.store import mark_run, read_evals, read_runs
from tests.planning.requests import request
from tests.training.blocks import stop_after, train


def block_seeds(plan: Plan) -> list[tuple[int, ...]]:
    return [block.seeds for _, block in plan.blocks()]


def changed(suite: Suite, **budget: int) -> Suite:
    return suite.model_copy(update={"budget": suite.budget.model_copy(update=budget)})


def test_a_cpu_trains_one_seed_per_process_and_a_gpu_all_of_a_cell_together(tmp_path: Path) -> None:
    assert block_seeds(make_plan(request(), range(3), tmp_path, "cpu")) == [(0,), (1,), (2,)]
    assert block_seeds(make_plan(request(), range(3), tmp_path, "cuda")) == [(0, 1, 2)]


def test_every_task_and_variant_is_a_cell(tmp_path: Path) -> None:
    plan = make_plan(request("dime.utd=2", algo="dime,dime:diffusion_steps=2,sac,random"), [0], tmp_path, "cpu")
    assert [cell.variant for cell in plan.cells] == ["dime", "dime:diffusion_steps=2", "sac", "random"]
    blocks = [block for _, block in plan.blocks()]
    assert [block.settings.get("diffusion_steps") for block in blocks] == [4, 2, None, None]
    assert [block.settings.get("utd") for block in blocks] == [2, 2, 1, None]
    assert blocks[1].cell == "quick/dime@diffusion_steps-2/dm_control/cartpole-swingup"


def test_planning_writes_nothing(tmp_path: Path) -> None:
    make_plan(request(), range(3), tmp_path, "cpu")
    assert list(tmp_path.iterdir()) == []


def test_all_settings_reach_the_algorithms_that_have_them_and_misspelt_ones_are_refused(tmp_path: Path) -> None:
    plan = make_plan(request("all.gamma=0.9", algo="sac,random"), [0], tmp_path, "cpu")
    assert [block.settings.get("gamma") for _, block in plan.blocks()] == [0.9, None]
    with pytest.raises(ConfigError, match=r"gama.*nearest: gamma"):
        make_plan(request("all.gama=0.9"), [0], tmp_path, "cpu")
    with pytest.raises(ConfigError, match=r"difusion_steps.*nearest: diffusion_steps"):
        make_plan(request(algo="dime:difusion_steps=2"), [0], tmp_path, "cpu")


def test_a_suite_with_an_unknown_task_is_refused_before_anything_trains(tmp_path: Path) -> None:
    wrong = replace(request(), suite=request().suite.model_copy(update={"tasks": ["dm_control/dog-rum"]}))
    with pytest.raises(UnknownTaskError, match="dog-rum"):
        make_plan(wrong, [0], tmp_path, "cpu")


def test_finished_runs_are_skipped_and_another_identity_is_refused(tmp_path: Path) -> None:
    first = make_plan(request(), [0, 1], tmp_path, "cpu")
    outcome = LocalPool(first, PoolSettings(2)).run(lambda event: None)
    assert (outcome.failed, outcome.interrupted) == ([], False)
    again = make_plan(request(), [0, 1, 2], tmp_path, "cpu")
    assert sorted(again.cells[0].done) == [0, 1]
    assert block_seeds(again) == [(2,)]
    returns = read_evals(read_runs(tmp_path))["return"].tolist()
    next(tmp_path.rglob("seed-001/evals.parquet")).unlink()
    lost = make_plan(request(), [0, 1], tmp_path, "cpu")
    assert block_seeds(lost) == [(1,)], "what has lost its evaluations is trained again"
    assert LocalPool(lost, PoolSettings(1)).run(lambda event: None).failed == []
    assert read_evals(read_runs(tmp_path))["return"].tolist() == returns
    with pytest.raises(IdentityConflictError) as caught:
        make_plan(request("sac.tau=0.5"), [0], tmp_path, "cpu")
    assert "settings.tau: 0.005 there, 0.5 here" in str(caught.value)
    longer = replace(request(), suite=changed(request().suite, env_steps=80))
    with pytest.raises(IdentityConflictError, match=r"protocol\.env_steps: 40 there, 80 here"):
        make_plan(longer, [0], tmp_path, "cpu")


def test_seeds_that_began_together_go_on_together_whichever_are_asked_for(tmp_path: Path) -> None:
    """One of them diverged, one is not asked for: the checkpoint holds all three."""
    (_, alone), *_ = make_plan(request(), [0], tmp_path, "cpu").blocks()
    together = replace(alone, seeds=(0, 1, 2))
    assert train(together, tmp_path, stop_after(30)) == "interrupted"
    mark_run(together.run_folder(tmp_path, 1), "diverged", "made up")
    plan = make_plan(request(), [0, 1, 3], tmp_path, "cpu")
    assert block_seeds(plan) == [(0, 1, 2), (3,)]
    assert plan.cells[0].done == {}
    outcome = LocalPool(plan, PoolSettings(2)).run(lambda event: None)
    assert outcome.failed == []
    assert {run.seed: run.progress["env_step"] for run in read_runs(tmp_path)} == {0: 40, 1: 40, 2: 40, 3: 40}


def test_blocks_of_different_seeds_have_different_names(tmp_path: Path) -> None:
    ((_, block),) = make_plan(request(), [0], tmp_path, "cpu").blocks()
    groups = [(3,), (3, 7), tuple(range(3, 8)), (0, 2), (0, 1, 2), tuple(range(0, 400, 2)), tuple(range(0, 402, 2))]
    names = [replace(block, seeds=seeds).name for seeds in groups]
    assert len(set(names)) == len(names)
    assert all(len(name) < 60 for name in names)
