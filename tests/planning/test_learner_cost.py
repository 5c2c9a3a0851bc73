"""Bytes and work of learners: what is counted without numbers is what real updates keep, compute and move."""

from __future__ import annotations

import math
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dimebench.agents.base import Agent, Batch, Dims, Metrics, Noise, NoiseShapes
from dimebench.agents.parts.paths import gpu_ways
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.schedule import update_schedule
from dimebench.planning.learner_cost import (
    NOTHING,
    WORD,
    LearnerWork,
    Work,
    count_bytes,
    count_work,
    learner_bytes,
    learner_work,
)
from tests.agents.learners import DIMS, LEARNERS, draw, make, small, streams, train
from tests.training.blocks import make_block


@pytest.mark.parametrize("ways", [nullcontext, gpu_ways], ids=["cpu", "gpu"])
@pytest.mark.parametrize(("name", "seeds"), [*((name, 2) for name in LEARNERS), ("sac", 1)])
def test_counting_without_numbers_finds_what_the_real_update_keeps(name: str, seeds: int, ways: Any) -> None:
    algorithm = load_algorithm(name)
    settings: Any = algorithm.Settings(**(small(name) | {"batch_size": 32}))
    with ways():
        counted = count_bytes(algorithm, settings, Dims(7, 3), seeds, fake=True)
        assert counted == count_bytes(algorithm, settings, Dims(7, 3), seeds, fake=False)
    assert counted.peak > counted.state > 0


@pytest.mark.parametrize("name", LEARNERS)
def test_the_state_is_that_of_the_learner_after_an_update(name: str) -> None:
    agent = make(name, [0, 1])
    train(agent, streams([0, 1]), 3)
    counted = count_bytes(load_algorithm(name), agent.settings, DIMS, 2, fake=True)
    assert counted.state == sum(value.nbytes for value in agent.state_dict().values())


def test_an_algorithm_that_looks_at_its_numbers_is_counted_on_a_real_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    sac: Any = load_algorithm("sac")
    update = sac.update

    def look(self: Any, batch: Any, noise: Any) -> Any:
        if bool((batch.reward.nonzero().sum() > 0).item()) or len(batch.reward.nonzero()):
            raise AssertionError
        return update(self, batch, noise)

    block = replace(make_block("sac", seeds=(0, 1)), device="cuda")
    other = replace(block, settings=block.settings | {"gamma": 0.5})  # costs the same, and is not remembered
    plain, work = learner_bytes(block, Dims(5, 3)), learner_work(block, Dims(5, 3))
    monkeypatch.setattr(sac, "update", look)
    looking = learner_bytes(other, Dims(5, 3))
    assert looking.state == pytest.approx(plain.state, rel=0.01)  # what seeds share is counted for each
    assert looking.peak > plain.state
    assert learner_work(other, Dims(5, 3)) == work


def test_what_learns_nothing_has_no_learner() -> None:
    assert learner_bytes(make_block("random"), Dims(3, 1)) == NOTHING


# --- work -----------------------------------------------------------------------------------------------------


def dense(rows: int, sizes: list[int]) -> int:
    """One pass of `rows` through dense layers of these sizes. One output is a sum over rows, no product."""
    return sum(2 * rows * i * o for i, o in pairwise(sizes) if o > 1)


def parameters(sizes: list[int]) -> int:
    return sum(i * o + o for i, o in pairwise(sizes))


@pytest.mark.parametrize("dims", [DIMS, Dims(67, 21)])
def test_sac_computes_and_moves_what_its_formulas_say(dims: Dims) -> None:
    """Per update: forward, gradients of weights, gradients of inputs; Adam moves 7 words of a parameter, Polyak 3."""
    s: Any = load_algorithm("sac").Settings(**(small("sac") | {"batch_size": 6}))
    work = count_work(load_algorithm("sac"), s, dims, fake=True)
    batch, policy = s.batch_size, [dims.obs, *s.actor_hidden, 2 * dims.act]
    critic = [dims.obs + dims.act, *s.critic_hidden, 1]
    of_critics = (1 + 2) * dense(batch, critic) + dense(batch, critic[1:])  # one of them for the targets
    of_action = dense(batch, critic) + dense(batch, [dims.act, critic[1]]) + dense(batch, critic[1:])
    of_policy = 2 * dense(batch, policy) + dense(batch, policy[1:])
    assert work.calls[0].flops == dense(batch, policy) + 2 * of_critics + 2 * of_action + of_policy
    moved = WORD * (2 * parameters(critic) * (7 + 3) + 7 * parameters(policy))
    assert work.calls[0].bytes == pytest.approx(moved, rel=0.2), "rows of parameters are padded"
    assert work.calls[0].bytes >= moved
    assert work.act.flops == dense(1, policy)
    assert work.act.bytes == pytest.approx(WORD * parameters(policy), abs=WORD * 64)


@pytest.mark.parametrize("name", LEARNERS)
def test_counting_without_numbers_finds_what_real_calls_compute_for_every_seed(name: str) -> None:
    agent, source = make(name, [0, 1], utd=2, policy_delay=3), streams([0, 1])
    work = count_work(load_algorithm(name), agent.settings, DIMS, fake=True)
    assert work == count_work(load_algorithm(name), agent.settings, DIMS, fake=False)
    for call in work.calls:
        batch, noise = draw(agent, source)
        with torch_counts() as counter:
            agent.update(batch, noise)
        assert counter.get_total_flops() == 2 * call.flops
    noise = source.normal("act", agent.policy_noise(1))
    with torch_counts() as counter:
        agent.act(torch.zeros(2, 1, DIMS.obs), noise)
    assert counter.get_total_flops() == 2 * work.act.flops


def torch_counts() -> FlopCounterMode:
    """torch's own counter; its tracker of modules fails on inputs that want gradients under `no_grad`."""
    counter = FlopCounterMode(display=False)
    counter.mod_tracker = nullcontext()  # type: ignore[assignment]
    counter.mod_tracker.parents = {"Global"}  # type: ignore[attr-defined]
    return counter


def test_a_call_with_an_actor_update_does_more() -> None:
    settings: Any = load_algorithm("dime").Settings(**small("dime"))
    without, *with_actor = count_work(load_algorithm("dime"), settings, DIMS, fake=True).calls
    assert len(with_actor) == 2, "UTD 2, an actor update every third: two calls of three"
    for each in with_actor:
        assert each.flops > without.flops
        assert each.bytes > without.bytes


@pytest.mark.parametrize(("utd", "delay"), [(1, 1), (1, 3), (2, 3), (3, 2), (2, 4), (4, 3), (6, 3)])
def test_the_schedule_is_the_learners(utd: int, delay: int) -> None:
    agent = make("sac", [0], utd=utd, policy_delay=delay)
    for actor_updates in 3 * update_schedule(utd, delay):
        updates = {name.split(".")[0] for name in agent.update_noise() if ".actor." in name}
        assert updates == {str(i) for i in actor_updates}
        agent.grad_steps += utd


# --- an algorithm from elsewhere, which is nothing like ours --------------------------------------------------


@dataclass(frozen=True)
class ClonerSettings:
    learning_starts: int = 1
    batch_size: int = 8
    utd: int = 1
    replay_capacity: int = 100


class Cloner(Agent):
    """Imitates its own actions with torch's layers and its optimiser."""

    Settings: ClassVar[type] = ClonerSettings

    def __init__(self, dims: Dims, settings: Any, generators: Any, device: str) -> None:
        self.dims = dims
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Linear(dims.obs, 16), nn.ReLU(), nn.Linear(16, dims.act)) for _ in generators
        )
        self.optimizer = torch.optim.Adam(self.nets.parameters(), foreach=False)

    def policy_noise(self, rows: int) -> NoiseShapes:
        return {}

    def update_noise(self, ahead: int = 0) -> NoiseShapes:
        return {}

    @torch.inference_mode()
    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        return torch.stack([net(one) for net, one in zip(self.nets, obs, strict=True)])

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        losses = [(net(o) - a).square().mean() for net, o, a in zip(self.nets, batch.obs, batch.action, strict=True)]
        self.optimizer.zero_grad()
        sum(losses, torch.zeros(())).backward()
        self.optimizer.step()
        return {"loss": torch.stack(losses).detach()}

    def state_dict(self) -> dict[str, Tensor]:
        return dict(self.nets.state_dict())

    def load_state_dict(self, state: Any) -> None:
        self.nets.load_state_dict(state)


@pytest.mark.parametrize("fake", [True, False])
def test_an_algorithm_from_elsewhere_is_counted_by_what_it_does(fake: bool) -> None:
    work = count_work(Cloner, ClonerSettings(), Dims(5, 3), fake)
    forward = dense(8, [5, 16, 3])
    assert work.calls[0].flops == 2 * forward + dense(8, [16, 3])
    assert work.act == Work(dense(1, [5, 16, 3]), WORD * parameters([5, 16, 3])), "in inference mode"
    assert work.calls[0].bytes > WORD * 7 * parameters([5, 16, 3])
    assert work.widest == (1, 8, 5, 16)


def test_the_widest_product_is_that_of_the_critics_with_all_seeds() -> None:
    settings: Any = load_algorithm("crossq").Settings(batch_size=32, critic_hidden=(64, 48), actor_hidden=(8,))
    work = count_work(load_algorithm("crossq"), settings, Dims(30, 4), fake=True)
    assert work.widest == (2, 64, 64, 48), "s and s' at once"
    assert work.widest_of(5) == (10, 64, 64, 48)
    assert math.prod(LearnerWork((), Work(), (2, 3, 4, 5)).widest_of(2)) == 240


def test_counting_bytes_does_not_import_what_only_flops_need() -> None:
    """Triton comes with torch's formulas, and its 75 MB would be in the memory that a probe measures."""
    script = "import sys, dimebench.planning.probe, dimebench.planning.memory; print('triton' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
