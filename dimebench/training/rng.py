"""One random stream per (seed, purpose), so that a seed's draws never depend on who trains beside it."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor


def sequence(seed: int, purpose: str, *more: int) -> np.random.SeedSequence:
    """The seed sequence of one purpose of one seed; `more` tells apart, say, evaluations."""
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *more))


def generator(seed: int, purpose: str, *more: int, device: str = "cpu") -> torch.Generator:
    """A torch generator seeded from `sequence`."""
    words = sequence(seed, purpose, *more).generate_state(2, np.uint32)
    return torch.Generator(device=device).manual_seed(int(words[0]) << 32 | int(words[1]))


class Streams:
    """The generators of S seeds for a set of purposes; draws come stacked on a leading seed axis."""

    def __init__(self, seeds: Sequence[int], purposes: Sequence[str], device: str) -> None:
        self.device = device
        self._of = {p: [generator(seed, p, device=device) for seed in seeds] for p in purposes}

    def normal(self, purpose: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
        """Standard normal noise: name -> [S, *shape]."""
        return {name: normal(self._of[purpose], shape, self.device) for name, shape in shapes.items()}

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Uniform on [-1, 1): [S, *shape]."""
        draws = [torch.rand(shape, generator=g, device=self.device) for g in self._of[purpose]]
        return 2.0 * torch.stack(draws) - 1.0

    def integers(self, purpose: str, below: int, count: int) -> Tensor:
        """`count` integers from [0, below), with replacement: [S, count]."""
        return torch.stack(
            [torch.randint(below, (count,), generator=g, device=self.device) for g in self._of[purpose]]
        )

    def state_dict(self) -> dict[str, Tensor]:
        return {f"{p}.{i}": g.get_state() for p, generators in self._of.items() for i, g in enumerate(generators)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for purpose, generators in self._of.items():
            for i, g in enumerate(generators):
                g.set_state(state[f"{purpose}.{i}"])


def normal(generators: Sequence[torch.Generator], shape: tuple[int, ...], device: str) -> Tensor:
    """Standard normal noise of each generator, stacked: [S, *shape]."""
    return torch.stack([torch.randn(shape, generator=g, device=device) for g in generators])
