"""The vector step of a learner at full size, run on the fake device until every kind of call is a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.kernels.compiled import Code, counting
from benchmarks.kernels.device import gpu
from benchmarks.kernels.ledger import Ledger, Line, Watch
from dimebench.agents.base import Dims
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.schedule import period
from dimebench.training.block import Block, Protocol
from dimebench.training.execution.modes import WARM_CALLS, prepare
from dimebench.training.off_policy import OffPolicyLearner

DOG = Dims(obs=223, act=38)


@dataclass
class Count:
    """Launches per vector step by line, bytes moved likewise, and what was compiled."""

    launches: dict[Line, float]
    bytes: dict[Line, float]
    codes: list[Code]


@contextmanager
def watched() -> Iterator[tuple[Ledger, list[Code]]]:
    """A fake H100, a ledger of all that is launched on it, and what is compiled for it."""
    ledger = Ledger()
    with (
        gpu(ledger.began, ledger.ended, ledger.replayed) as fake,
        counting(ledger, fake) as codes,
        torch.autograd.set_detect_anomaly(True, check_nan=False),  # nodes then know where they were made
        Watch(ledger),
    ):
        yield ledger, codes


def count(
    name: str,
    seeds: int,
    mode: str,
    precision: str,
    chain: str = "plain",
    warm_up: bool = False,
    cycles: int = 8,
    dims: Dims = DOG,
) -> Count:
    """One vector step: `act`, the draw of a batch, `update` and the storing of a transition of every seed.

    `warm_up` counts those before BatchRenorm begins to correct. Averages are over `cycles` of the update schedule.
    """
    algorithm = load_algorithm(name)
    settings = algorithm.Settings()
    protocol = Protocol(env_steps=1_000_000, action_repeat=1, eval_interval=10_000, eval_episodes=1)
    block = Block(
        suite="", algorithm=name, variant=name, task="", seeds=tuple(range(seeds)), settings={}, protocol=protocol,
        score={}, device="cuda", threads=1, code="", versions={}, cell="", command="", mode=mode, precision=precision,
    )  # fmt: skip
    obs, action = np.zeros((seeds, dims.obs), np.float32), np.zeros((seeds, dims.act), np.float32)
    zeros = np.zeros(seeds, np.float32)
    with watched() as (ledger, codes):
        agent = algorithm(dims, settings, [torch.Generator() for _ in range(seeds)], "cuda")
        learner = prepare(agent, "cuda", mode, precision, chain)
        if not warm_up:
            agent.set_counts([0, *(10**6 for _ in agent.counts()[1:])])
        learning = OffPolicyLearner(block, dims, agent, learner)

        def vector_step() -> None:
            learning.ask(obs)
            learning.draw()
            learning.update()
            learning.wait()
            learning.replay.add(obs, action, zeros, obs, zeros, zeros > 0)

        learning.replay.add(obs, action, zeros, obs, zeros, zeros > 0)
        turn = period(settings.utd, settings.policy_delay)
        for _ in range(turn * (WARM_CALLS + 1)):
            vector_step()
        ledger.clear()
        steps = turn * cycles
        for _ in range(steps):
            vector_step()
    launched, moved = ledger.launched.items(), ledger.bytes.items()
    return Count({line: n / steps for line, n in launched}, {line: n / steps for line, n in moved}, codes)


def by_part(launches: dict[Line, float]) -> dict[str, Counter[str]]:
    """Launches of each part by kind."""
    found: dict[str, Counter[str]] = {}
    for line, n in launches.items():
        found.setdefault(line.part, Counter())[line.kind] += n  # type: ignore[assignment]
    return found
