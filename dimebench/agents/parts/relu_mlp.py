"""A ReLU network's forward and backward written out as one autograd function: the same products as layer by layer.

It keeps half as many tensors, computes no gradient that is not needed, and writes the gradients of a network's
parameters side by side, where the optimiser wants them. docs/benchmarks.md has what that gains on a CPU. Under
torch.compile, which fuses operations itself, networks go layer by layer (`MLP.forward`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

LANE = 64  # elements; rows of a whole number of vector registers keep every seed's arithmetic the same


def relu_mlp(
    obs: Tensor, action: Tensor | None, depth: int, dtype: torch.dtype, parameters: Sequence[Tensor]
) -> tuple[Tensor, ...]:
    """The heads of a ReLU network on concat(obs, action): obs [S, B, O], action [S, B, A], each head [*stack, B, K].

    `parameters` are weight [*stack, I, O] and bias [*stack, 1, O] of `depth` hidden layers, then of one or more
    heads; the stack is (S,) or (S, C). Products are in `dtype`. Gradients flow to the action and to those
    parameters that want one; the observations are taken as constants.
    """
    stack = parameters[0].shape[:-2]
    given = obs, action, depth, dtype, *(p.flatten(0, -3) for p in parameters)  # [N, I, O]
    heads: tuple[Tensor, ...] = _ReluMLP.apply(*given)  # type: ignore[no-untyped-call]
    return tuple(head.unflatten(0, stack) if len(stack) > 1 else head for head in heads)


class _ReluMLP(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, obs: Tensor, action: Tensor | None, depth: int, dtype: torch.dtype, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        x = (obs if action is None else torch.cat([obs, action], -1)).to(dtype)
        copies = parameters[0].shape[0] // x.shape[0]  # of each seed's input: one per critic
        x = x[:, None].expand(-1, copies, -1, -1).flatten(0, 1) if copies > 1 else x
        dense = [p.to(dtype) for p in parameters[: 2 * depth]]
        inputs = [x]
        for weight, bias in zip(dense[::2], dense[1::2], strict=True):
            inputs.append(torch.baddbmm(bias, inputs[-1], weight).relu_())
        # Several heads are one product; narrow ones take nearly as long as it does.
        weight, bias = _beside(parameters[2 * depth :: 2]), _beside(parameters[2 * depth + 1 :: 2])
        h = inputs[-1]
        if weight.shape[-1] == 1:  # as `stacked_product` has it
            out = (h.to(weight.dtype) * weight.transpose(-1, -2)).sum(-1, keepdim=True) + bias
        else:
            out = torch.baddbmm(bias.to(dtype), h, weight.to(dtype)).to(bias.dtype)
        ctx.depth, ctx.copies, ctx.actions = depth, copies, 0 if action is None else action.shape[-1]
        ctx.shapes = [p.shape for p in parameters]
        ctx.save_for_backward(*inputs, *dense[::2], weight)
        widths = [p.shape[-1] for p in parameters[2 * depth :: 2]]
        return tuple(out.split(widths, dim=-1)) if len(widths) > 1 else (out,)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *of_heads: Tensor) -> tuple[Tensor | None, ...]:
        depth, saved = ctx.depth, ctx.saved_tensors
        inputs, weights, head = saved[: depth + 1], saved[depth + 1 : 2 * depth + 1], saved[-1]
        wanted = any(ctx.needs_input_grad[4:])
        into = _side_by_side(ctx.shapes, of_heads[0]) if wanted else []
        h, g, back = inputs[-1], _beside(of_heads), head.transpose(1, 2)
        if wanted:
            _heads_gradients(h, g, into[2 * depth :])
        g = (g * back).to(h.dtype) if back.shape[1] == 1 else torch.bmm(g.to(h.dtype), back.to(h.dtype))
        for i in reversed(range(depth)):
            torch.ops.aten.threshold_backward.grad_input(g, inputs[i + 1], 0, grad_input=g)
            if wanted:
                _dense_gradient(inputs[i], g, *into[2 * i : 2 * i + 2])
            if i:
                g = torch.bmm(g, weights[i].transpose(1, 2))
        of_action = None
        if ctx.needs_input_grad[1]:
            of_action = torch.bmm(g, weights[0][:, -ctx.actions :].transpose(1, 2)).to(of_heads[0].dtype)
            of_action = of_action.unflatten(0, (-1, ctx.copies)).sum(1)
        return None, of_action, None, None, *(into if wanted else [None for _ in ctx.shapes])


def _beside(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(parts), -1) if len(parts) > 1 else parts[0]


def _heads_gradients(h: Tensor, g: Tensor, into: Sequence[Tensor]) -> None:
    """The gradients of heads, written into place: weight, bias, weight, ... of widths that add up to g's."""
    if len(into) == 2:
        _dense_gradient(h, g, *into)
        return
    widths = [of_weight.shape[-1] for of_weight in into[::2]]
    of_weights, of_biases = torch.bmm(h.transpose(1, 2), g.to(h.dtype)), g.sum(1, keepdim=True)
    for i, parts in enumerate(zip(of_weights.split(widths, -1), of_biases.split(widths, -1), strict=True)):
        into[2 * i].copy_(parts[0])
        into[2 * i + 1].copy_(parts[1])


def _dense_gradient(x: Tensor, g: Tensor, of_weight: Tensor, of_bias: Tensor) -> None:
    """The gradients of a dense layer's weight and bias, written into place: x [N, B, I], g [N, B, O]."""
    torch.sum(g, 1, keepdim=True, dtype=of_bias.dtype, out=of_bias)
    if g.shape[-1] == 1:
        torch.sum(x.to(g.dtype) * g, 1, out=of_weight.squeeze(-1))
    elif x.dtype == of_weight.dtype:
        torch.bmm(x.transpose(1, 2), g, out=of_weight)
    else:
        of_weight.copy_(torch.bmm(x.transpose(1, 2), g.to(x.dtype)))


def _side_by_side(shapes: Sequence[torch.Size], like: Tensor) -> list[Tensor]:
    """Tensors of these shapes in a row of memory, which is zero up to a whole number of lanes."""
    sizes = [shape.numel() for shape in shapes]
    row = like.new_empty(-(-sum(sizes) // LANE) * LANE)
    row[sum(sizes) :].zero_()
    parts = row.split([*sizes, len(row) - sum(sizes)])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=False)]
