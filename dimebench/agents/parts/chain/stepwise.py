"""DIME's chain on a GPU: the same numbers as `DiffusionPolicy.sample`, to rounding, in far fewer kernels.

What a chain leaves unchanged is computed in one function, a step in another, the costs in a third, so that a compiler
fuses each. The way back is written out: autograd would add up every weight's gradient step by step; here each is one
product over the rows of all steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dimebench.agents.parts.compiling import compile_options
from dimebench.agents.parts.diffusion import SCORE_CLIP, DiffusionPolicy, DiffusionSample, gelu
from dimebench.agents.parts.networks import product

ALIGNED = 4  # float32 numbers in 16 bytes


class Begun(NamedTuple):
    """What a chain starts from: x_{n+1} = keep_n x_n + noise_n + eta_n f(x_n, time_n + base)."""

    x: Tensor  # x_0 [S, B, A]
    keep: Tensor  # [S, N, 1, A]
    eta: Tensor  # [S, N, 1, A]
    noise: Tensor  # scale_n eps_n [S, N, B, A]
    base: Tensor  # Ws s + bias [S, B, H]
    time: Tensor  # We e_n [S, N, H]


class PathGradient(NamedTuple):
    """What the gradient of a path is made of, before it is added up over rows and steps."""

    x: Tensor  # of x_0 [S, B, A]
    noise: Tensor  # of x_{n+1}, all later steps included [S, N, B, A]
    scores: Tensor  # f_n(x_n) itself [S, N, B, A]
    inputs: list[Tensor]  # of each layer: what went into its product [S, N, B, I]
    outputs: list[Tensor]  # and the gradient of what came out [S, N, B, O]; the last layer's is that of the scores


class Chain:
    """The chain of a policy. The methods in `compiled_functions` are functions of tensors, which may be compiled."""

    def __init__(self, policy: DiffusionPolicy) -> None:
        self.policy = policy

    def compiled_functions(self) -> list[tuple[Any, str]]:
        return [(self, name) for name in ("begin", "step", "kept_step", "step_back", "collect", "weigh")]

    @property
    def dtype(self) -> torch.dtype:
        """Of the products."""
        return self.policy.score.first.dtype

    def sample(self, obs: Tensor, x0: Tensor, eps: Tensor) -> DiffusionSample:
        """As `DiffusionPolicy.sample`."""
        begun, scale = self.begin(obs, x0, eps)
        dense = self.policy.score.dense()
        if torch.is_grad_enabled():
            return self.weigh(x0, eps, self.path(begun, dense), begun.keep, scale)
        return self.sample_no_grad(begun, dense, x0, eps, scale)

    @torch.no_grad()
    def act(self, obs: Tensor, x0: Tensor, eps: Tensor) -> Tensor:
        """The action of `sample` alone."""
        begun, _ = self.begin(obs, x0, eps)
        return torch.tanh(self.walk(begun, self.policy.score.dense())[-1])

    def sample_no_grad(
        self, begun: Begun, dense: Sequence[Tensor], x0: Tensor, eps: Tensor, scale: Tensor
    ) -> DiffusionSample:
        """The same without gradients."""
        return self.weigh(x0, eps, torch.stack(self.walk(begun, dense), 1), begun.keep, scale)

    def path(self, begun: Begun, dense: Sequence[Tensor]) -> Tensor:
        """x_0 .. x_N [S, N + 1, B, A], a function of `begun` and the weights."""
        path: Tensor = _Path.apply(self, *begun, *dense)  # type: ignore[no-untyped-call]
        return path

    # --- functions of tensors ---------------------------------------------------------------------------------

    def begin(self, obs: Tensor, x0: Tensor, eps: Tensor) -> tuple[Begun, Tensor]:
        """Where the chain starts, and the scales of its noise [S, N, 1, A]."""
        eta, keep, scale = self.policy.coefficients()
        base, time = self.policy.score.unchanged(obs, self.policy.steps)
        return Begun(self.policy.prior_std * x0, keep, eta, scale * eps, base, time), scale

    @compile_options(split_reductions=False)  # where one row's products are sums: each in one kernel
    def step(self, x: Tensor, row: Tensor, noise: Tensor, base: Tensor, dense: Sequence[Tensor]) -> Tensor:
        """x_n to x_{n+1}, all [S, B, A]; `row` as in `rows`."""
        return self._advance(x, row, noise, base, dense)[0]

    def kept_step(
        self, x: Tensor, row: Tensor, noise: Tensor, base: Tensor, dense: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """The same, with the score and what comes before and after each activation."""
        return self._advance(x, row, noise, base, dense)

    def _advance(
        self, x: Tensor, row: Tensor, noise: Tensor, base: Tensor, dense: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        keep, eta, time = _of_row(row, x.shape[-1], base.shape[-1])
        before, after = [], []
        z = product(x, dense[0], self.dtype) + base + time
        for weight, bias in zip(dense[1::2], dense[2::2], strict=True):
            before.append(z)
            h = gelu(z)
            after.append(self._round(h))
            z = product(h, weight, self.dtype) + bias
        score = z.clamp(-SCORE_CLIP, SCORE_CLIP)
        return keep * x + noise + eta * score, score, before, after

    def step_back(
        self, g: Tensor, of_x: Tensor, row: Tensor, score: Tensor, before: Sequence[Tensor], dense: Sequence[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """From the gradient of x_{n+1} to that of x_n, of which `of_x` does not go through the step, [S, B, A] each.

        Also the gradients of all layers' products and biases: those before the activations, then the score's.
        """
        keep, eta, _ = _of_row(row, g.shape[-1], before[0].shape[-1])
        d = g * eta * (score.abs() < SCORE_CLIP)
        of_layers = [d]
        for weight, z in zip(reversed(dense[1::2]), reversed(before), strict=True):
            d = product(d, weight.transpose(-1, -2), self.dtype)
            d = torch.ops.aten.gelu_backward(d, z, approximate="tanh")
            of_layers.append(d)
        g = of_x + keep * g + product(d, dense[0].transpose(-1, -2), self.dtype)
        return g, of_layers[::-1]

    def collect(self, path: Tensor, noise: Tensor, scores: Tensor, outputs: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of keep, eta, base, time and of the biases, from a `PathGradient`."""
        of_keep = (noise * path[:, :-1]).sum(2, keepdim=True)
        of_eta = (noise * scores).sum(2, keepdim=True)
        first, *others = (d.to(noise.dtype) for d in outputs)
        return [of_keep, of_eta, first.sum(1), first.sum(2), *(d.sum((1, 2)).unsqueeze(1) for d in others)]

    def weigh(self, x0: Tensor, eps: Tensor, path: Tensor, keep: Tensor, scale: Tensor) -> DiffusionSample:
        return self.policy.weigh(x0, eps, path, path[:, -1], keep, scale)

    # --- the loops --------------------------------------------------------------------------------------------

    def walk(self, begun: Begun, dense: Sequence[Tensor]) -> list[Tensor]:
        """The states x_0 .. x_N."""
        weights = self.rounded(dense)
        path = [begun.x]
        for row, noise in zip(rows(begun), slices(begun.noise), strict=True):
            path.append(self.step(path[-1], row, noise, begun.base, weights))
        return path

    def run_keeping(self, begun: Begun, dense: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The path, and what `run_back` needs of each step: the score, what comes before and after activations."""
        weights = self.rounded(dense)
        path, kept = [begun.x], []
        for row, noise in zip(rows(begun), slices(begun.noise), strict=True):
            x, score, before, after = self.kept_step(path[-1], row, noise, begun.base, weights)
            path.append(x)
            kept += [score, *before, *after]
        return torch.stack(path, 1), kept

    def run_back(
        self, of_path: Tensor, begun: Begun, path: Tensor, kept: Sequence[Tensor], dense: Sequence[Tensor]
    ) -> PathGradient:
        """From the gradient of every state of the path [S, N + 1, B, A]."""
        weights, row = self.rounded(dense), rows(begun)
        hidden, steps = len(dense) // 2, len(row)
        scores, *others = (list(kept[i :: 1 + 2 * hidden]) for i in range(1 + 2 * hidden))
        before, after = others[:hidden], others[hidden:]
        g = of_path[:, -1].clone(memory_format=torch.contiguous_format)  # laid out as what comes after it
        of_x, outputs = [g], []
        for n in reversed(range(steps)):
            g, d = self.step_back(g, of_path[:, n], row[n], scores[n], [each[n] for each in before], weights)
            of_x.append(g)
            outputs.append(d)
        return PathGradient(
            x=g,
            noise=torch.stack(of_x[-2::-1], 1),
            scores=torch.stack(scores, 1),
            inputs=[path[:, :-1], *(torch.stack(each, 1) for each in after)],
            outputs=[torch.stack(each[::-1], 1) for each in zip(*outputs, strict=True)],
        )

    def of_weight(self, x: Tensor, d: Tensor) -> Tensor:
        """The gradient of a weight: one product over the rows of all steps, [S, N, B, I] with [S, N, B, O]."""
        x, d = self._round(x.flatten(1, 2)).transpose(1, 2), self._round(d.flatten(1, 2))
        if x.is_cuda and self.dtype == torch.bfloat16:
            return torch.bmm(x, d, out_dtype=torch.float32)
        return torch.bmm(x, d)

    def rounded(self, dense: Sequence[Tensor]) -> list[Tensor]:
        """Weights as the products take them, once for all steps."""
        weight, *others = [p.detach() for p in dense]
        return [self._round(weight), *(self._round(p) if i % 2 == 0 else p for i, p in enumerate(others))]

    def _round(self, x: Tensor) -> Tensor:
        """To bfloat16, where products are in it."""
        return x.to(self.dtype) if self.dtype == torch.bfloat16 else x


class _Path(torch.autograd.Function):
    """`Chain.path`: `run_keeping` forward, and its derivative written out by `run_back`."""

    @staticmethod
    def forward(ctx: Any, chain: Chain, *tensors: Tensor) -> Tensor:
        size = len(Begun._fields)
        path, kept = chain.run_keeping(Begun(*tensors[:size]), tensors[size:])
        ctx.chain, ctx.count = chain, len(tensors)
        ctx.save_for_backward(*tensors, path, *kept)
        return path

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_path: Tensor) -> tuple[Tensor | None, ...]:
        size, chain, saved = len(Begun._fields), ctx.chain, ctx.saved_tensors
        begun, dense, path = Begun(*saved[:size]), saved[size : ctx.count], saved[ctx.count]
        of = chain.run_back(of_path.contiguous(), begun, path, saved[ctx.count + 1 :], dense)
        of_keep, of_eta, of_base, of_time, *of_biases = chain.collect(path, of.noise, of.scores, of.outputs)
        of_weights = (chain.of_weight(x, d) for x, d in zip(of.inputs, of.outputs, strict=True))
        first, *others = (g.to(path.dtype) for g in of_weights)
        of_layers = (g for pair in zip(others, of_biases, strict=True) for g in pair)
        return None, of.x, of_keep, of_eta, of.noise, of_base, of_time, first, *of_layers


def rows(begun: Begun) -> tuple[Tensor, ...]:
    """keep_n, eta_n and time_n side by side, [S, 1, 2 A + H] for each step."""
    return slices(torch.cat([begun.keep, begun.eta, begun.time.unsqueeze(2)], -1))


def slices(x: Tensor) -> tuple[Tensor, ...]:
    """x[:, n] for every step, of x [S, N, ...]: each begins at 16 bytes, or compiled code would copy it first."""
    width = x.shape[-1]
    if x.shape[2:].numel() % ALIGNED:
        x = F.pad(x, (0, -width % ALIGNED))[..., :width]
    return x.unbind(1)


def _of_row(row: Tensor, act: int, hidden: int) -> tuple[Tensor, Tensor, Tensor]:
    """keep_n, eta_n [S, 1, A] and time_n [S, 1, H]."""
    keep, eta, time = row.split([act, act, hidden], dim=-1)
    return keep, eta, time
