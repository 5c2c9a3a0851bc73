"""The work that the floors come from, against torch's own counter on real updates and against the real networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from dimebench.planning.work import actor_updates, agent_work, dense
from tests.agents.learners import DIMS, LEARNERS, draw, make, streams


class Counter(TorchDispatchMode):
    """torch's count of every operation, as its FlopCounterMode takes it.

    That one also follows modules, and fails on a layer called without gradients on an input that has some.
    """

    flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket in flop_registry:
            self.flops += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def counted(call: Callable[[], object]) -> int:
    with Counter() as counter:
        call()
    return counter.flops


@pytest.mark.parametrize("name", LEARNERS)
def test_a_call_does_the_products_that_are_counted(name: str) -> None:
    agent, source = make(name, [0, 1], utd=2, policy_delay=3), streams([0, 1])
    work = agent_work(name, DIMS.obs, DIMS.act, agent.settings)
    assert work is not None
    for updates in (0, 1):  # actor updates in the first calls of that schedule
        batch, noise = draw(agent, source)
        expected = work.call(2, updates).flops
        if name == "dime" and updates == 0:  # one chain for both critic updates: the steps are embedded once
            s = agent.settings
            sizes = [2 * s.time_frequencies, s.time_embedding, s.time_embedding, s.score_hidden[0]]
            expected -= dense(s.diffusion_steps, sizes)
        assert counted(lambda b=batch, n=noise: agent.update(b, n)) == 2 * expected


@pytest.mark.parametrize("name", LEARNERS)
def test_an_action_takes_the_products_that_are_counted(name: str) -> None:
    agent, source = make(name, [0, 1, 2]), streams([0, 1, 2])
    work = agent_work(name, DIMS.obs, DIMS.act, agent.settings)
    assert work is not None
    noise = source.normal("act", agent.policy_noise(1))
    assert counted(lambda: agent.act(torch.zeros(3, 1, DIMS.obs), noise)) == 3 * work.act.flops


@pytest.mark.parametrize("name", LEARNERS)
def test_every_parameter_is_counted(name: str) -> None:
    agent = make(name, [0])
    work = agent_work(name, DIMS.obs, DIMS.act, agent.settings)
    assert work is not None
    assert work.parameters == {key: sum(p.numel() for p in m.parameters()) for key, m in agent.modules.items()}


@pytest.mark.parametrize(("utd", "delay"), [(1, 1), (1, 3), (2, 3), (3, 2), (2, 4), (4, 3), (6, 3)])
def test_the_schedule_is_the_learners(utd: int, delay: int) -> None:
    agent = make("sac", [0], utd=utd, policy_delay=delay)
    schedule = actor_updates(utd, delay)
    for updates in 3 * schedule:
        assert updates == len(agent.actor_updates())
        agent.grad_steps += utd


def test_the_work_of_an_algorithm_from_elsewhere_is_not_known() -> None:
    assert agent_work("mine", 5, 3, None) is None
