"""Every learner solves a real task on a CPU: the suite `learns`, trained on demand, and a recorded run of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pandas as pd
import pytest

from dimebench.config import load_suite
from dimebench.stats.estimators import iqm
from dimebench.store import read_evals, read_runs, read_train
from tests.cli.calls import COMMAND

ROOT = Path(__file__).parents[2]
RECORDED = ROOT / "results" / "recorded"
SOLVED = 700  # IQM over seeds, of 1,000 on ball_in_cup-catch; a random policy gets below 200
LEARNERS = ("dime", "dime-gaussian", "crossq", "sac")


def returns(results: Path) -> pd.DataFrame:
    """Mean return of each evaluation: rows env_step, columns (variant, seed)."""
    evals = read_evals(read_runs(results, "learns"))
    return evals.groupby(["env_step", "variant", "seed"])["return"].mean().unstack(["variant", "seed"])


def demand_that_all_learn(results: Path, seeds: int) -> None:
    runs = read_runs(results, "learns")
    suite = load_suite(str(ROOT / "suites" / "learns.yaml"))
    assert {run.status for run in runs} == {"finished"}
    table = returns(results)
    assert table.index[-1] == suite.budget.env_steps
    for name in LEARNERS:
        of_seeds = table[name].iloc[-3:].mean()  # the last three evaluations
        print(f"{name:14s} first {table[name].iloc[0].mean():6.0f}  last {of_seeds.round().tolist()}")
        assert len(of_seeds) >= seeds
        assert iqm(of_seeds.to_numpy()[:, None]) > SOLVED, name
        assert (of_seeds > table["random"].iloc[-3:].mean().max() + 200).all(), name


def test_the_recorded_run_shows_every_learner_learning() -> None:
    demand_that_all_learn(RECORDED, seeds=3)
    runs = read_runs(RECORDED, "learns")
    suite = load_suite(str(ROOT / "suites" / "learns.yaml"))
    for run in runs:
        protocol = run.identity["of"]["protocol"]
        assert protocol["env_steps"] == suite.budget.env_steps
        assert protocol["action_repeat"] == suite.budget.action_repeat
    train = read_train([run for run in runs if run.algorithm != "random"])
    assert (train.groupby(["variant", "seed"])["grad_step"].max() >= 9000).all()


@pytest.mark.slow
@pytest.mark.timeout(6 * 3600)
def test_every_learner_learns(tmp_path: Path) -> None:
    command = [*COMMAND, "run", "suite=learns", "--seeds", "4"]
    done = subprocess.run([*command, "--results", str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode == 0
    demand_that_all_learn(tmp_path, seeds=4)
