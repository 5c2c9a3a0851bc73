"""Batch renormalisation (Ioffe 2017, arXiv 1702.03275) over the batch axis of [*stack, B, F].

Source: `BatchRenorm` of the CrossQ and DIME code. The gradient is written out: left to autograd, the many small
operations cost as much as the layer's matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

VAR_FLOOR = 1e-30  # under the square root of a variance: keeps its gradient finite for a constant feature


@dataclass(frozen=True)
class RenormSettings:
    """BatchRenorm's constants; the defaults are CrossQ's and DIME's."""

    momentum: float = 0.99
    eps: float = 1e-3
    r_max: float = 3.0
    d_max: float = 5.0
    warmup: int = 100_000  # training-mode forwards with plain batch statistics


class BatchRenorm(nn.Module):
    """y = scale (x - mean) / sqrt(var + eps) + bias, with the batch's, the corrected or the running statistics."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, stack: tuple[int, ...], features: int, settings: RenormSettings) -> None:
        super().__init__()
        self.settings = settings
        self.scale = nn.Parameter(torch.ones(*stack, 1, features))
        self.bias = nn.Parameter(torch.zeros(*stack, 1, features))
        self.register_buffer("running_mean", torch.zeros(*stack, 1, features))
        self.register_buffer("running_var", torch.ones(*stack, 1, features))
        self.set_steps(0)

    def set_steps(self, steps: int) -> None:
        """Set how many training-mode forwards there have been: the caller counts them.

        `forward` is arithmetic alone, so it can be compiled and captured; the warm-up's end is another graph.
        """
        self.steps = steps
        self.corrects = steps >= self.settings.warmup

    def forward(self, x: Tensor, training: bool) -> Tensor:
        s = self.settings
        if not training:
            return self.at_running_statistics(x)
        with torch.no_grad():
            mean = x.mean(-2, keepdim=True)
            var = (x.square().mean(-2, keepdim=True) - mean.square()).clamp_min(0.0)  # biased, as in the source
            r, d = self._corrections(mean, var) if self.corrects else (None, None)
            self.running_mean.lerp_(mean, 1 - s.momentum)  # after use
            self.running_var.lerp_(var, 1 - s.momentum)
        given = x, self.scale, self.bias, mean, var, r, d, s.eps
        out: Tensor = _Normalise.apply(*given)  # type: ignore[no-untyped-call]
        return out

    def at_running_statistics(self, x: Tensor, columns: slice = slice(None)) -> Tensor:
        """The evaluation forward of some of the features: x [*stack, B, columns]. The parameters are constants."""
        gain = torch.rsqrt(self.running_var + self.settings.eps) * self.scale.detach()
        return (x - self.running_mean[..., columns]) * gain[..., columns] + self.bias.detach()[..., columns]

    def _corrections(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """r and d [*stack, 1, F], from the batch's statistics towards the running ones."""
        s = self.settings
        std, running_std = torch.sqrt(var + s.eps), torch.sqrt(self.running_var + s.eps)
        r = (std / running_std).clamp(1 / s.r_max, s.r_max)
        return r, ((mean - self.running_mean) / running_std).clamp(-s.d_max, s.d_max)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        self.set_steps(int(state))


class _Normalise(torch.autograd.Function):
    """y = scale xhat + bias, xhat = (x - m) / sqrt(v + eps), where the batch's mean and var depend on x.

    Before the warm-up m = mean and v = var. After it, with r and d cut from the gradient,
    m = mean - d sqrt(var) / r (without eps, as in the source) and v = var / r^2.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, bias: Tensor, mean: Tensor, var: Tensor,
        r: Tensor | None, d: Tensor | None, eps: float,
    ) -> Tensor:  # fmt: skip
        m, v = mean, var
        if r is not None and d is not None:
            m, v = mean - d * torch.sqrt(var.clamp_min(VAR_FLOOR)) / r, var / r.square()
        inv = torch.rsqrt(v + eps)
        xhat = (x - m) * inv
        ctx.save_for_backward(xhat, scale, inv, mean, m, var, r, d)
        return torch.addcmul(bias, xhat, scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """With G = sum g and P = sum g xhat over the batch of B:

        dbias = G, dscale = P, dm = -scale inv G, dv = -scale inv^2 P / 2;
        dx = scale inv g + (dmean + 2 dvar (x - mean)) / B, from mean = E[x] and var = E[x^2] - mean^2,
        and x - mean = xhat / inv + m - mean.
        """
        (g,) = grads
        xhat, scale, inv, mean, m, var, r, d = ctx.saved_tensors
        total, projected = g.sum(-2, keepdim=True), (g * xhat).sum(-2, keepdim=True)
        gain = scale * inv
        d_mean, d_var = -gain * total, -0.5 * gain * inv * projected
        if r is not None:
            root = torch.sqrt(var.clamp_min(VAR_FLOOR))
            d_var = d_var / r.square() - d_mean * d * (var > VAR_FLOOR) / (2 * r * root)
        rows = g.shape[-2]
        slope = 2 * d_var / rows
        dx = torch.addcmul(d_mean / rows + slope * (m - mean), xhat, slope / inv)
        return dx.addcmul_(g, gain), projected, total, None, None, None, None, None
