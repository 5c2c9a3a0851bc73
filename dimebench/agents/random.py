"""The floor of every table: actions drawn uniformly from [-1, 1], nothing learned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from dimebench.agents.base import Agent, Batch, Dims, Metrics, Noise, NoiseShapes, NoSettings


class Random(Agent):
    """Uniform random actions, from normal noise through its distribution function."""

    summary: ClassVar[str] = "uniform random actions, the floor"
    learns = False

    def __init__(self, dims: Dims, settings: NoSettings, generators: Sequence[torch.Generator], device: str) -> None:
        self.dims = dims

    def policy_noise(self, rows: int) -> NoiseShapes:
        return {"eps": (rows, self.dims.act)}

    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        return torch.erf(noise["eps"] / math.sqrt(2.0))

    def update_noise(self, ahead: int = 0) -> NoiseShapes:
        return {}

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        return {}

    def state_dict(self) -> dict[str, Tensor]:
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to load."""
