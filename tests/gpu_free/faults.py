"""Faults of the CUDA path, planted to see that the fake device finds them.

    python -m tests.gpu_free.faults

prints as JSON what a run with each of them has shown. Most were in this code once, or nearly.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

from tests.gpu_free import guard

if __name__ == "__main__":
    guard.load()  # before torch is imported

import torch
from torch import Tensor

from dimebench.agents.base import Batch, Metrics, Noise
from dimebench.agents.sac import SAC
from dimebench.agents.updates.actor_critic import ActorCritic
from dimebench.training import loop, staging
from dimebench.training.execution import modes as execution
from tests.gpu_free.runs import SEEDS, Shown, block_on_cuda, repeats, run

Plant = Callable[[], AbstractContextManager[Any]]


def wherever(method: str, also: Callable[[Any, Any], Any]) -> Plant:
    """SAC's method also does something, with the agent and its first argument."""
    real = getattr(SAC, method)

    def changed(agent: Any, *args: Any) -> Any:
        also(agent, args[0])
        return real(agent, *args)

    return lambda: mock.patch.object(SAC, method, changed)


def not_for_a_capture(agent: Any, _: Any) -> None:
    """Everything at once that CUDA cannot capture, or that would be in the graph as it was at that moment."""
    alpha = agent.log_alpha.detach()
    alpha[0].item()
    torch.tensor(0.5, device=agent.device)
    torch.add(alpha, ONES)
    alpha.cpu()
    ONES.to(agent.device)
    alpha[alpha > 0]
    torch.cuda.synchronize()
    torch.cuda.current_stream().synchronize()
    torch.randn_like(alpha)


class AsTheyCome(execution.Captured):
    """Warm calls see the tensors that come, strided as they are, and the capture contiguous copies of them."""

    def update(self, batch: Batch, noise: Noise) -> Metrics:
        seen, fields = vars(self).setdefault("seen", Counter()), Batch.__dataclass_fields__
        seen[key] = seen[key := self.agent.update_key()] + 1
        if seen[key] <= execution.WARM_CALLS:
            return self._recorder.warm(lambda: self.agent.update(batch, noise))
        held = Batch(*(getattr(batch, name).clone(memory_format=torch.contiguous_format) for name in fields))
        copies = {name: value.clone(memory_format=torch.contiguous_format) for name, value in noise.items()}
        return self._recorder.capture(lambda: self.agent.update(held, copies))[1]


@contextmanager
def layouts_of_former_captures() -> Iterator[None]:
    with mock.patch.object(execution, "Captured", AsTheyCome), no_warm_up():
        yield


def no_warm_up() -> AbstractContextManager[Any]:
    return mock.patch.object(loop, "warm_up")


def scaled_by_a_count() -> AbstractContextManager[Any]:
    """The loss depends on a number of Python's that changes from call to call."""
    real = SAC.critic_objective

    def changed(agent: Any, *args: Any) -> tuple[Tensor, Metrics]:
        loss, metrics = real(agent, *args)
        return loss * (1.0 + agent.grad_steps), metrics

    return mock.patch.object(SAC, "critic_objective", changed)


def unread_buffers() -> AbstractContextManager[Any]:
    """Several buffers' worth of copies begin before the first is over."""
    real = staging.Staging.send

    def twice(self: Any, values: Any = None) -> Tensor:
        sent = real(self, values)
        self._buffers[self._next - 1].add_(1.0)  # what has just been sent
        return sent

    return mock.patch.object(staging.Staging, "send", twice)


ONES = torch.ones(len(SEEDS))  # on the host
PLANTS: dict[str, tuple[str, Plant]] = {  # mode, fault
    "what is not for a capture": ("graph", wherever("update_actor", not_for_a_capture)),
    "work that is not joined": ("graph", lambda: mock.patch.object(ActorCritic, "join")),
    "work that is not joined, eager": ("eager", lambda: mock.patch.object(ActorCritic, "join")),
    "layouts that change": ("compile+graph", layouts_of_former_captures),
    "no warm-up": ("compile+graph", no_warm_up),
    "a count in the loss": ("graph", scaled_by_a_count),
    "an action that is fetched at once": ("eager", wherever("act", lambda agent, obs: obs.cpu())),
    "an action that is not waited for": (
        "eager",
        lambda: mock.patch.object(staging.Fetching, "wait", lambda self: self._buffer.numpy().copy()),
    ),
    "a buffer that is filled too early": ("eager", unread_buffers),
    "nothing": ("compile+graph", lambda: mock.patch.object(SAC, "act", SAC.act)),
}


def with_fault(name: str, folder: Path) -> Shown:
    mode, plant = PLANTS[name]
    block = block_on_cuda("sac", SEEDS, mode)
    with plant():
        shown = run(block, folder / mode)
        if name == "a count in the loss":
            run(block_on_cuda("sac", SEEDS, "eager"), folder / "eager")
            repeats(shown, block, folder / mode, folder / "eager")
    return shown


if __name__ == "__main__":
    with TemporaryDirectory() as place:
        found = {name: [PLANTS[name][0], asdict(with_fault(name, Path(place) / name))] for name in PLANTS}
    json.dump(found, sys.stdout)
