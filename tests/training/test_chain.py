"""`--chain`: which chain a run has, where a fused one is refused, and what its identity says."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dimebench.agents.dime import DIME
from dimebench.agents.registry import load_algorithm
from dimebench.planning.plan import make_plan
from dimebench.planning.timed_parts import with_execution
from dimebench.training.block import Block
from dimebench.training.execution import modes as execution
from dimebench.training.execution.modes import ExecutionError, chosen_chain, prepare
from tests.agents.learners import DIMS, LEARNERS, draw, make, streams
from tests.planning.requests import request
from tests.training.blocks import make_block


@pytest.fixture
def triton(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if Triton were installed, where it is not."""
    monkeypatch.setattr(execution, "find_spec", lambda name: object())


class Counting:
    """Stands in for `FusedChain`: the policy's own sample, counted."""

    samples = 0

    def __init__(self, policy: Any) -> None:
        self.policy = policy

    def sample(self, obs: torch.Tensor, x0: torch.Tensor, eps: torch.Tensor) -> Any:
        Counting.samples += 1
        return self.policy.sample(obs, x0, eps)

    def act(self, obs: torch.Tensor, x0: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
        return self.sample(obs, x0, eps).action


def test_auto_is_the_plain_chain_on_every_device() -> None:
    dime = load_algorithm("dime")
    assert [chosen_chain(dime, device) for device in ("cpu", "cuda")] == ["plain", "plain"]


@pytest.mark.usefixtures("triton")
def test_a_fused_chain_is_planned_for_what_has_one_and_for_the_floor_which_runs_nothing(tmp_path: Path) -> None:
    plan = make_plan(request(algo="dime,random"), [0], tmp_path, "cuda", chain="fused")
    assert [block.chain for _, block in plan.blocks()] == ["fused", "plain"]
    with pytest.raises(
        ExecutionError, match=r"^--chain fused: SAC has no chain to fuse; run it without this option$"
    ):
        make_plan(request(algo="dime,sac"), [0], tmp_path, "cuda", chain="fused")


@pytest.mark.usefixtures("triton")
def test_an_algorithm_of_another_package_has_the_fused_chain_only_if_it_says_so() -> None:
    """It may sample in a way of its own."""

    class Mine(DIME):
        pass

    class Sure(DIME):
        chains = ("plain", "fused")

    with pytest.raises(ExecutionError, match="Mine has no chain to fuse"):
        chosen_chain(Mine, "cuda", "fused")
    assert chosen_chain(Sure, "cuda", "fused") == "fused"


@pytest.mark.parametrize("name", [name for name in LEARNERS if "fused" not in load_algorithm(name).chains])
@pytest.mark.usefixtures("triton")
def test_learners_without_a_chain_refuse_a_fused_one(name: str) -> None:
    with pytest.raises(ExecutionError, match="has no chain to fuse"):
        prepare(make(name, [0]), "cuda", "eager", "float32", "fused")


def test_a_cpu_and_a_missing_package_refuse_a_fused_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ExecutionError, match=r"^--chain fused: needs a CUDA device$"):
        prepare(make("dime", [0]), "cpu", "eager", "float32", "fused")
    monkeypatch.setattr(execution, "find_spec", lambda name: None)
    with pytest.raises(ExecutionError, match=r"^--chain fused: needs the package triton, "):
        chosen_chain(load_algorithm("dime"), "cuda", "fused")


def test_kernels_refuse_what_they_do_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton", reason="triton is not installed")
    from dimebench.agents.parts.chain import calls

    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with pytest.raises(ExecutionError, match=r"compute capability 8.0 or later is needed, not 7.5; --chain plain"):
        prepare(make("dime", [0]), "cuda", "eager", "float32", "fused")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    agent: Any = make("dime", [0])
    assert prepare(agent, "cuda", "eager", "float32", "fused") is agent
    assert agent.chain is not None
    monkeypatch.setattr(calls, "MOST_ACTIONS", DIMS.act - 1)
    with pytest.raises(ExecutionError, match=f"actions have at most {DIMS.act - 1} dimensions, not {DIMS.act}"):
        prepare(make("dime", [0]), "cuda", "eager", "float32", "fused")


def test_whatever_samples_goes_through_the_chain_that_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dimebench.agents.parts.chain.fused", SimpleNamespace(FusedChain=Counting))
    agent: Any = make("dime", [0], utd=2, policy_delay=2)
    source = streams([0])
    Counting.samples = 0
    agent.use_chain("fused")
    agent.update(*draw(agent, source))  # the targets of both critic updates together, and the actor's
    assert Counting.samples == 2
    obs, noise = torch.ones(1, 1, DIMS.obs), source.normal("act", agent.policy_noise(1))
    assert torch.equal(agent.evaluate(obs, noise), agent.act(obs, noise))
    assert Counting.samples == 4
    agent.use_chain("plain")
    agent.act(obs, noise)
    assert Counting.samples == 4


def test_the_identity_names_a_chain_that_is_not_plain_and_is_otherwise_as_it_was() -> None:
    plain = make_block("dime")
    assert plain.identity()["execution"] == {"device": "cpu", "threads": 1, "mode": "graph", "precision": "float32"}
    fused = with_execution(plain, chain="fused")
    assert fused.identity()["execution"] == plain.identity()["execution"] | {"chain": "fused"}
    assert Block.from_json(fused.to_json()) == fused
    old = {name: value for name, value in plain.to_json().items() if name != "chain"}
    assert Block.from_json(old) == plain
