"""Blocks of many sizes, compiled one after another in one process, as a worker has them.

    python -m tests.gpu_free.blocks LEARNER MODE [shared | acting]

prints as JSON what each has compiled; `shared`: with code that all blocks share, as they once did; `acting`: of
blocks that only act. Tensors are the host's and learners in a GPU's ways: what is looked at here is torch.compile,
its guards and its limits.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import torch

from dimebench.agents.base import Batch, Dims
from dimebench.agents.parts import compiling
from dimebench.agents.parts.paths import gpu_ways
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.actor_critic import ActorCritic
from dimebench.training.execution import modes as execution
from dimebench.training.execution.modes import Captured, prepare
from dimebench.training.execution.warmup import warm_up
from dimebench.training.rng import NoiseBuffer, generator
from tests.agents.learners import having, small
from tests.gpu_free.compiling import Compiled, counting_compiler
from tests.gpu_free.watch import Watch

SIZES = [(67, 21), (24, 6), (17, 6), (15, 4), (6, 1), (12, 2), (5, 1), (78, 12), (3, 1), (44, 7)]  # dm_control's
SEEDS = (0, 1)
UPDATES = 6  # the second half of them after BatchRenorm's warm-up
LIMIT = 3  # variants of one code object, instead of torch's 8, where blocks share it


class Marking:
    """A recorder that says when a capture is under way, and records nothing."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def warm(self, function: Callable[[], Any]) -> Any:
        return function()

    def capture(self, function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        self._watch.graph = self
        try:
            return (lambda: None), function()
        finally:
            self._watch.graph = None


def train(name: str, dims: Dims, mode: str, updates: int, watch: Watch, compiled: Compiled) -> int:
    """A block as the trainer has it on CUDA; returns what has been compiled after the warm-up."""
    settings = small(name) | having(name, renorm_warmup=UPDATES // 2) | {"batch_size": 6, "utd": 1, "policy_delay": 1}
    algorithm = load_algorithm(name)
    agent: Any = algorithm(
        dims, algorithm.Settings(**settings), [generator(seed, "parameters") for seed in SEEDS], "cpu"
    )
    prepare(agent, "cpu", "compile", "float32")
    learner: Any = Captured(agent, Marking(watch)) if "graph" in mode else execution.Compiled(agent)
    warm_up(agent, learner, dims, {"act": 1, "evaluate": 1}, updates)
    before = sum(compiled.variants.values())
    shapes = {"obs": (6, dims.obs), "action": (6, dims.act), "next_obs": (6, dims.obs), "reward": (6,)}
    batches, noise = (
        NoiseBuffer(SEEDS, "batch", lambda _: shapes, "cpu"),
        NoiseBuffer(SEEDS, "update", agent.update_noise, "cpu"),
    )
    for _ in range(updates):
        drawn = {key: value.contiguous() for key, value in batches.next().items()}  # as a replay gives it
        learner.update(Batch(**drawn, terminated=torch.zeros_like(drawn["reward"])), noise.next())  # strided
    return sum(compiled.variants.values()) - before


def shared(agent: ActorCritic[Any]) -> None:
    for owner, name in agent.compiled_functions():
        setattr(owner, name, torch.compile(getattr(owner, name), fullgraph=True, dynamic=False))


def blocks(name: str, mode: str, how: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    watch = Watch()
    with ExitStack() as stack:
        compiled = stack.enter_context(counting_compiler(watch))
        stack.enter_context(gpu_ways())
        stack.enter_context(mock.patch.object(compiling, "MOST_VARIANTS", LIMIT))  # code that blocks share shows
        if how == "shared":
            stack.enter_context(mock.patch.object(ActorCritic, "compile", shared))
            stack.enter_context(torch._dynamo.config.patch(recompile_limit=LIMIT))
        for obs, act in SIZES:
            compiled.variants.clear()
            compiled.kinds.clear()
            try:
                late = train(name, Dims(obs, act), mode, 0 if how == "acting" else UPDATES, watch, compiled)
            except Exception as error:
                return [*found, {"error": type(error).__name__}]
            found.append({"compiled": compiled.counts(), "late": late, "faults": dict(watch.faults)})
    return found


if __name__ == "__main__":
    json.dump(blocks(sys.argv[1], sys.argv[2], (*sys.argv[3:], "")[0]), sys.stdout)
