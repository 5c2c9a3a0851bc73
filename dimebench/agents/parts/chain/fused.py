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
        return torch.tanh(self._end(begun, self.policy.score.dense(), eps, scale)[0])

    def sample_no_grad(
        self, begun: Begun, dense: Sequence[Tensor], x0: Tensor, eps: Tensor, scale: Tensor
    ) -> DiffusionSample:
        return self.costs(x0, *self._end(begun, dense, eps, scale))

    def _end(self, begun: Begun, dense: Sequence[Tensor], eps: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """x_N [S, B, A] and the log ratio [S, B]."""
        return calls.sample_no_grad(
            begun.x, begun.keep.squeeze(2), begun.eta.squeeze(2), scale.squeeze(2), eps,
            begun.base, begun.time, dense, self.precision,
        )  # fmt: skip

    def costs(self, x0: Tensor, x: Tensor, log_w: Tensor) -> DiffusionSample:
        return self.policy.costs(x0, x, log_w)

    def run_keeping(self, begun: Begun, dense: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        keep, eta = begun.keep.squeeze(2), begun.eta.squeeze(2)
        path = calls.forward_path(begun.x, keep, eta, begun.noise, begun.base, begun.time, dense, self.precision)
        return path, []

    def run_back(
        self, of_path: Tensor, begun: Begun, path: Tensor, kept: Sequence[Tensor], dense: Sequence[Tensor]
    ) -> PathGradient:
        keep, eta = begun.keep.squeeze(2), begun.eta.squeeze(2)
        return calls.backward_path(of_path, path, keep, eta, begun.base, begun.time, dense, self.precision)
