"""What happens before training on a GPU, and the order of its env steps: nothing changes, and nothing waits later."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.agents.parts.paths import gpu_ways
from dimebench.training.block import Protocol
from dimebench.training.execution.modes import Captured
from dimebench.training.execution.warmup import warm_up
from tests.agents.learners import DIMS, LEARNERS, draw, having, make, streams
from tests.training.blocks import assert_same_outputs, carry_out, make_block, outputs, trainer
from tests.training.blocks import train as run_block
from tests.training.execution.test_modes import Counting

SEEDS = [3, 11]
WARMUP = 41  # forwards: BatchRenorm's warm-up ends inside a call of two
CALLS = 60
ROWS = {"act": 1, "evaluate": 4}


def a_learner(name: str) -> tuple[Captured, Counting]:
    agent = make(name, SEEDS, utd=2, policy_delay=3, **having(name, renorm_warmup=WARMUP))
    return Captured(agent, recorder := Counting()), recorder


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_that_was_warmed_up_is_as_it_was_and_captures_nothing_more(name: str) -> None:
    with gpu_ways():
        (usual, _), (warmed, recorder) = a_learner(name), a_learner(name)
        warm_up(warmed.agent, warmed, DIMS, ROWS, CALLS)
        captured, one, other = recorder.captured, streams(SEEDS), streams(SEEDS)
        for key, value in usual.agent.state_dict().items():
            assert torch.equal(value, warmed.agent.state_dict()[key]), key
        assert warmed.agent.counts() == usual.agent.counts()
        for _ in range(CALLS):
            expected, found = usual.update(*draw(usual.agent, one)), warmed.update(*draw(warmed.agent, other))
            assert all(torch.equal(found[key], expected[key]) for key in expected)
            for rows in ROWS.values():
                obs, noise = (
                    torch.randn(len(SEEDS), rows, DIMS.obs),
                    one.normal("act", usual.agent.policy_noise(rows)),
                )
                assert torch.equal(usual.act(obs, noise), warmed.act(obs, noise))
        assert captured > 4
        assert recorder.captured == captured + (1 if len(set(ROWS.values())) > 1 else 0), "acting on four rows alone"
        for key, value in usual.agent.state_dict().items():
            assert torch.equal(value, warmed.agent.state_dict()[key]), key


@settings(max_examples=25, deadline=None)
@given(
    name=st.sampled_from(LEARNERS),
    utd=st.integers(1, 4),
    delay=st.integers(1, 5),
    ends=st.integers(0, 50),
    begun=st.integers(0, 7),
    calls=st.integers(1, 25),
)
def test_the_kinds_of_update_that_are_foreseen_are_those_that_come(
    name: str, utd: int, delay: int, ends: int, begun: int, calls: int
) -> None:
    changes = having(name, renorm_warmup=ends)
    agent, source = make(name, [0], utd=utd, policy_delay=delay, batch_size=2, **changes), streams([0])
    for _ in range(begun):
        agent.update(*draw(agent, source))
    kinds, counts = agent.update_kinds(calls), agent.counts()
    met = {}
    for _ in range(calls):
        met.setdefault(agent.update_key(), agent.counts())
        agent.update(*draw(agent, source))
    assert kinds == met
    assert agent.counts_after(0) == agent.counts()
    agent.set_counts(counts)
    assert agent.counts_after(calls)[0] == counts[0] + calls * utd


@pytest.mark.parametrize("name", LEARNERS)
def test_a_million_env_steps_are_looked_through_at_once(name: str) -> None:
    """With published settings, whose warm-up ends at env step 55,000 or later."""
    agent = make(name, [0], **having(name, renorm_warmup=100_000))
    kinds = agent.update_kinds(995_000)
    assert len(kinds) <= 6
    for key, counts in kinds.items():
        agent.set_counts(counts)
        assert agent.update_key() == key


def test_a_stop_during_the_warm_up_leaves_the_learner_as_it_was() -> None:
    learner, _ = a_learner("crossq")
    before = {key: value.clone() for key, value in learner.agent.state_dict().items()}
    asked = iter([False] * 6 + [True])
    warm_up(learner.agent, learner, DIMS, ROWS, CALLS, lambda: next(asked))
    for key, value in learner.agent.state_dict().items():
        assert key not in before or torch.equal(value, before[key]), key
    assert learner.agent.counts()[0] == 0


@pytest.mark.parametrize("algorithm", LEARNERS)
def test_a_run_in_a_gpu_s_order_is_the_same_bit_for_bit(algorithm: str, tmp_path: Path) -> None:
    """Warmed up before, and each update begun before the action is waited for."""
    protocol = Protocol(env_steps=60, action_repeat=20, eval_interval=30, eval_episodes=1)
    block = make_block(algorithm, protocol=protocol)
    run_block(block, tmp_path / "usual")
    made = trainer(block, tmp_path / "order")
    made.on_gpu, order = True, []
    learning, start = made.off_policy, made.envs.start
    ask, wait, update = learning.ask, learning.wait, learning.update
    learning.ask = lambda obs: (order.append("ask"), ask(obs))[1]  # type: ignore[method-assign, func-returns-value]
    learning.wait = lambda: (order.append("wait"), wait())[1]  # type: ignore[method-assign, func-returns-value]
    learning.update = lambda: (order.append("update"), update())[1]  # type: ignore[method-assign, func-returns-value]
    made.envs.start = lambda action: (order.append("start"), start(action))[1]  # type: ignore[method-assign, func-returns-value]
    assert carry_out(made, tmp_path / "order") == "finished"
    assert_same_outputs(outputs(block, tmp_path / "order"), outputs(block, tmp_path / "usual"))
    assert order == ["start"] * 12 + ["ask", "update", "wait", "start"] * 48
