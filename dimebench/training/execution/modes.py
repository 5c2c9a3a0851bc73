"""How a learner's functions are run: as they are, or as graphs captured by hand.

Both run the same functions of `agents`, and a test holds one to the other. A graph is a recording of work at fixed
addresses (`graphs`): inputs are copied into buffers of its own, and what a call does in Python (its counts) is done
again with each replay.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any, Protocol

import torch
from torch import Tensor

from dimebench.agents.base import Agent, Batch, Metrics, Noise, NoiseShapes
from dimebench.agents.updates.unstacked import UnstackedSeeds
from dimebench.training.execution.graphs import CpuGraphs, CudaGraphs, ExecutionError, Recorder

MODES = ("eager", "compile", "graph", "compile+graph")
PRECISIONS = ("float32", "tf32", "bf16")
CHAINS = ("plain", "fused")
AUTO_CHAIN = "plain"  # everywhere, until a GPU has shown the fused chain right and faster
WARM_CALLS = 3  # of each kind, before it is captured: compilers, libraries and optimisers set themselves up in them


class Learner(Protocol):
    """What the loop and the evaluation ask of what runs the agent."""

    def act(self, obs: Tensor, noise: Noise) -> Tensor: ...
    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor: ...
    def policy_noise(self, rows: int) -> NoiseShapes: ...
    def update(self, batch: Batch, noise: Noise) -> Metrics: ...


def prepare(agent: Agent, device: str, mode: str, precision: str, chain: str = "plain") -> Learner:
    """Set the agent up for a mode, a precision and a chain: itself, or what runs it as graphs.

    Raises ExecutionError for a combination that the device or the algorithm does not know.
    """
    on_gpu = device.startswith("cuda")
    if not on_gpu and (mode == "compile+graph" or precision == "tf32"):
        raise ExecutionError(f"{mode} in {precision} needs a CUDA device")
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    if not agent.learns:
        return agent
    _check_able(agent.algorithm if isinstance(agent, UnstackedSeeds) else type(agent), mode, precision)
    if precision == "bf16":
        agent.set_matmul_dtype(torch.bfloat16)
    if chain == "fused":
        _fuse(agent, device)
    if "compile" in mode:
        agent.compile()
    if "graph" not in mode:
        return Compiled(agent) if on_gpu and mode == "compile" else agent
    return Captured(agent, CudaGraphs(device) if on_gpu else CpuGraphs())


def _check_able(algorithm: type[Agent], mode: str, precision: str) -> None:
    """Raises ExecutionError where the class does not declare that it can. A parent's `graphable` counts here."""
    parents = [each for each in algorithm.__mro__ if issubclass(each, Agent)]
    lacking = [
        *(["graphable"] if "graph" in mode and not any(each.graphable for each in parents) else []),
        *(["compilable"] if "compile" in mode and not algorithm.compilable else []),
        *([precision] if precision not in algorithm.precisions else []),
    ]
    if lacking:
        what = f"{algorithm.__name__} does not declare {' or '.join(lacking)}"
        raise ExecutionError(f"{what}; --mode auto --precision auto runs it")


@cache
def chosen(algorithm: type[Agent], device: str, mode: str = "auto", precision: str = "auto") -> tuple[str, str]:
    """The mode and precision that `auto` stands for: on a GPU compiled graphs in TF32, on a CPU graphs in float32.

    (Compiling gains nothing on a CPU: docs/benchmarks.md.) Graphs repeat tensor operations and none of an update's
    Python, so an algorithm gets them where its own class, not one above it, says that it is `graphable`.
    """
    if not algorithm.learns:
        return "eager", "float32"
    on_gpu = device.startswith("cuda")
    if mode == "auto":
        graphs = "compile+graph" if on_gpu and algorithm.compilable else "graph"
        mode = graphs if algorithm.graphable else "eager"
    if precision == "auto":
        precision = "tf32" if on_gpu and "tf32" in algorithm.precisions else "float32"
    return mode, precision


def chosen_chain(algorithm: type[Agent], device: str, chain: str = "auto") -> str:
    """The chain that `auto` stands for, or the one asked for. Raises ExecutionError where it cannot be had."""
    if not algorithm.learns:
        return "plain"
    if chain == "auto":
        chain = AUTO_CHAIN
    if chain == "fused":
        _check_fused(algorithm, device)
    return chain


def _check_fused(algorithm: type[Agent], device: str) -> None:
    if not device.startswith("cuda"):
        raise ExecutionError("--chain fused: needs a CUDA device")
    if "fused" not in algorithm.chains:
        raise ExecutionError(f"--chain fused: {algorithm.__name__} has no chain to fuse; run it without this option")
    if find_spec("triton") is None:
        raise ExecutionError("--chain fused: needs the package triton, which torch for CUDA brings along")


def _fuse(agent: Agent, device: str) -> None:
    """Have the agent run its chain as kernels."""
    _check_fused(type(agent), device)
    from dimebench.agents.parts.chain.calls import unserved

    reason = unserved(agent.dims.act, torch.cuda.get_device_capability(device))
    if reason:
        raise ExecutionError(f"--chain fused: {reason}; --chain plain runs it")
    agent.use_chain("fused")


class Compiled:
    """Runs a compiled agent on inputs of one layout: compiled code is for no other, and noise comes in slices."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def policy_noise(self, rows: int) -> NoiseShapes:
        return self.agent.policy_noise(rows)

    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        return self.agent.act(*_laid_out(obs, noise))

    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor:
        return self.agent.evaluate(*_laid_out(obs, noise))

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        return self.agent.update(batch, _laid_out(batch.obs, noise)[1])


def _laid_out(obs: Tensor, noise: Noise) -> tuple[Tensor, dict[str, Tensor]]:
    """Copies without gaps, from whichever tensors they were cut."""
    like = torch.contiguous_format
    return obs.clone(memory_format=like), {name: value.clone(memory_format=like) for name, value in noise.items()}


class Captured:
    """Runs an agent by replaying recordings of its functions, one for each kind of call."""

    def __init__(self, agent: Agent, recorder: Recorder) -> None:
        self.agent, self._recorder = agent, recorder
        self._calls: dict[tuple[Any, ...], _Call] = {}

    def policy_noise(self, rows: int) -> NoiseShapes:
        return self.agent.policy_noise(rows)

    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        """As the agent's own, in a tensor that the next call overwrites."""
        return self._policy("act", self.agent.act, obs, noise)

    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor:
        return self._policy("evaluate", self.agent.evaluate, obs, noise)

    def _policy(self, name: str, function: Callable[..., Tensor], obs: Tensor, noise: Noise) -> Tensor:
        call = self._call(name, *obs.shape)
        (action,) = call.run({"obs": obs, **noise}, lambda given: (function(given["obs"], _without(given, "obs")),))
        return action

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        """As the agent's own. Metrics are copies: a later call does not change them."""
        tensors = batch.tensors()
        call = self._call("update", *self.agent.update_key(), *batch.obs.shape)

        def update(given: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
            metrics = self.agent.update(Batch(*(given[name] for name in tensors)), _without(given, *tensors))
            call.names = list(metrics)
            return (torch.stack(list(metrics.values())),)

        before, replays = self.agent.counts(), call.replay is not None
        (values,) = call.run(tensors | dict(noise), update)
        if replays:
            self.agent.set_counts([a + b for a, b in zip(before, call.counted, strict=True)])
        else:
            call.counted = [b - a for a, b in zip(before, self.agent.counts(), strict=True)]
        return dict(zip(call.names, values.clone(), strict=True))

    def _call(self, *key: Any) -> _Call:
        return self._calls.setdefault(key, _Call(self._recorder))


class _Call:
    """One kind of call: the buffers that it reads, and its recording, once it has been made."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._warm = 0
        self._inputs: dict[str, Tensor] = {}
        self._result: tuple[Tensor, ...] = ()
        self.replay: Callable[[], None] | None = None
        self.names: list[str] = []  # of an update's metrics
        self.counted: list[int] = []  # what a call adds to the agent's counts

    def run(
        self, inputs: Mapping[str, Tensor], function: Callable[[Mapping[str, Tensor]], tuple[Tensor, ...]]
    ) -> tuple[Tensor, ...]:
        if not self._inputs:  # before the first warm call: compiled code is for the layout that the capture will see
            self._inputs = {
                name: torch.empty_like(value, memory_format=torch.contiguous_format) for name, value in inputs.items()
            }
        for name, value in inputs.items():
            self._inputs[name].copy_(value)
        if self._warm < WARM_CALLS:
            self._warm += 1
            return self._recorder.warm(lambda: function(self._inputs))
        if self.replay is None:
            self.replay, self._result = self._recorder.capture(lambda: function(self._inputs))
        self.replay()
        return self._result


def _without(given: Mapping[str, Tensor], *names: str) -> dict[str, Tensor]:
    return {name: value for name, value in given.items() if name not in names}
