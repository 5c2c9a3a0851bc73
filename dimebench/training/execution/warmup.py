"""Before training on a GPU: everything compiled and captured, every kind of call once, and the learner as it was.

Otherwise an env step here and there would wait for a compiler, the latest where BatchRenorm's warm-up ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from dimebench.agents.base import Batch, Dims, NoiseShapes
from dimebench.training.execution.modes import WARM_CALLS, Learner


def warm_up(
    agent: Any,
    learner: Learner,
    dims: Dims,
    rows: Mapping[str, int],
    calls: int,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Run `learner` until it has captured every kind of call that lies ahead; `agent` comes out as it went in.

    `rows` says on how many observations a seed acts and is evaluated, `calls` how many updates are to come. An
    algorithm that does not know its kinds of update sets up as it goes. Between two calls it may be told to stop.
    """
    if not hasattr(agent, "update_kinds"):
        return
    draw = _Draw(agent.seeds, agent.device)
    s, counts = agent.settings, agent.counts()
    before = {name: value.to("cpu", copy=True) for name, value in agent.state_dict().items()}
    try:
        for name, count in rows.items():
            obs, noise = draw({"obs": (count, dims.obs)})["obs"], draw(agent.policy_noise(count))
            for _ in range(WARM_CALLS + 1):
                getattr(learner, name)(obs, noise)
        for kind in agent.update_kinds(calls).values():
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
