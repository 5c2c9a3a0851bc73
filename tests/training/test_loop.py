"""The training loop on real tasks at tiny budgets."""

from __future__ import annotations

import mmap
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from dimebench.agents.registry import built_in_algorithms
from dimebench.envs import EnvError
from dimebench.store import read_run
from dimebench.store.writer import write_run
from dimebench.training import peak
from dimebench.training.block import Protocol
from dimebench.training.evaluate import Evaluator, StopRequestedError
from tests.agents.learners import LEARNERS
from tests.training.blocks import assert_same_outputs, make_block, outputs, stop_after, train, trainer


@pytest.mark.parametrize("algorithm", built_in_algorithms())
def test_a_run_is_evaluated_at_the_start_at_every_interval_and_at_the_end(algorithm: str, tmp_path: Path) -> None:
    block = make_block(algorithm)
    assert train(block, tmp_path) == "finished"
    evals = pd.read_parquet(block.run_folder(tmp_path, 0) / "evals.parquet")
    assert evals["env_step"].tolist() == [0, 0, 25, 25, 50, 50, 60, 60]
    assert evals["episode"].tolist() == [0, 1] * 4
    assert np.isfinite(evals["return"]).all()
    assert (evals["length"] == 50).all()  # 1,000 physics steps at an action repeat of 20
    run = read_run(block.run_folder(tmp_path, 0))
    assert run is not None
    assert (run.status, run.progress["env_step"]) == ("finished", 60)


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_learning_starts_after_the_random_env_steps(algorithm: str, tmp_path: Path) -> None:
    """Actions 1 to learning_starts are uniform; the next comes from the policy, and updates start beside its step."""
    made = trainer(make_block(algorithm), tmp_path)
    acted, updated = [], []
    ask, update = made.off_policy.ask, made._update
    made.off_policy.ask = lambda obs: (acted.append(made.env_step), ask(obs))[1]  # type: ignore[method-assign, func-returns-value]
    made._update = lambda: (updated.append(made.env_step), update())[1]  # type: ignore[method-assign, func-returns-value]
    made.train()
    made.close()
    assert acted == list(range(12, 60))
    assert updated == list(range(12, 60))
    assert made.agent.grad_steps == 48 * made.settings.utd


def test_logging_points_hold_the_metrics(tmp_path: Path) -> None:
    block = make_block("dime")
    train(block, tmp_path)
    log = pd.read_parquet(block.run_folder(tmp_path, 0) / "train.parquet")
    assert log["env_step"].tolist() == list(range(2, 61, 2))
    learning = log[log["env_step"] > 20]
    for metric in ("critic_loss", "q_mean", "actor_loss", "running_cost", "entropy_bound", "alpha"):
        assert learning[metric].notna().any(), metric
    assert log["train_return"].notna().sum() == 1  # one training episode of 50 env steps ended
    assert log["grad_step"].iloc[-1] == 48 * 2


def test_runs_repeat_bit_for_bit_and_seeds_differ(tmp_path: Path) -> None:
    tables = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        block = make_block("sac", seeds=(seed,))
        train(block, tmp_path / folder)
        tables.append(pd.read_parquet(block.run_folder(tmp_path / folder, seed) / "evals.parquet")["return"])
    assert tables[0].equals(tables[1])
    assert not tables[0].equals(tables[2])


@pytest.mark.parametrize("algorithm", built_in_algorithms())
def test_a_seed_among_others_has_the_bits_that_it_has_alone(algorithm: str, tmp_path: Path) -> None:
    together = make_block(algorithm, seeds=(4, 7))
    train(together, tmp_path / "together")
    both = outputs(together, tmp_path / "together")
    for i, seed in enumerate((4, 7)):
        single = make_block(algorithm, seeds=(seed,))
        train(single, tmp_path / "alone")
        alone = outputs(single, tmp_path / "alone")
        for name in ("evals", "train"):
            pd.testing.assert_frame_equal(both[f"{seed}/{name}"], alone[f"{seed}/{name}"], check_exact=True)
        for key, value in alone.get("policy", {}).items():
            own = both["policy"][key][i : i + 1] if value.ndim > 1 else both["policy"][key]
            assert np.array_equal(own, value), key


def test_evaluation_is_a_function_of_agent_seed_and_env_step(tmp_path: Path) -> None:
    made = trainer(make_block("dime", task="dm_control/cartpole-balance"), tmp_path)
    before = {key: value.clone() for key, value in made.off_policy.state_dict().items()}
    evaluator = Evaluator("dm_control/cartpole-balance", [0], 2, 20, "cpu")
    first = evaluator.evaluate(made.agent, 25, lambda: False)
    other = evaluator.evaluate(made.agent, 50, lambda: False)
    assert evaluator.evaluate(made.agent, 25, lambda: False) == first
    assert other != first
    assert all(torch.equal(value, before[key]) for key, value in made.off_policy.state_dict().items())
    with pytest.raises(StopRequestedError):
        evaluator.evaluate(made.agent, 25, lambda: True)


def test_episodes_that_terminate_early_are_counted_once(tmp_path: Path) -> None:
    protocol = Protocol(env_steps=20, action_repeat=1, eval_interval=20, eval_episodes=3)
    block = make_block("random", task="gymnasium/Hopper-v5", protocol=protocol)
    train(block, tmp_path)
    evals = pd.read_parquet(block.run_folder(tmp_path, 0) / "evals.parquet")
    assert evals["episode"].tolist() == [0, 1, 2, 0, 1, 2]
    assert evals["length"].nunique() > 1
    assert (evals["length"] < 1000).all()


@pytest.mark.parametrize(
    ("at", "what"), [(31, "the policy's actions"), (50, "the learner's parameters"), (60, "the learner's parameters")]
)
def test_a_policy_that_is_not_finite_ends_the_run_as_diverged(at: int, what: str, tmp_path: Path) -> None:
    """Between logging points, just before an evaluation, and in the very last update."""
    block = make_block("sac", seeds=(0, 1))
    made = trainer(block, tmp_path)
    update = made._update

    def poison() -> None:
        update()
        if made.env_step + 1 == at:
            with torch.no_grad():
                made.agent.learners[1].arenas["policy"][0] = float("nan")  # type: ignore[attr-defined]

    made._update = poison  # type: ignore[method-assign]
    assert made.train() == "finished"
    made.close()
    healthy, sick = (read_run(block.run_folder(tmp_path, seed)) for seed in (0, 1))
    assert healthy is not None
    assert sick is not None
    assert (healthy.status, sick.status) == ("finished", "diverged")
    assert sick.reason == f"{what} are not finite at env step {at}"
    evals = pd.read_parquet(sick.path / "evals.parquet")
    steps = [0, 0, 25, 25, *([50, 50] if at == 60 else []), at]
    assert evals["env_step"].tolist() == steps
    assert evals["diverged"].tolist() == [False] * (len(steps) - 1) + [True]
    assert evals["return"].isna().tolist() == evals["diverged"].tolist()
    assert pd.read_parquet(healthy.path / "evals.parquet")["env_step"].max() == 60


def test_a_learner_whose_critics_are_lost_is_diverged_though_its_actions_look_well(tmp_path: Path) -> None:
    """DIME drops actor gradients that are NaN, so its policy stays as it was."""
    block = make_block("dime")
    made = trainer(block, tmp_path)
    update = made._update

    def poison() -> None:
        update()
        if made.env_step + 1 == 30:
            with torch.no_grad():
                made.agent.arenas["critics"][0] = float("nan")  # type: ignore[attr-defined]

    made._update = poison  # type: ignore[method-assign]
    assert made.train() == "diverged"
    made.close()
    run = read_run(block.run_folder(tmp_path, 0))
    assert run is not None
    assert (run.status, run.reason) == ("diverged", "the learner's parameters are not finite at env step 30")


def test_a_task_whose_episodes_have_no_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvError, match="have no end"):
        trainer(make_block("random", task="dm_control/lqr-lqr_2_1"), tmp_path)


def test_a_run_says_how_much_memory_its_process_reached_and_a_resume_keeps_the_larger(tmp_path: Path) -> None:
    block = make_block("sac")
    assert train(block, tmp_path, stop_after(30)) == "interrupted"
    run = read_run(block.run_folder(tmp_path, 0))
    assert run is not None
    reached = run.provenance["peak_memory_bytes"]
    assert 50_000_000 < reached < 50_000_000_000, "a process with torch in it"
    assert "peak_memory_bytes" not in str(run.identity)
    write_run(replace(run, provenance=run.provenance | {"peak_memory_bytes": 10**15}))
    train(block, tmp_path)
    again = read_run(block.run_folder(tmp_path, 0))
    assert again is not None
    assert (again.status, again.provenance["peak_memory_bytes"]) == ("finished", 10**15)


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks cannot be reset here")
def test_a_peak_is_of_the_time_since_counting_began() -> None:
    peak.begin("cpu")
    before = peak.resident()
    with mmap.mmap(-1, 100_000_000) as held:  # new pages: an array may get some that were freed and kept
        np.frombuffer(held, dtype=np.uint8)[::4096] = 2
        grown = peak.resident()
        assert grown - before > 90_000_000
    assert peak.resident() > grown - 10_000_000, "the most, not what is held now"


def test_the_same_bits_whatever_blocks_the_seeds_are_split_into(tmp_path: Path) -> None:
    parts = {"together": [(0, 1, 2)], "apart": [(0,), (1, 2)]}
    tables: dict[str, dict[str, pd.DataFrame]] = {name: {} for name in parts}
    policies: dict[str, list[dict[str, np.ndarray]]] = {name: [] for name in parts}
    for name, groups in parts.items():
        for seeds in groups:
            block = make_block("dime", seeds=seeds)
            train(block, tmp_path / name)
            left = outputs(block, tmp_path / name)
            tables[name] |= {key: value for key, value in left.items() if "/" in key}
            policies[name].append(left["policy"])
    assert_same_outputs(tables["together"], tables["apart"])
    (whole,) = policies["together"]
    for key, value in whole.items():
        if value.ndim > 1:  # what a seed has of its own
            assert np.array_equal(value, np.concatenate([part[key] for part in policies["apart"]])), key
