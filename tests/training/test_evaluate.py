"""Evaluation: the same numbers whoever steps the environments, and no physics for what has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from dimebench.agents.base import Agent
from dimebench.training.evaluate import Evaluator
from tests.training.blocks import make_block, trainer

TASK = "gymnasium/Hopper-v5"  # its episodes end at different times


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    made = trainer(make_block("sac", task=TASK, seeds=(0, 1)), tmp_path)
    yield made.agent
    made.close()


def never() -> bool:
    return False


def test_worker_processes_change_no_number(agent: Agent) -> None:
    results = []
    for workers in (0, 2):
        evaluator = Evaluator(TASK, [0, 1], 3, 1, "cpu", workers=workers)
        results += [evaluator.evaluate(agent, env_step, never) for env_step in (10, 20)]
        evaluator.close()
    for here, there in zip(results[:2], results[2:], strict=True):
        assert there[0] == here[0]
        np.testing.assert_array_equal(there[1], here[1])
    assert results[0][0] != results[1][0]


def test_what_has_ended_is_neither_stepped_nor_reset(agent: Agent) -> None:
    evaluator = Evaluator(TASK, [0, 1], 3, 1, "cpu")
    envs = evaluator._environments(10)
    steps, resets = np.zeros(6, int), np.zeros(6, int)
    for i, env in enumerate(envs.environments):  # type: ignore[attr-defined]

        def step(*arguments, i=i, own=env.step):  # type: ignore[no-untyped-def]
            steps[i] += 1
            return own(*arguments)

        def reset(row, i=i, own=env.reset):  # type: ignore[no-untyped-def]
            resets[i] += 1
            own(row)

        env.step, env.reset = step, reset
    rows, _ = evaluator.evaluate(agent, 10, never)
    lengths = [row["length"] for seed in rows for row in seed]
    assert len(set(lengths)) > 1
    np.testing.assert_array_equal(steps, lengths)
    np.testing.assert_array_equal(resets, 1)
    evaluator.close()
