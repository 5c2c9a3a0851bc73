"""Before training on a GPU: everything is compiled and captured, each kind of call once; the learner stays as it was.

Otherwise single env steps would wait for a compiler, the last of them where BatchRenorm's warm-up ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from dimebench.agents.base import Agent, Batch, Dims, NoiseShapes
from dimebench.training.execution.modes import WARM_CALLS, Learner


def warm_up(
    agent: Agent, learner: Learner, dims: Dims, rows: Mapping[str, int], calls: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:  # fmt: skip
    """Run `learner` until it has captured every kind of call to come; `agent` comes out as it went in.

    `rows` says on how many observations per seed it acts and is evaluated, `calls` how many updates are to come. An
    algorithm that does not know its kinds of update sets up as it goes. `should_stop` is asked between two calls.
    """
    kinds = agent.update_kinds(calls)
    if kinds is None:
        return
    draw = _Draw(agent.seeds, agent.device)
    s, counts = agent.settings, agent.counts()
    before = {name: value.to("cpu", copy=True) for name, value in agent.state_dict().items()}
    try:
        for function, count in ((learner.act, rows["act"]), (learner.evaluate, rows["evaluate"])):
            obs, noise = draw({"obs": (count, dims.obs)})["obs"], draw(agent.policy_noise(count))
            for _ in range(WARM_CALLS + 1):
                function(obs, noise)
        for kind in kinds.values():
            for _ in range(WARM_CALLS + 1):
                if should_stop():
                    return
                agent.set_counts(kind)
                learner.update(draw.batch(s.utd * s.batch_size, dims), draw(agent.update_noise()))
    finally:
        agent.load_state_dict(before)
        agent.set_counts(counts)


class _Draw:
    """Numbers to warm up with, from a generator of its own: no seed's stream moves."""

    def __init__(self, seeds: int, device: torch.device) -> None:
        self._seeds, self._device = seeds, device
        self._generator = torch.Generator(device).manual_seed(0)

    def __call__(self, shapes: NoiseShapes) -> dict[str, Tensor]:
        return {
            name: torch.randn(self._seeds, *shape, generator=self._generator, device=self._device)
            for name, shape in shapes.items()
        }

    def batch(self, rows: int, dims: Dims) -> Batch:
        wide = self({"obs": (rows, dims.obs), "action": (rows, dims.act), "next_obs": (rows, dims.obs)})
        reward = self({"reward": (rows,)})["reward"]
        return Batch(wide["obs"], torch.tanh(wide["action"]), reward, wide["next_obs"], torch.zeros_like(reward))
