"""Compiled and recorded learners compute what eager ones compute."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch

from dimebench.agents.base import Agent, NoSettings
from dimebench.agents.parts.networks import FEW_ROWS
from dimebench.agents.parts.paths import gpu_ways
from dimebench.agents.random import Random
from dimebench.agents.registry import load_algorithm
from dimebench.agents.sac import SAC
from dimebench.training.block import Protocol
from dimebench.training.execution.graphs import CpuGraphs
from dimebench.training.execution.modes import Captured, ExecutionError, chosen, prepare
from tests.agents.learners import DIMS, LEARNERS, assert_learn_alike, draw, having, make, small, streams, train
from tests.training.blocks import assert_same_outputs, carry_out, make_block, outputs, trainer
from tests.training.blocks import train as run_block

SEEDS = [3, 11]
SLOW = pytest.mark.slow


class Counting(CpuGraphs):
    """Counts what it is asked for."""

    captured = replayed = 0

    def capture(self, function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        replay, result = super().capture(function)
        self.captured += 1

        def counted() -> None:
            self.replayed += 1
            replay()

        return counted, result


def assert_same_state(one: Agent, other: Agent) -> None:
    """Bit for bit, counts included."""
    state = other.state_dict()
    for key, value in one.state_dict().items():
        assert torch.equal(value, state[key]), key


@pytest.mark.parametrize("name", LEARNERS)
def test_recorded_updates_are_the_eager_ones_bit_for_bit(name: str) -> None:
    """Across the end of BatchRenorm's warm-up, which falls inside a call, and over every kind of call."""
    warmup = having(name, renorm_warmup=41)
    eager, recorded = (make(name, SEEDS, utd=2, policy_delay=3, **warmup) for _ in range(2))
    recorder = Counting()
    learner = Captured(recorded, recorder)
    one, other = streams(SEEDS), streams(SEEDS)
    for _ in range(60):
        expected = eager.update(*draw(eager, one))
        found = learner.update(*draw(recorded, other))
        assert expected.keys() == found.keys()
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert_same_state(eager, recorded)
    assert recorder.captured >= 3
    assert recorder.replayed > 30


@pytest.mark.parametrize("name", LEARNERS)
def test_recorded_actions_are_the_eager_ones(name: str) -> None:
    agent = make(name, SEEDS)
    learner, source = Captured(agent, Counting()), streams(SEEDS)
    for rows in (1, 4):
        for _ in range(6):
            obs = torch.randn(len(SEEDS), rows, DIMS.obs)
            noise = source.normal("act", agent.policy_noise(rows))
            assert torch.equal(learner.act(obs, noise), agent.act(obs, noise))
            assert torch.equal(learner.evaluate(obs, noise), agent.evaluate(obs, noise))


def test_metrics_of_a_recorded_update_stay_as_they_were() -> None:
    agent, source = make("sac", SEEDS), streams(SEEDS)
    learner = Captured(agent, Counting())
    metrics = [learner.update(*draw(agent, source)) for _ in range(8)]
    assert len({float(m["critic_loss"][0]) for m in metrics}) == 8


@pytest.mark.parametrize(
    ("algorithm", "env_steps"), [("sac", 150), ("dime", 60), *(pytest.param(a, 1000, marks=SLOW) for a in LEARNERS)]
)
def test_a_whole_run_through_recordings_is_the_eager_one_bit_for_bit(
    algorithm: str, env_steps: int, tmp_path: Path
) -> None:
    """Of a small task, evaluations included."""
    protocol = Protocol(env_steps=env_steps, action_repeat=20, eval_interval=env_steps // 2, eval_episodes=1)
    block = make_block(algorithm, protocol=protocol, mode="eager")
    assert run_block(block, tmp_path / "eager") == "finished"
    made = trainer(block, tmp_path / "recorded")
    made.learner = made.off_policy.learner = Captured(made.agent, recorder := Counting())
    assert carry_out(made, tmp_path / "recorded") == "finished"
    assert recorder.replayed > 1.5 * env_steps  # act and update of most env steps
    assert_same_outputs(outputs(block, tmp_path / "recorded"), outputs(block, tmp_path / "eager"))


@pytest.mark.parametrize(
    ("name", "ways"),
    [
        ("sac", nullcontext),
        *(pytest.param(name, nullcontext, marks=SLOW) for name in LEARNERS if name != "sac"),
        *(pytest.param(name, gpu_ways, marks=SLOW) for name in LEARNERS),
    ],
)
def test_compiled_updates_agree_with_eager_ones(name: str, ways: Callable[[], Any]) -> None:
    with ways():
        eager, compiled = make(name, SEEDS), make(name, SEEDS)
        compiled.compile()
        assert_learn_alike(eager, compiled, 8, 2e-3, off=(1e-4, 0.1))


@pytest.mark.parametrize("name", LEARNERS)
def test_bfloat16_rounds_products_and_leaves_parameters_and_losses_in_float32(name: str) -> None:
    exact, rounded = (make(name, SEEDS, batch_size=FEW_ROWS) for _ in range(2))
    prepare(rounded, "cpu", "eager", "bf16")
    expected, found = train(exact, streams(SEEDS), 1)[0], train(rounded, streams(SEEDS), 1)[0]
    for key in expected:
        assert found[key].dtype == torch.float32
        torch.testing.assert_close(found[key], expected[key], rtol=0.1, atol=0.1)
    assert any(not torch.equal(found[key], expected[key]) for key in expected)
    assert all(arena.dtype == torch.float32 for arena in rounded.arenas.values())


@pytest.mark.parametrize("name", LEARNERS)
def test_recorded_updates_in_bfloat16_are_the_eager_ones_bit_for_bit(name: str) -> None:
    """Weights are rounded once for all their uses in a recording, and anew after every optimiser step."""
    eager, recorded = (make(name, [3], utd=2, policy_delay=3, batch_size=FEW_ROWS) for _ in range(2))
    prepare(eager, "cpu", "eager", "bf16")
    learner = prepare(recorded, "cpu", "graph", "bf16")
    one, other = streams([3]), streams([3])
    for call in range(24):
        if call == 18:  # as after a checkpoint: other parameters at the same places
            for agent in (eager, recorded):
                agent.modules["critics"].load_state_dict(make(name, [5]).modules["critics"].state_dict())
        expected, found = eager.update(*draw(eager, one)), learner.update(*draw(recorded, other))
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert_same_state(eager, recorded)


@pytest.mark.parametrize("name", LEARNERS)
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_acting_in_bfloat16_is_acting_in_float32_on_a_cpu(name: str, mode: str) -> None:
    """For few rows it takes no longer, and rounds nothing; a batch of actions is rounded."""
    exact, rounded = make(name, [3]), make(name, [3])
    with torch.no_grad():  # DIME's score starts at zero
        exact.arenas["policy"] += 0.1 * torch.randn_like(exact.arenas["policy"])
        rounded.arenas["policy"].copy_(exact.arenas["policy"])
    learner, source = prepare(rounded, "cpu", mode, "bf16"), streams([3])
    for rows, same in ((1, True), (10, True), (FEW_ROWS, False)):
        for _ in range(5):
            obs, noise = torch.randn(1, rows, DIMS.obs), source.normal("act", exact.policy_noise(rows))
            assert torch.equal(learner.act(obs, noise), exact.act(obs, noise)) == same


def test_auto_is_graphs_in_float32_on_a_cpu_and_compiled_graphs_in_tf32_on_a_gpu() -> None:
    dime, floor = load_algorithm("dime"), load_algorithm("random")
    assert chosen(dime, "cpu") == ("graph", "float32")
    assert chosen(dime, "cuda") == ("compile+graph", "tf32")
    assert chosen(dime, "cuda", "eager", "bf16") == ("eager", "bf16")
    assert chosen(floor, "cuda") == ("eager", "float32")


def test_another_package_s_algorithm_runs_eagerly_until_it_says_that_it_is_graphable() -> None:
    class Mine(SAC):
        """Its update may do anything: print, count, draw lots."""

    class Sure(SAC):
        graphable = True

    class Bare(Agent):
        """Declares nothing."""

    assert chosen(Bare, "cpu") == chosen(Bare, "cuda") == ("eager", "float32")
    assert chosen(Mine, "cpu") == ("eager", "float32")
    assert chosen(Mine, "cuda") == ("eager", "tf32")
    assert chosen(Sure, "cpu") == ("graph", "float32")


@pytest.mark.parametrize(("mode", "lacking"), [("graph", "graphable or bf16"), ("compile", "compilable or bf16")])
def test_what_a_class_does_not_declare_is_refused_in_one_line(mode: str, lacking: str) -> None:
    class Bare(Random):
        learns = True

    agent = Bare(DIMS, NoSettings(), [torch.Generator()], "cpu")
    with pytest.raises(
        ExecutionError, match=f"^Bare does not declare {lacking}; --mode auto --precision auto runs it$"
    ):
        prepare(agent, "cpu", mode, "bf16")
    assert prepare(agent, "cpu", "eager", "float32") is agent


def test_graphs_that_a_parent_can_be_run_as_are_to_be_had_where_they_are_asked_for() -> None:
    class Mine(SAC):
        pass

    agent = Mine(DIMS, Mine.Settings(**small("sac")), [torch.Generator()], "cpu")
    assert isinstance(prepare(agent, "cpu", "graph", "float32"), Captured)


@pytest.mark.parametrize(("mode", "precision"), [("compile+graph", "bf16"), ("eager", "tf32")])
def test_what_needs_a_gpu_is_refused_on_a_cpu(mode: str, precision: str) -> None:
    with pytest.raises(ExecutionError, match="needs a CUDA device"):
        prepare(make("sac", [0]), "cpu", mode, precision)


def test_a_compiled_function_is_never_wrapped_in_code_that_all_learners_share() -> None:
    """Variants of one code object are limited, so a process that trains many blocks would reach the limit."""

    class Wrapped(SAC):
        @torch.no_grad()
        def target_sample(self, next_obs: torch.Tensor, noise: Any) -> Any:
            return super().target_sample(next_obs, noise)

    algorithm = load_algorithm("sac")
    agent = Wrapped(DIMS, algorithm.Settings(critic_hidden=(4,), actor_hidden=(4,)), [torch.Generator()], "cpu")
    with pytest.raises(TypeError, match="target_sample is wrapped by a decorator"):
        agent.compile()
    for name in LEARNERS:
        owners = make(name, [0]).compiled_functions()
        codes = [getattr(owner, function).__code__.co_filename for owner, function in owners]
        assert all("dimebench" in code for code in codes)
