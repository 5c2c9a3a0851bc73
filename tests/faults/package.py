"""Algorithms of a package that misbehaves, as a worker process finds them through an entry point."""

from __future__ import annotations

from pathlib import Path

from tests import packages

MODULE = """
import os, signal, sys, time, weakref
import torch
from dimebench.agents.random import Random
from dimebench.agents.sac import SAC


class Stuck(SAC):
    summary = "stands still in its first update, as a hung driver does"

    def update(self, batch, noise):
        os.kill(os.getpid(), signal.SIGSTOP)
        return super().update(batch, noise)


class NaN(SAC):
    summary = "its policy gives NaN from the fifth update on"

    def update(self, batch, noise):
        metrics = super().update(batch, noise)
        if self.grad_steps >= 5:
            with torch.no_grad():
                self.arenas["policy"].fill_(float("nan"))
        return metrics


class Greedy(SAC):
    summary = "more than one seed of it does not fit on the device"

    alive = weakref.WeakSet()  # on a CPU every seed of a block has a learner of its own

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.alive.add(self)

    def update(self, batch, noise):
        if len(self.alive) > 1 and self.grad_steps >= 5:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().update(batch, noise)


class Moody(SAC):
    summary = "stands still, or takes long over an evaluation, as $MOOD says; then $MOOD_FILE appears"

    def update(self, batch, noise):
        if os.environ.get("MOOD") == "stuck" and self.grad_steps >= 5:
            open(os.environ["MOOD_FILE"], "w").close()
            os.kill(os.getpid(), signal.SIGSTOP)
        return super().update(batch, noise)

    def evaluate(self, obs, noise):
        if os.environ.get("MOOD") == "slow":
            open(os.environ["MOOD_FILE"], "w").close()
            time.sleep(1.0)
        return super().evaluate(obs, noise)


class Huge(SAC):
    summary = "does not fit at all"

    def update(self, batch, noise):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


class Breaker(SAC):
    summary = "the training environment of seed 1 raises in its 25th step"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        import dimebench.training.loop as loop
        in_a_worker = "dimebench.engines.local.worker" in sys.orig_argv  # not where somebody counts its memory
        if in_a_worker and loop.make_vector_env is not breaking:
            breaking.original, loop.make_vector_env = loop.make_vector_env, breaking


def breaking(task, seeds, repeat, workers=0):
    envs = breaking.original(task, seeds, repeat, workers)
    for env, seed in zip(envs.environments, seeds):
        if seed.entropy == 1:
            step, calls = env.step, iter(range(10**9))
            def limited(*given):
                if next(calls) >= 25:
                    raise ValueError("the simulator fell over")
                return step(*given)
            env.step = limited
    return envs
"""
NAMES = {"stuck": "Stuck", "nan": "NaN", "greedy": "Greedy", "huge": "Huge", "moody": "Moody", "breaker": "Breaker"}


def install(site: Path) -> Path:
    """The folder, for PYTHONPATH, with the package in it."""
    points = {name: f"faulty:{cls}" for name, cls in NAMES.items()}
    return packages.install(site, "faulty", MODULE, "dimebench.algorithms", points)
