"""Several seeds on a CPU: a learner of one seed each, one after another.

Stacking gains nothing there (docs/benchmarks.md), and small products of one seed and of several round differently. So
a seed's numbers are bit for bit those that it has alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from dimebench.agents.base import Agent, Batch, Dims, Metrics, Noise, NoiseShapes, under


class UnstackedSeeds(Agent):
    """S learners of one seed behind the interface of one learner of S seeds; `algorithm` says what they can do."""

    def __init__(
        self, dims: Dims, settings: Any, generators: Sequence[torch.Generator], device: str, algorithm: type[Agent]
    ) -> None:
        self.settings, self.algorithm, self.learns = settings, algorithm, algorithm.learns
        self.learners = [algorithm(dims, settings, [g], device) for g in generators]

    @property
    def grad_steps(self) -> int:  # type: ignore[override]
        return self.learners[0].grad_steps

    def policy_noise(self, rows: int) -> NoiseShapes:
        return self.learners[0].policy_noise(rows)

    def update_noise(self, ahead: int = 0) -> NoiseShapes:
        return self.learners[0].update_noise(ahead)

    def act(self, obs: Tensor, noise: Noise) -> Tensor:
        return self._each(lambda learner, o, n: learner.act(o, n), obs, noise)

    def evaluate(self, obs: Tensor, noise: Noise) -> Tensor:
        return self._each(lambda learner, o, n: learner.evaluate(o, n), obs, noise)

    def _each(self, function: Callable[[Agent, Tensor, Noise], Tensor], obs: Tensor, noise: Noise) -> Tensor:
        return torch.cat([function(one, obs[i : i + 1], _of(noise, i)) for i, one in enumerate(self.learners)])

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        found = [learner.update(batch.of_seed(i), _of(noise, i)) for i, learner in enumerate(self.learners)]
        return {name: torch.cat([metrics[name] for metrics in found]) for name in found[0]}

    def diverged(self) -> Tensor | None:
        found = [each for each in (learner.diverged() for learner in self.learners) if each is not None]
        return torch.cat(found) if found else None

    def policy_state(self) -> dict[str, Tensor]:
        """As one learner of all seeds has it."""
        states = [learner.policy_state() for learner in self.learners]
        return {
            key: torch.cat([state[key] for state in states]) if self.algorithm.has_seed_axis(key, value) else value
            for key, value in states[0].items()
        }

    def state_dict(self) -> dict[str, Tensor]:
        """Each learner's own, under its place among the seeds: 0.log_alpha."""
        return {f"{i}.{key}": value for i, one in enumerate(self.learners) for key, value in one.state_dict().items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        for i, learner in enumerate(self.learners):
            learner.load_state_dict(under(state, f"{i}."))

    def update_key(self) -> tuple[int, ...]:
        return self.learners[0].update_key()

    def counts(self) -> list[int]:
        return self.learners[0].counts()

    def set_counts(self, counts: Sequence[int]) -> None:
        for learner in self.learners:
            learner.set_counts(counts)

    def compile(self) -> None:
        for learner in self.learners:
            learner.compile()

    def set_matmul_dtype(self, dtype: torch.dtype) -> None:
        for learner in self.learners:
            learner.set_matmul_dtype(dtype)


def _of(noise: Noise, i: int) -> dict[str, Tensor]:
    return {name: value[i : i + 1] for name, value in noise.items()}
