"""One random stream per (seed, purpose), so that a seed's draws never depend on which seeds train with it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

Shapes = Mapping[str, tuple[int, ...]]  # name -> shape of one seed's numbers

BUFFERED_CALLS = 64  # the numbers of at most so many calls are drawn at once,
BUFFERED_NUMBERS = 1 << 22  # and for one seed no more than this, but for a single call


def sequence(seed: int, purpose: str, *more: int) -> np.random.SeedSequence:
    """The seed sequence of one purpose of one seed; `more` distinguishes, say, evaluations."""
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

    def normal(self, purpose: str, shapes: Shapes) -> dict[str, Tensor]:
        """Standard normal noise: name -> [S, *shape]."""
        return {name: normal(self._of[purpose], shape, self.device) for name, shape in shapes.items()}

    def uniform(self, purpose: str, shape: tuple[int, ...]) -> Tensor:
        """Uniform on [-1, 1): [S, *shape]."""
        draws = [torch.rand(shape, generator=g, device=self.device) for g in self._of[purpose]]
        return 2.0 * torch.stack(draws) - 1.0

    def state_dict(self) -> dict[str, Tensor]:
        return {f"{p}.{i}": g.get_state() for p, generators in self._of.items() for i, g in enumerate(generators)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for purpose, generators in self._of.items():
            for i, g in enumerate(generators):
                g.set_state(state[f"{purpose}.{i}"])


class NoiseBuffer:
    """One purpose's numbers for many coming calls, drawn at once: a draw for each of many calls costs more.

    `shapes(k)` names the tensors of the call that comes k calls after the next one; with a negative k, of one that
    has been. A checkpoint holds the generators as they stood before the numbers at hand and how many calls have been
    taken since. How many calls are drawn at once depends on one seed's shapes alone, never on the number of seeds.
    """

    def __init__(
        self, seeds: Sequence[int], purpose: str, shapes: Callable[[int], Shapes], device: str, uniform: bool = False
    ) -> None:
        """Standard normal float32 numbers or, with `uniform`, float64 ones on [0, 1)."""
        self._shapes, self._device, self._uniform = shapes, device, uniform
        self._generators = [generator(seed, purpose, device=device) for seed in seeds]
        self._before = self._states()
        self._taken = 0
        self._calls: list[dict[str, Tensor]] = []  # drawn, not yet taken; the next one last

    def next(self) -> dict[str, Tensor]:
        """The next call's tensors: name -> [S, *shape]."""
        if not self._calls:
            self._before, self._taken = self._states(), 0
            self._draw(0)
        self._taken += 1
        return self._calls.pop()

    def _draw(self, taken: int) -> None:
        """Draw a block of calls, of which the first `taken` are over."""
        block: list[Shapes] = []
        sizes: list[int] = []
        while len(block) < BUFFERED_CALLS:
            shapes = self._shapes(len(block) - taken)
            size = sum(math.prod(shape) for shape in shapes.values())
            if block and sum(sizes) + size > BUFFERED_NUMBERS:
                break
            block.append(shapes)
            sizes.append(size)
        kind = torch.float64 if self._uniform else torch.float32
        numbers = torch.empty(len(self._generators), sum(sizes), dtype=kind, device=self._device)
        for row, g in zip(numbers, self._generators, strict=True):
            row.uniform_(generator=g) if self._uniform else row.normal_(generator=g)
        parts = numbers.split(sizes, dim=1)
        self._calls = [_named(part, shapes) for part, shapes in zip(parts, block, strict=True)][taken:][::-1]

    def _states(self) -> list[Tensor]:
        return [g.get_state() for g in self._generators]

    def state_dict(self) -> dict[str, Tensor]:
        return {str(i): state for i, state in enumerate(self._before)} | {"taken": torch.tensor(self._taken)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """The inverse of `state_dict`, once `shapes` speaks of the calls that come next."""
        self._before, self._taken = [state[str(i)] for i in range(len(self._generators))], int(state["taken"])
        for g, before in zip(self._generators, self._before, strict=True):
            g.set_state(before)
        self._calls = []
        if self._taken:
            self._draw(self._taken)


def _named(numbers: Tensor, shapes: Shapes) -> dict[str, Tensor]:
    """Cut [S, n] into tensors [S, *shape] by name."""
    parts = numbers.split([math.prod(shape) for shape in shapes.values()], dim=1)
    return {name: part.unflatten(1, shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)}


def normal(generators: Sequence[torch.Generator], shape: tuple[int, ...], device: str) -> Tensor:
    """Standard normal noise of each generator, stacked: [S, *shape]."""
    return torch.stack([torch.randn(shape, generator=g, device=device) for g in generators])
