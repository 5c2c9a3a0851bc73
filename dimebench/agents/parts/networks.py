"""Networks with a seed axis: parameters stacked as [S, ...] and applied with batched matrix products.

Every layer takes a `stack`, the leading axes that it never mixes: (S,) for an actor, (S, C) for C critics of S
seeds. Inputs are [*stack, B, features]. Nothing mixes entries of the stack, so the gradient of a loss that is
summed over seeds is each seed's own gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from dimebench.agents.parts.paths import for_gpu
from dimebench.agents.parts.relu_mlp import relu_mlp
from dimebench.agents.parts.renorm import BatchRenorm, RenormSettings

Generators = Sequence[torch.Generator]
Activation = Callable[[Tensor], Tensor]

CRITICS = 2  # per seed, C
FEW_ROWS = 64  # below it, on a CPU, float32 products are quicker than bfloat16's

# A normal distribution cut at two standard deviations keeps this fraction of its standard deviation.
TRUNCATED_STD = 0.87962566103423978


def float32_linspace(start: float, stop: float, count: int) -> Tensor:
    """`count` points from start to stop, bit for bit those of a jitted `jax.numpy.linspace` in float32 on CPU.

    torch.linspace differs by up to 1.5e-5, which Fourier features of phases near 1500 rad would show.
    """
    i = torch.arange(count - 1, dtype=torch.float32)
    step = torch.tensor(1.0) / (count - 1)
    falling = (1.0 - i.double() * step.double()).float()  # XLA fuses this product and sum: one rounding
    points = torch.tensor(start) * falling + (torch.tensor(stop) * step) * i
    return torch.cat([points, torch.tensor([float(stop)])])


def lecun_normal(stack: tuple[int, ...], fan_in: int, fan_out: int, generators: Generators) -> Tensor:
    """Weights [*stack, fan_in, fan_out]: truncated normal of variance 1 / fan_in (flax's default for Dense).

    The first axis of the stack is the seed; each seed draws from its own generator.
    """
    std = math.sqrt(1 / fan_in) / TRUNCATED_STD
    weight = torch.empty(*stack, fan_in, fan_out)
    for of_seed, generator in zip(weight, generators, strict=True):
        nn.init.trunc_normal_(of_seed, std=std, a=-2 * std, b=2 * std, generator=generator)
    return weight


def product_type(x: Tensor, dtype: torch.dtype) -> torch.dtype:
    """What x [*stack, B, I] is multiplied in where `dtype` is asked for: bfloat16, or the type that x has.

    On a CPU few rows stay as they are: to round the weights would take longer than the product, and be less exact.
    """
    few = x.device.type == "cpu" and x.shape[-2] < FEW_ROWS
    return x.dtype if few or dtype != torch.bfloat16 else dtype


def stacked_product(
    x: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype = torch.float32, activation: Activation | None = None
) -> Tensor:
    """x [*stack, B, I] times weight [*stack, I, O] plus bias, which broadcasts against [*stack, B, O].

    With dtype bfloat16 the product's inputs and its result are rounded to it (where `product_type` has it so); what
    comes back is of x's type again. The activation follows before anything else.
    """
    dtype = product_type(x, dtype)
    if weight.shape[-1] == 1:  # one output: a sum over rows, the same however many seeds are stacked
        out = (x * weight.transpose(-1, -2)).sum(-1, keepdim=True) + bias
        return out if activation is None else activation(out)
    if for_gpu(x):
        out = product(x, weight, dtype) + bias  # which fuses with what follows; baddbmm copies the bias first
        return out if activation is None else activation(out)
    stack, kind = weight.shape[:-2], x.dtype
    if dtype == torch.bfloat16:
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    if len(stack) > 1:
        x, weight, bias = x.flatten(0, -3), weight.flatten(0, -3), bias.flatten(0, -3)
    out = torch.baddbmm(bias, x, weight)
    out = (out if activation is None else activation(out)).to(kind)  # in place, autograd wants it before any view
    return out.unflatten(0, stack) if len(stack) > 1 else out


def product(x: Tensor, weight: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """x [*stack, B, I] times weight [*stack, I, O] on a GPU, of x's type; `dtype` as for `stacked_product`."""
    stack, kind = weight.shape[:-2], x.dtype
    if dtype == torch.bfloat16:
        x, weight = x.to(dtype), weight.to(dtype)
    if x.shape[-2] == 1 and len(stack) == 1:  # one row: a sum, of which a compiler makes one kernel with what follows
        return (x.to(kind).transpose(-1, -2) * weight.to(kind)).sum(-2, keepdim=True)
    if len(stack) > 1:
        x, weight = x.flatten(0, -3), weight.flatten(0, -3)
    out = torch.bmm(x, weight).to(kind)
    return out.unflatten(0, stack) if len(stack) > 1 else out


class Linear(nn.Module):
    """A dense layer per entry of the stack: weight [*stack, I, O], bias [*stack, 1, O] (zero at the start)."""

    def __init__(self, stack: tuple[int, ...], fan_in: int, fan_out: int, generators: Generators) -> None:
        super().__init__()
        self.weight = nn.Parameter(lecun_normal(stack, fan_in, fan_out, generators))
        self.bias = nn.Parameter(torch.zeros(*stack, 1, fan_out))
        self.dtype = torch.float32  # of its product; parameters stay float32

    def forward(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        return stacked_product(x, self.weight, self.bias, self.dtype, activation)

    def constant(self, x: Tensor, activation: Activation | None = None) -> Tensor:
        """The same with the parameters held constant."""
        return stacked_product(x, self.weight.detach(), self.bias.detach(), self.dtype, activation)


def set_matmul_dtype(module: nn.Module, dtype: torch.dtype) -> None:
    """Have every dense layer of a module multiply in `dtype`. Parameters, statistics and losses stay float32."""
    for layer in module.modules():
        if isinstance(layer, Linear):
            layer.dtype = dtype


def relu(x: Tensor) -> Tensor:
    """In place: its input is a dense layer's result, which nothing else needs."""
    return torch.relu_(x)


class MLP(nn.Module):
    """Dense layers with an activation; with `renorm`, BatchRenorm on the input and after each activation.

    `outputs=None` leaves out the last dense layer (a trunk for heads).
    """

    def __init__(
        self, stack: tuple[int, ...], inputs: int, hidden: Sequence[int], outputs: int | None,
        activation: Activation, generators: Generators, renorm: RenormSettings | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.activation = activation
        sizes = [inputs, *hidden]
        self.hidden = nn.ModuleList(Linear(stack, i, o, generators) for i, o in pairwise(sizes))
        self.renorm = nn.ModuleList(BatchRenorm(stack, n, renorm) for n in sizes) if renorm else None
        self.out = None if outputs is None else Linear(stack, sizes[-1], outputs, generators)

    @property
    def written_out(self) -> bool:
        """Whether `relu_mlp` computes it; the compiler sees the layers."""
        return self.renorm is None and self.activation is relu and not torch.compiler.is_compiling()

    def through(
        self, heads: Sequence[Linear], obs: Tensor, action: Tensor | None = None, constant: bool = False
    ) -> tuple[Tensor, ...]:
        """The heads on this network's hidden layers by `relu_mlp`; with `constant` no parameter gets a gradient."""
        layers = [*cast(Sequence[Linear], self.hidden), *heads]
        parameters = [p.detach() if constant else p for layer in layers for p in (layer.weight, layer.bias)]
        return relu_mlp(obs, action, len(self.hidden), product_type(obs, layers[0].dtype), parameters)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        if self.renorm is not None:
            x = self.renorm[0](x, training)
        for i, layer in enumerate(self.hidden):
            x = self.finish(i, layer(x, self.activation), training)
        return x if self.out is None else self.out(x)

    def finish(self, i: int, x: Tensor, training: bool = False) -> Tensor:
        """What follows the activation of hidden layer i: BatchRenorm, where there is one."""
        return x if self.renorm is None else self.renorm[i + 1](x, training)


class Critics(nn.Module):
    """C critics per seed on concat(observation, action): [S, B, O], [S, B, A] -> [S, C, B, outputs]."""

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, generators: Generators, renorm: RenormSettings | None
    ) -> None:
        super().__init__()
        self.net = MLP((len(generators), CRITICS), inputs, hidden, outputs, relu, generators, renorm)

    def forward(self, obs: Tensor, action: Tensor, training: bool = False) -> Tensor:
        if self.net.written_out:
            return self.net.through([cast(Linear, self.net.out)], obs, action)[0]
        x = torch.cat([obs, action], -1)
        out: Tensor = self.net(x[:, None].expand(-1, CRITICS, -1, -1), training)
        return out

    def of_action(self, obs: Tensor, action: Tensor) -> Tensor:
        """The evaluation forward as a function of the action alone: parameters and observations are constants.

        concat(s, a) W = s W_s + a W_a: on the way back, the observation's columns cost nothing.
        """
        net, size = self.net, obs.shape[-1]
        if net.written_out:
            return net.through([cast(Linear, net.out)], obs, action, constant=True)[0]
        layers, out = [cast(Linear, layer) for layer in net.hidden], cast(Linear, net.out)
        obs, action = (x[:, None].expand(-1, CRITICS, -1, -1) for x in (obs, action))
        if net.renorm is not None:
            renorm = cast(BatchRenorm, net.renorm[0])
            obs = renorm.at_running_statistics(obs, slice(None, size))
            action = renorm.at_running_statistics(action, slice(size, None))
        of_obs, of_act = layers[0].weight.detach().split((size, action.shape[-1]), dim=-2)
        h = stacked_product(obs, of_obs, layers[0].bias.detach(), layers[0].dtype)
        h = net.finish(0, stacked_product(action, of_act, h, layers[0].dtype, net.activation))
        for i, layer in enumerate(layers[1:], 1):
            h = net.finish(i, layer.constant(h, net.activation))
        return out.constant(h)
