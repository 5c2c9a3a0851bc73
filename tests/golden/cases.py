"""What the golden tests share: a case run with one seed and with several, and held to numbers made elsewhere.

With three seeds the golden one sits in the middle and the outer two have other parameters. The golden seed must give
the golden numbers, and each outer seed what it gives when it trains alone. `conftest.py` prints each case's errors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from dimebench.agents.updates.actor_critic import ActorCritic

A = TypeVar("A", bound=ActorCritic[Any])


class Error(NamedTuple):
    what: str
    size: float  # the largest error; of parameters after Adam the share of elements that are off
    limit: float
    kind: str  # "absolute", "relative" (to the array's largest), "elements off"
    relative: float  # the largest error over the array's largest element


ERRORS: dict[str, list[Error]] = {}  # test -> what was compared in it


class Check:
    """Holds one seed's part of what a case computes to numbers; asserts, and notes the errors."""

    def __init__(self, seed: int, seeds: int = 1, alone: dict[str, Tensor] | None = None) -> None:
        self.seed = seed  # in the stack; the golden one, or with `alone` the one that runs by itself
        self.alone = alone  # what the stack computed for all its seeds
        self.seen: dict[str, Tensor] = {}
        distance = torch.arange(seeds) - seeds // 2  # from the golden seed
        self.distance = distance if alone is None else distance[seed : seed + 1]

    def __call__(self, what: str, found: Tensor, golden: np.ndarray, limit: float, relative: bool = False) -> None:
        """The largest difference from the golden array, or alone from what the stack gave this seed."""
        own, expected = self._pair(what, found, golden)
        size, scale = float(np.abs(own - expected).max()), float(np.abs(expected).max()) or 1.0
        kind = "relative" if relative else "absolute"
        self._note(Error(what, size / scale if relative else size, limit, kind, size / scale))

    def parameters(
        self, what: str, module: nn.Module, golden: dict[str, np.ndarray], limit: float, first: dict | None = None
    ) -> None:
        """The share of each tensor's elements that are off by more than 2e-6.

        Not the largest error: Adam divides by the gradient's own size and magnifies rounding where it vanishes. With
        the golden gradients of the `first` update, elements where those are below 1e-5 of the largest are left out.
        """
        own = module.state_dict()
        for name, array in golden.items():
            found, expected = self._pair(f"{what} {name}", own[name], array)
            error = np.abs(found - expected).reshape(array.shape)
            if first is not None:
                gradient = np.abs(first[name]).reshape(array.shape)
                error = error[gradient >= 1e-5 * gradient.max()]
            relative = float(error.max() / np.abs(expected).max())
            self._note(Error(f"{what} {name}", float((error > 2e-6).mean()), limit, "elements off", relative))

    def _pair(self, what: str, found: Tensor, golden: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = found.detach().double().cpu()
        if self.alone is None:
            assert what not in self.seen, f"compared twice: {what}"
            self.seen[what] = found.clone()
            return found[self.seed].numpy().reshape(golden.shape), golden.astype(np.float64)
        return found[0].numpy(), self.alone[what][self.seed].numpy()

    def _note(self, error: Error) -> None:
        test = os.environ["PYTEST_CURRENT_TEST"].split("::")[-1].removesuffix(" (call)")
        ERRORS.setdefault(test, []).append(error)
        where = "" if self.alone is None else f" (seed {self.seed} alone)"
        assert error.size <= error.limit, f"{error.what}{where}: {error.kind} {error.size:.1e} > {error.limit:.0e}"


def every_seed(build: Callable[[int], A], seeds: int) -> Iterator[tuple[A, Check]]:
    """The learner that `build` makes for so many golden seeds, and its check; then each neighbour alone with its own.

    Run the case's body on each pair in turn.
    """
    stack, golden = build(seeds), seeds // 2
    neighbours = [seed for seed in range(seeds) if seed != golden]
    _move(stack, neighbours)
    singles = [_alone(build(1), stack, seed) for seed in neighbours]
    check = Check(golden, seeds)
    yield stack, check
    for seed, single in zip(neighbours, singles, strict=True):
        yield single, Check(seed, seeds, check.seen)


def set_log_alpha(agent: ActorCritic[Any], check: Check, golden: np.ndarray | float) -> None:
    """The golden temperature for the golden seed, others for its neighbours."""
    with torch.no_grad():
        agent.log_alpha.copy_((torch.as_tensor(golden) + 0.5 * check.distance).to(agent.log_alpha))


def _move(agent: ActorCritic[Any], seeds: list[int]) -> None:
    """Other parameters and another temperature for these seeds."""
    g = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for module in agent.modules.values():
            for p in module.parameters():
                for seed in seeds:
                    p[seed] += 0.02 * torch.randn(p.shape[1:], generator=g).to(p.device)
        for seed in seeds:
            agent.log_alpha[seed] += 0.5 * (seed - agent.seeds // 2)


def _alone(single: A, stack: A, seed: int) -> A:
    """`single` with the numbers of one seed of the stack."""
    with torch.no_grad():
        single.log_alpha.copy_(stack.log_alpha[seed : seed + 1])
    for name, module in single.modules.items():
        own, stacked = module.state_dict(), stack.modules[name].state_dict()
        module.load_state_dict(
            {key: v if v.shape == own[key].shape else v[seed : seed + 1] for key, v in stacked.items()}
        )
    return single


def gradients(agent: ActorCritic[Any], network: str) -> dict[str, Tensor]:
    """The gradients that the optimiser last saw, by parameter name."""
    names = [name for name, _ in agent.modules[network].named_parameters()]
    return dict(zip(names, agent.stores[network].gradients(), strict=True))
