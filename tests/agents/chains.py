"""Chains of random numbers at a score network's scale, and their eager path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from dimebench.agents.parts.diffusion import denoise


@dataclass(frozen=True)
class Size:
    seeds: int
    rows: int
    actions: int
    hidden: tuple[int, ...]
    steps: int


def random_chain(size: Size, seed: int = 0, far: float = 1.0) -> list[Tensor]:
    """x0, keep, eta, scale, eps, base, time and dense; with a large `far` scores reach their clip."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    s, b, a, n = size.seeds, size.rows, size.actions, size.steps
    dense = [normal(s, a, size.hidden[0]) / a**0.5]
    for i, o in pairwise([*size.hidden, a]):
        dense += [normal(s, i, o) / i**0.5, 0.1 * normal(s, 1, o)]
    dense[-2] = far * dense[-2]
    eta = 0.01 + 0.1 * torch.rand(s, n, a, generator=generator)
    base, time = normal(s, b, size.hidden[0]), normal(s, n, size.hidden[0])
    return [2.5 * normal(s, b, a), 1 - eta / 2.5**2, eta, (2 * eta).sqrt(), normal(s, n, b, a), base, time, *dense]


def of_path(size: Size, seed: int = 1) -> Tensor:
    """A gradient of every state, [S, N + 1, B, A]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(size.seeds, size.steps + 1, size.rows, size.actions, generator=generator)


def eager(
    inputs: Sequence[Tensor], gradient: Tensor, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, list[Tensor]]:
    """The path by `diffusion.denoise` and the gradients of x0, keep, eta, scale eps, base, time and dense."""
    x0, keep, eta, scale, eps, *others = inputs
    leaves = [t.clone().requires_grad_() for t in (x0, keep, eta, scale[:, :, None] * eps, *others)]
    x, keep, eta, noise, base, time, *dense = leaves
    path = [x]
    for n in range(eta.shape[1]):
        moved = keep[:, n, None] * x + noise[:, n]
        x = denoise(x, moved, eta[:, n, None], base, time[:, n : n + 1], dense, dtype)
        path.append(x)
    whole = torch.stack(path, 1)
    return whole.detach(), list(torch.autograd.grad(whole, leaves, gradient))


def by_kernels(inputs: Sequence[Tensor], gradient: Tensor, precision: str) -> tuple[Tensor, ...]:
    """The path, the last state and its log ratio without gradients, then the gradients as in `eager`."""
    from dimebench.agents.parts.chain.calls import sample_no_grad
    from dimebench.agents.parts.chain.fused import FusedChain
    from dimebench.agents.parts.chain.stepwise import Begun

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    of_no_policy = {"precision": precision, "dtype": dtype, "__init__": lambda self: None}
    chain = type("Kernels", (FusedChain,), of_no_policy)()
    x0, keep, eta, scale, eps, base, time, *dense = inputs
    leaves = [t.clone().requires_grad_() for t in (x0, keep, eta, scale[:, :, None] * eps, base, time, *dense)]
    x, keep_leaf, eta_leaf, *others = leaves
    begun = Begun(x, keep_leaf[:, :, None], eta_leaf[:, :, None], *others[:3])
    path = chain.path(begun, others[3:])
    gradients = torch.autograd.grad(path, leaves, gradient)
    plain = Begun(x0, keep[:, :, None], eta[:, :, None], eps, base, time)
    last = sample_no_grad(plain, scale[:, :, None], eps, dense, precision)
    return (path.detach(), *last, *gradients)


def log_ratio(inputs: Sequence[Tensor], path: Tensor) -> Tensor:
    """[S, B], as `DiffusionPolicy.sample` has it."""
    keep, scale, eps = inputs[1][:, :, None], inputs[3][:, :, None], inputs[4]
    residual = (path[:, :-1] - keep * path[:, 1:]) / scale
    return 0.5 * (eps.square() - residual.square()).sum((1, 3))
