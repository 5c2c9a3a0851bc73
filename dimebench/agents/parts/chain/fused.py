"""DIME's chain through the kernels of `calls`: the numbers of `DiffusionPolicy.sample`, to rounding.

Without gradients the chain is one kernel, its log ratio included. With them it is one kernel forward, that keeps the
path alone, and one backward, that computes each step's network again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dimebench.agents.parts.chain import calls
from dimebench.agents.parts.chain.stepwise import Begun, Chain, PathGradient
from dimebench.agents.parts.diffusion import DiffusionSample


class FusedChain(Chain):
    """The chain of a policy, through the kernels."""

    def compiled_functions(self) -> list[tuple[Any, str]]:
        return [(self, name) for name in ("begin", "collect", "weigh", "costs")]

    @property
    def precision(self) -> str:
        """The kernels' name for the products' type under torch's setting for float32, which `prepare` makes."""
        if self.dtype == torch.bfloat16:
            return "bf16"
        return "float32" if torch.get_float32_matmul_precision() == "highest" else "tf32"

    @torch.no_grad()
    def act(self, obs: Tensor, x0: Tensor, eps: Tensor) -> Tensor:
        begun, scale = self.begin(obs, x0, eps)
        return torch.tanh(calls.sample_no_grad(begun, scale, eps, self.policy.score.dense(), self.precision)[0])

    def sample_no_grad(
        self, begun: Begun, dense: Sequence[Tensor], x0: Tensor, eps: Tensor, scale: Tensor
    ) -> DiffusionSample:
        return self.costs(x0, *calls.sample_no_grad(begun, scale, eps, dense, self.precision))

    def costs(self, x0: Tensor, x: Tensor, log_w: Tensor) -> DiffusionSample:
        return self.policy.costs(x0, x, log_w)

    def run_keeping(self, begun: Begun, dense: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return calls.forward_path(begun, dense, self.precision), []

    def run_back(
        self, of_path: Tensor, begun: Begun, path: Tensor, kept: Sequence[Tensor], dense: Sequence[Tensor]
    ) -> PathGradient:
        return calls.backward_path(of_path, path, begun, dense, self.precision)
