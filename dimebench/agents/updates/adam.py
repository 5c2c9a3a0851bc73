"""Adam, all tensors of a network in one fused step: torch's own function.

The class torch.optim.Adam calls the same function and adds groups, hooks and profiling, which are not used here. It
also imports torch's compiler, which takes seconds and 100 MB of a process that may compile nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

BETA2, EPS = 0.999, 1e-8


class Adam:
    """Steps tensors by their `grad`. The step count lives on their device: a captured update advances it there."""

    def __init__(self, tensors: Sequence[Tensor], lr: float, beta1: float) -> None:
        self.tensors = list(tensors)
        self._lr, self._beta1 = lr, beta1
        self.slots = {
            "step": [torch.zeros((), device=tensor.device) for tensor in tensors],
            "exp_avg": [torch.zeros_like(tensor) for tensor in tensors],
            "exp_avg_sq": [torch.zeros_like(tensor) for tensor in tensors],
        }

    @torch.no_grad()
    def step(self) -> None:
        """Every tensor has a gradient."""
        gradients = [tensor.grad for tensor in self.tensors if tensor.grad is not None]
        steps, means, squares = self.slots.values()
        adam(
            self.tensors, gradients, means, squares, [], steps, fused=True, capturable=self.tensors[0].is_cuda,
            amsgrad=False, beta1=self._beta1, beta2=BETA2, lr=self._lr, weight_decay=0.0, eps=EPS, maximize=False,
        )  # fmt: skip

    def state_dict(self) -> dict[str, Tensor]:
        """By the number of the tensor and the name of the slot: 0.exp_avg."""
        return {f"{i}.{name}": slot for name, slots in self.slots.items() for i, slot in enumerate(slots)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """In place. Raises KeyError where a slot is not given."""
        for key, slot in self.state_dict().items():
            slot.copy_(state[key])
