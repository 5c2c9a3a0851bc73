"""What `bench` and the probe time, built as a run builds it: the learner, the whole loop, an evaluation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dimebench.agents.base import Dims
from dimebench.envs import make_vector_env
from dimebench.planning.clock import now
from dimebench.planning.identity import block_identity
from dimebench.training.block import Block
from dimebench.training.evaluate import StopRequestedError
from dimebench.training.loop import Hooks, Trainer
from dimebench.training.rng import sequence

FILLED = 20_000  # random transitions in the replay of a timed learner: more than the caches hold
RANDOM_START = 64  # env steps of random actions before the whole loop is timed
ENDLESS = 10**9  # env steps


def execution(block: Block) -> dict[str, Any]:
    """How the block's learner executes, from its identity: device, threads, mode, precision, a fused chain."""
    return dict(block.identity()["execution"])


def with_execution(
    block: Block, mode: str | None = None, precision: str | None = None, chain: str | None = None
) -> Block:
    """The block with another mode, precision or chain; None changes nothing."""
    return replace(block, mode=mode or block.mode, precision=precision or block.precision, chain=chain or block.chain)


class TimedLearner:
    """A block's learner as its trainer builds it, with a replay of random transitions."""

    def __init__(self, block: Block, results: Path) -> None:
        self._trainer = _trainer(block, results)
        self.dims: Dims = self._trainer.dims
        seeds, replay, rng = len(block.seeds), self._trainer.off_policy.replay, np.random.default_rng(0)
        self._obs = obs = rng.standard_normal((seeds, self.dims.obs), np.float32)
        no = np.zeros(seeds, bool)
        for _ in range(min(FILLED, replay.capacity)):
            action = rng.uniform(-1, 1, (seeds, self.dims.act)).astype(np.float32)
            next_obs = rng.standard_normal((seeds, self.dims.obs), np.float32)
            replay.add(obs, action, rng.random(seeds, np.float32), next_obs, no, no)
            obs = next_obs
        self._trainer.warm_up(lambda: False)

    def update(self) -> None:
        """One update call, with the drawing of its transitions and noise."""
        self._trainer.off_policy.draw()
        self._trainer._update()

    def act(self) -> None:
        """The policy's action for one observation of every seed."""
        self._trainer.off_policy.ask(self._obs)
        self._trainer.off_policy.wait()

    def close(self) -> None:
        self._trainer.close()


class LoopEndedError(Exception):
    """Ends a loop that has run long enough; nothing is saved."""


@contextmanager
def whole_loop(
    block: Block, results: Path, tick: Callable[[], bool], random_start: int = RANDOM_START
) -> Iterator[Callable[[], None]]:
    """A run's own loop, learning after `random_start` env steps: act, step, store, update; nothing is evaluated.

    Yields the function that runs it until `tick`, called before every env step of all seeds, returns True.
    """

    def end() -> bool:
        if tick():
            raise LoopEndedError
        return False

    capacity = min(block.settings["replay_capacity"], block.protocol.env_steps)
    settings = block.settings | {"learning_starts": random_start, "replay_capacity": capacity}
    protocol = replace(block.protocol, env_steps=ENDLESS, eval_interval=ENDLESS)
    trainer = _trainer(replace(block, settings=settings, protocol=protocol), results, end)
    trainer.evaluated_at = 0  # skips the evaluation before training
    trainer.warm_up(lambda: False)  # before the loop begins

    def run() -> None:
        with suppress(LoopEndedError):
            trainer.train()

    try:
        yield run
    finally:
        trainer.close()


def step_times(block: Block, results: Path, seconds: float, fewest: int) -> list[float]:
    """Seconds of each env step of the whole loop, all seeds: RANDOM_START with random actions, then those that learn.

    Of these for `seconds`, but at least `fewest`.
    """
    ticks: list[float] = []
    began = 0.0

    def tick() -> bool:
        nonlocal began
        ticks.append(now(block.device))
        learning = len(ticks) - 1 - RANDOM_START  # env steps
        began = began if learning else time.perf_counter()
        return learning >= fewest and time.perf_counter() - began >= seconds

    with whole_loop(block, results, tick) as run:
        run()
    return np.diff(ticks).tolist()


def physics_times(block: Block, steps: int) -> list[float]:
    """Seconds of each of so many env steps of all seeds with random actions, without a learner and a replay."""
    streams, repeat = [sequence(seed, "env") for seed in block.seeds], block.protocol.action_repeat
    envs = make_vector_env(block.task, streams, repeat, block.env_workers)
    shape, rng, ticks = (len(block.seeds), envs.spec.act_dim), np.random.default_rng(0), []
    try:
        envs.reset()
        for _ in range(steps + 1):
            ticks.append(now(block.device))
            step = envs.step(rng.uniform(-1, 1, shape).astype(np.float32))
            ended = step.terminated | step.truncated
            if ended.any():
                envs.reset(np.flatnonzero(ended))
    finally:
        envs.close()
    return np.diff(ticks).tolist()


def evaluation_times(block: Block, results: Path, steps: int) -> list[float]:
    """Seconds of each of the first env steps of an evaluation, all seeds and episodes, as a run evaluates."""
    ticks: list[float] = []

    def stop() -> bool:
        ticks.append(now(block.device))
        return len(ticks) > steps

    trainer = _trainer(block, results)
    try:
        with suppress(StopRequestedError):
            trainer.evaluator.evaluate(trainer.learner, 0, stop)
    finally:
        trainer.close()
    return np.diff(ticks).tolist()


def _trainer(block: Block, results: Path, stop: Callable[[], bool] = lambda: False) -> Trainer:
    return Trainer(block, results, block_identity(block, results), Hooks(lambda event: None, stop))
