"""How a network's parameters lie in memory, as its optimiser sees them.

On a CPU they are one tensor: one optimiser step on it serves the whole network. On a GPU they stay separate: kernels
for many tensors take them as they are, so that no weight or gradient is copied and every weight is aligned.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dimebench.agents.parts.relu_mlp import LANE

GradientClip = Callable[[Tensor], Tensor]  # element by element, of any shape


class Store(ABC):
    """The parameters of one network of S seeds."""

    tensors: list[Tensor]  # what an optimiser steps

    @abstractmethod
    def receive(self, gradients: Sequence[Tensor], clip: GradientClip | None) -> None:
        """Make them the gradients of `tensors`, clipped; they come in the order of `module.parameters()`."""

    @abstractmethod
    def gradients(self) -> list[Tensor]:
        """What was received last, a tensor [S, ...] per parameter of the module."""

    @abstractmethod
    def approach(self, other: Store, share: float) -> None:
        """Move every parameter this share of the way to the other store's, of the same network."""

    @abstractmethod
    def finite(self) -> Tensor:
        """Whether all numbers of a seed are finite, [S]."""


class Packed(Store):
    """All parameters in one tensor [S, P], of which the module's are views; P is padded to whole lanes."""

    def __init__(self, module: nn.Module, seeds: int) -> None:
        """Call it after moving the module to its device."""
        parameters = list(module.parameters())
        self._shapes = [p.shape[1:] for p in parameters]
        sizes = [shape.numel() for shape in self._shapes]
        total = -(-sum(sizes) // LANE) * LANE
        self._sizes = [*sizes, total - sum(sizes)]
        arena = torch.zeros(seeds, total, device=parameters[0].device)
        for p, view in zip(parameters, arena.split(self._sizes, dim=1), strict=False):
            p.data = view.unflatten(1, p.shape[1:]).copy_(p.data)
        self.arena = nn.Parameter(arena)
        self.tensors = [self.arena]

    def receive(self, gradients: Sequence[Tensor], clip: GradientClip | None) -> None:
        packed = self._pack(gradients)
        self.arena.grad = packed if clip is None else clip(packed)

    def _pack(self, gradients: Sequence[Tensor]) -> Tensor:
        """As one tensor [S, P]."""
        if _in_a_row(gradients, self.arena):
            return gradients[0].as_strided(self.arena.shape, self.arena.stride())
        rows = [g.flatten(1) for g in gradients]
        return torch.cat([*rows, self.arena.new_zeros(self.arena.shape[0], self._sizes[-1])], dim=1)

    def gradients(self) -> list[Tensor]:
        assert self.arena.grad is not None
        parts = self.arena.grad.split(self._sizes, dim=1)
        return [part.unflatten(1, shape) for part, shape in zip(parts, self._shapes, strict=False)]

    def approach(self, other: Store, share: float) -> None:
        self.arena.lerp_(other.tensors[0], share)

    def finite(self) -> Tensor:
        return torch.isfinite(self.arena).all(1)


class Unpacked(Store):
    """The module's own parameters."""

    def __init__(self, module: nn.Module) -> None:
        self.tensors = list(module.parameters())

    def receive(self, gradients: Sequence[Tensor], clip: GradientClip | None) -> None:
        if clip is not None:  # at once, of a small network
            row = clip(torch.cat([g.flatten() for g in gradients]))
            parts = row.split([g.numel() for g in gradients])
            gradients = [part.view(g.shape) for part, g in zip(parts, gradients, strict=True)]
        for p, g in zip(self.tensors, gradients, strict=True):
            p.grad = _laid_out_as(p, g)

    def gradients(self) -> list[Tensor]:
        return [p.grad for p in self.tensors if p.grad is not None]

    def approach(self, other: Store, share: float) -> None:
        torch._foreach_lerp_(self.tensors, other.tensors, share)

    def finite(self) -> Tensor:
        return torch.stack([torch.isfinite(p).flatten(1).all(1) for p in self.tensors]).all(0)


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """With the parameter's strides, axes of one entry included: fused optimisers ask for the same."""
    gradient = gradient.contiguous()
    if gradient.stride() == parameter.stride():
        return gradient
    return gradient.as_strided(parameter.shape, parameter.stride())


def _in_a_row(gradients: Sequence[Tensor], arena: nn.Parameter) -> bool:
    """Whether the gradients of one seed already lie in memory as the arena does, zeros of its padding included."""
    first = gradients[0]
    storage = first.untyped_storage()._cdata  # an address of its own, which tensors without content have too
    room = first.untyped_storage().nbytes() // first.element_size()
    if len(arena) > 1 or torch.compiler.is_compiling() or room != arena.shape[1]:
        return False
    ends = 0
    for g in gradients:
        if not g.is_contiguous() or g.storage_offset() != ends or g.untyped_storage()._cdata != storage:
            return False
        ends += g.numel()
    return ends + arena.shape[1] % LANE <= arena.shape[1] < ends + LANE
