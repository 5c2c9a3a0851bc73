"""DIME's chain through the kernels of `chain_triton`: the numbers of `DiffusionPolicy.sample`, to rounding.

Without gradients the chain is one kernel, its log ratio included. With them it is one kernel forward, that keeps the
path alone, and one backward, that computes each step's network again; the gradients of parameters are then a few
products over the rows of all steps at once.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dimebench.agents.chain_triton import PathGradient, backward_path, forward_path, operand_type, sample_no_grad
from dimebench.agents.diffusion import DiffusionPolicy, DiffusionSample
from dimebench.agents.gaussian import normal_log_prob, tanh_log_det


class Fused:
    """The chain of a policy, through the kernels."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        self.policy = policy

    def sample(self, obs: Tensor, x0: Tensor, eps: Tensor) -> DiffusionSample:
        """As `DiffusionPolicy.sample`: obs [S, B, O]; x0 [S, B, A] and eps [S, N, B, A] standard normal."""
        policy = self.policy
        eta = policy.step_sizes()  # [S, N, A]
        keep, scale = 1.0 - eta / policy.prior_std**2, torch.sqrt(2.0 * eta)
        base, time, dense, dtype = policy.score.prepare(obs, policy.steps)
        precision, start = precision_of(dtype), policy.prior_std * x0
        if torch.is_grad_enabled():
            path = FusedChain.apply(precision, start, keep, eta, scale[:, :, None] * eps, base, time, *dense)
            residual = (path[:, :-1] - keep[:, :, None] * path[:, 1:]) / scale[:, :, None]
            x, log_w = path[:, -1], 0.5 * (eps.square() - residual.square()).sum((1, 3))
        else:
            x, log_w = sample_no_grad(start, keep, eta, scale, eps, base, time, dense, precision)
        running_cost = -(log_w + tanh_log_det(x).sum(-1))
        terminal_cost = normal_log_prob(x0, math.log(policy.prior_std)).sum(-1)
        return DiffusionSample(torch.tanh(x), running_cost, terminal_cost)


def precision_of(dtype: torch.dtype) -> str:
    """The kernels' name for products of this type under torch's setting for float32, which `prepare` makes."""
    if dtype == torch.bfloat16:
        return "bf16"
    return "float32" if torch.get_float32_matmul_precision() == "highest" else "tf32"


class FusedChain(torch.autograd.Function):
    """The path of a chain as a function of everything that it depends on."""

    @staticmethod
    def forward(
        ctx: Any,
        precision: str,
        x0: Tensor,
        keep: Tensor,
        eta: Tensor,
        shove: Tensor,
        base: Tensor,
        time: Tensor,
        *dense: Tensor,
    ) -> Tensor:
        """As `chain_triton.forward_path`."""
        path = forward_path(x0, keep, eta, shove, base, time, dense, precision)
        ctx.precision = precision
        ctx.save_for_backward(path, keep, eta, base, time, *dense)
        return path

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_path: Tensor) -> tuple[Tensor | None, ...]:
        path, keep, eta, base, time, *dense = ctx.saved_tensors
        way = backward_path(of_path, path, keep, eta, base, time, dense, ctx.precision)
        return (None, *chain_gradients(way, path, ctx.precision))


def chain_gradients(way: PathGradient, path: Tensor, precision: str) -> list[Tensor]:
    """The gradients of x_0, keep, eta, shove, base and time, then of `dense`, all in float32.

    A weight's is one product over the rows of all steps, what went into its layer [S, N B, I] with the gradient of
    what came out [S, N B, O].
    """
    before = path[:, :-1]
    of_keep, of_eta = ((way.shove * factor).sum(2) for factor in (before, way.scores))
    first = way.inner[0].float()
    inputs = [before.to(operand_type(precision)), *way.hidden]
    outputs = [*way.inner, way.outer]
    of_weights = [_over_rows(x, d) for x, d in zip(inputs, outputs, strict=True)]
    of_biases = [d.sum((1, 2), dtype=torch.float32)[:, None] for d in outputs[1:]]
    of_layers = [of for layer in zip(of_weights[1:], of_biases, strict=True) for of in layer]
    return [way.x0, of_keep, of_eta, way.shove, first.sum(1), first.sum(2), of_weights[0], *of_layers]


def _over_rows(x: Tensor, d: Tensor) -> Tensor:
    """[S, N, B, I] and [S, N, B, O] to [S, I, O], added up in float32."""
    x, d = x.flatten(1, 2).mT, d.flatten(1, 2)
    if x.is_cuda and x.dtype == torch.bfloat16:
        return torch.bmm(x, d, out_dtype=torch.float32)
    return torch.bmm(x, d).float()
