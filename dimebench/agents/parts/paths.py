"""Which of two ways to compute the same thing: the one for a GPU where tensors are there, else the one for a CPU.

Where the two differ, a GPU wants few and large operations and no copies, a CPU the bits of recorded results. Tests
take a GPU's way on a CPU with `gpu_ways` and hold it to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_everywhere = False


def for_gpu(where: torch.Tensor | torch.device) -> bool:
    """Whether a tensor, or what lies on a device, is computed with in a GPU's way."""
    device = where.device if isinstance(where, torch.Tensor) else where
    return _everywhere or device.type == "cuda"


@contextmanager
def gpu_ways() -> Iterator[None]:
    """Take a GPU's way wherever tensors are, for learners built and run inside."""
    global _everywhere
    before, _everywhere = _everywhere, True
    try:
        yield
    finally:
        _everywhere = before
