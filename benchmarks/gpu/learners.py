"""Learners for the parts: built by the trainer itself, with transitions and noise drawn as in training."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.gpu.session import Session
from dimebench.agents.base import Metrics
from dimebench.agents.registry import known_algorithms
from dimebench.agents.updates.schedule import update_schedule
from dimebench.config import parse_words
from dimebench.planning.identity import block_identity
from dimebench.planning.plan import make_plan
from dimebench.training.block import Block
from dimebench.training.execution.modes import WARM_CALLS
from dimebench.training.loop import Hooks, Trainer
from tests.training.blocks import make_block

TASK = "dog-run"
FILLED = 2_000  # random transitions in the replay, and no more than it holds


@dataclass(frozen=True)
class Setting:
    """A learner and how it executes."""

    algorithm: str
    seeds: int
    mode: str
    precision: str
    chain: str = "plain"

    @property
    def name(self) -> str:
        chain = f" {self.chain} chain" if self.chain != "plain" else ""
        return f"{self.algorithm} S={self.seeds} {self.mode} {self.precision}{chain}"

    def block(self, device: str, folder: Path, **settings: Any) -> Block:
        """Published size on dog-run; on a CPU a tiny one on a pendulum."""
        changes: dict[str, Any] = {"device": device, "seeds": tuple(range(self.seeds))}
        changes |= {"env_workers": 0, "mode": self.mode, "precision": self.precision, "chain": self.chain}
        if device == "cpu":
            block = make_block(self.algorithm)
        else:
            words = ["suite=dmc-full", f"algo={self.algorithm}", f"task={TASK}"]
            plan = make_plan(parse_words(words, algorithms=known_algorithms()), [0], folder, device)
            block = plan.cells[0].blocks[0]
        return replace(block, **changes, settings=block.settings | settings)


class Made:
    """A block's trainer with a filled replay: `step` is what the learner does in an env step of all seeds."""

    def __init__(self, block: Block, folder: Path) -> None:
        hooks = Hooks(report=lambda event: None, should_stop=lambda: False)
        self.block = block
        self.trainer = Trainer(block, folder, block_identity(block, folder), hooks)
        self.agent: Any = self.trainer.agent
        self.off_policy, self.settings, spec = self.trainer.off_policy, self.trainer.settings, self.trainer.spec
        self.obs_dim, self.act_dim, self.seeds = spec.obs_dim, spec.act_dim, len(block.seeds)
        calls = update_schedule(self.settings.utd, getattr(self.settings, "policy_delay", 1))
        self.schedule = [len(each) for each in calls]  # actor updates in each call
        self._fill()

    def _fill(self) -> None:
        rng, no = np.random.default_rng(0), np.zeros(self.seeds, bool)
        self.obs = obs = rng.standard_normal((self.seeds, self.obs_dim), np.float32)
        for _ in range(min(FILLED, self.off_policy.replay.capacity)):
            action = rng.uniform(-1, 1, (self.seeds, self.act_dim)).astype(np.float32)
            after = rng.standard_normal((self.seeds, self.obs_dim), np.float32)
            self.off_policy.replay.add(obs, action, rng.random(self.seeds, np.float32), after, no, no)
            obs = after

    def act(self) -> np.ndarray:
        """The policy's actions for one observation of every seed."""
        self.off_policy.ask(self.obs)
        return self.off_policy.wait()

    def update(self) -> Metrics:
        """One update call, on transitions and noise drawn for it."""
        self.off_policy.draw()
        return self.off_policy.update()

    def step(self) -> None:
        """ResourceRequest for the actions, begin the update, wait for the actions alone: nothing idles meanwhile."""
        self.off_policy.ask(self.obs)
        self.off_policy.draw()
        self.off_policy.update()
        self.off_policy.wait()

    def step_in_order(self) -> None:
        """The same with the update begun only once the actions are there."""
        self.off_policy.ask(self.obs)
        self.off_policy.draw()
        self.off_policy.wait()
        self.off_policy.update()

    def warm(self, everything: bool = False) -> None:
        """So many steps that what they do is compiled and captured, in whole periods of the schedule.

        With `everything` first all that a training will come to, as it does before it begins.
        """
        if everything:
            self.trainer.warm_up(lambda: False)
        for _ in range((WARM_CALLS + 2) * len(self.schedule)):
            self.step()
        wait(self.block.device)

    def ms(self, call: Callable[[], object], seconds: float, windows: int = 5) -> list[float]:
        """Milliseconds per call by the clock, of each of some windows of whole periods of the schedule."""
        period = len(self.schedule)
        one = max(self._clock(call, 2 * period) / (2 * period), 1e-6)
        calls = max(1, round(seconds / windows / one / period)) * period
        return [self._clock(call, calls) / calls * 1e3 for _ in range(windows)]

    def _clock(self, call: Callable[[], object], calls: int) -> float:
        wait(self.block.device)
        began = time.perf_counter()
        for _ in range(calls):
            call()
        wait(self.block.device)
        return time.perf_counter() - began

    def close(self) -> None:
        self.trainer.close()


@contextmanager
def made(session: Session, setting: Setting, **settings: Any) -> Iterator[Made]:
    """A learner of the setting, on a device and with a compiler that nobody before it has left anything with."""
    tidy(session.device)
    folder = session.scratch / f"made-{time.monotonic_ns()}"
    learner = Made(setting.block(session.device, folder, **settings), folder)
    try:
        yield learner
    finally:
        learner.close()


def tidy(device: str) -> None:
    """Forget compiled code and free memory: a compiled learner hangs in a cycle."""
    gc.collect()
    if device.startswith("cuda"):
        torch._dynamo.reset()
        gc.collect()
        torch.cuda.empty_cache()


def wait(device: str) -> None:
    """Until the device has done everything."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def modes(session: Session) -> list[tuple[str, str]]:
    """Mode and precision, the most telling first: as they are, as a run has them, then the others."""
    if not session.on_gpu:
        return [("eager", "float32"), ("graph", "float32"), ("graph", "bf16")]
    captured = [(mode, precision) for precision in ("tf32", "bf16") for mode in ("compile+graph", "graph")]
    return [("eager", "float32"), *captured, ("compile", "tf32")]


def chosen(session: Session, names: tuple[str, ...]) -> list[str]:
    """Those of the algorithms that were asked for."""
    asked = session.options.get("algo")
    return [name for name in names if not asked or name in asked]
