"""Algorithms of a package that misbehaves, as a worker process finds them through an entry point."""

from __future__ import annotations

from pathlib import Path

MODULE = '''
import os, signal, sys, time
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

    def update(self, batch, noise):
        if self.seeds > 1 and self.grad_steps >= 5:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().update(batch, noise)


class Slow(SAC):
    summary = "an evaluation of it takes half a minute"

    def evaluate(self, obs, noise):
        time.sleep(1.5)
        return super().evaluate(obs, noise)


class Huge(SAC):
    summary = "does not fit at all"

    def update(self, batch, noise):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")


class Breaker(SAC):
    """Its environment of seed 1 raises once it learns."""

    summary = "breaks an environment"

    def update(self, batch, noise):
        import dimebench.training.loop as loop

        if not getattr(loop.make_block, "breaks", False):
            breaking(loop)
        return super().update(batch, noise)


def breaking(loop):
    import gc
    for trainer in [each for each in gc.get_objects() if isinstance(each, loop.Trainer)]:
        if 1 in trainer.block.seeds:
            env = trainer.envs._envs[trainer.block.seeds.index(1)]
            def step(*_):
                raise ValueError("the simulator fell over")
            env.step = step
'''
NAMES = {"stuck": "Stuck", "nan": "NaN", "greedy": "Greedy", "huge": "Huge", "slow": "Slow", "breaker": "Breaker"}


def install(site: Path) -> Path:
    """The folder, for PYTHONPATH, with the package in it as an installer would leave it."""
    facts = site / "faulty-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "faulty.py").write_text(MODULE)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    points = "\n".join(f"{name} = faulty:{cls}" for name, cls in NAMES.items())
    (facts / "entry_points.txt").write_text(f"[dimebench.algorithms]\n{points}\n")
    return site
