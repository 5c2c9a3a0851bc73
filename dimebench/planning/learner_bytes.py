"""What a learner keeps in memory, counted on its real update without the numbers.

The update runs on torch's fake tensors, which have shapes and no content: every storage that is alive is counted, so
that parameters, Adam's moments, gradients and activations are those of the algorithm as it is, another package's too.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import warnings
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves

from dimebench.agents.base import Agent, Batch, Dims
from dimebench.agents.parts.paths import gpu_ways
from dimebench.agents.registry import load_algorithm
from dimebench.training.block import Block, build_settings
from dimebench.training.execution.dispatch import DispatchMode
from dimebench.training.rng import BUFFERED_CALLS, BUFFERED_NUMBERS

WORD = 4  # bytes of a float32


@dataclass(frozen=True)
class LearnerBytes:
    """Bytes of one learner with all its seeds."""

    peak: int  # in an update: parameters, moments, gradients, activations, batch and noise
    state: int  # in a checkpoint, replay left out
    noise: int  # drawn ahead for the calls to come, `training.rng.NoiseBuffer`


NOTHING = LearnerBytes(0, 0, 0)


def learner_bytes(block: Block, dims: Dims) -> LearnerBytes:
    """Of the learner that trains the block: on a CPU its seeds' learners work one after another."""
    if not load_algorithm(block.algorithm).learns:
        return NOTHING
    seeds = len(block.seeds)
    on_gpu = block.device != "cpu"
    stacked = seeds if on_gpu else 1
    with gpu_ways() if on_gpu else contextlib.nullcontext():
        one = _count(block.algorithm, json.dumps(block.settings, sort_keys=True), dims, stacked, on_gpu)
    if stacked == seeds:
        return one
    return LearnerBytes(one.peak + (seeds - 1) * one.state, seeds * one.state, seeds * one.noise)


@functools.lru_cache(maxsize=512)
def _count(name: str, settings_json: str, dims: Dims, seeds: int, on_gpu: bool) -> LearnerBytes:
    # `on_gpu` tells apart what is remembered.
    algorithm = load_algorithm(name)
    settings = build_settings(algorithm.Settings, json.loads(settings_json))
    try:
        return _counted(algorithm, settings, dims, seeds, fake=True)
    except Exception:  # another package's learner that looks at its tensors' content: one seed of it, for real
        one = _counted(algorithm, settings, dims, 1, fake=False)
        return LearnerBytes(seeds * one.peak, seeds * one.state, seeds * one.noise)


def _counted(algorithm: type[Agent], settings: Any, dims: Dims, seeds: int, fake: bool) -> LearnerBytes:
    with _fake() if fake else contextlib.nullcontext(), _Alive(fake) as alive:
        agent = algorithm(dims, settings, [torch.Generator() for _ in range(seeds)], "cpu")
        noise = 0
        for _ in range(-(-getattr(settings, "policy_delay", 1) // settings.utd)):  # the last one updates the actor
            shapes = agent.update_noise()
            noise = max(noise, sum(math.prod(shape) for shape in shapes.values()))
            drawn = {name: torch.zeros(seeds, *shape) for name, shape in shapes.items()}
            agent.update(_batch(seeds, settings.utd * settings.batch_size, dims), drawn)
            del drawn
        state = sum(value.nbytes for value in agent.state_dict().values())
    ahead = WORD * seeds * min(BUFFERED_CALLS * noise, max(noise, BUFFERED_NUMBERS))
    return LearnerBytes(alive.peak, state, 2 * ahead)  # new numbers come before the last of the old ones go


def _batch(seeds: int, rows: int, dims: Dims) -> Batch:
    def zeros(*shape: int) -> torch.Tensor:
        return torch.zeros(seeds, rows, *shape)

    return Batch(zeros(dims.obs), zeros(dims.act), zeros(), zeros(dims.obs), zeros())


@contextlib.contextmanager
def _fake() -> Iterator[None]:
    # Moving a module to where it is has no effect, but on fake tensors it fails.
    stay = mock.patch.object(nn.Module, "to", lambda module, *_, **__: module)
    with FakeTensorMode(allow_non_fake_inputs=True), stay, warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Accessing the data pointer of FakeTensor"
        )  # asked for, and rightly not equal
        yield


class _Alive(DispatchMode):
    """Follows the bytes of all storages that are alive."""

    def __init__(self, fake: bool) -> None:
        super().__init__()
        self.peak = 0
        self._fake, self._now = fake, 0
        self._seen: dict[int, weakref.ref[Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._fake and func is torch.ops.aten._local_scalar_dense.default:
            return False  # "is there a number left outside the bounds?": there are no numbers
        out = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(out):
            if isinstance(leaf, torch.Tensor):
                self._see(leaf.untyped_storage())
        return out

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._seen:
            return

        def gone(_: Any) -> None:
            self._now -= size
            self._seen.pop(key, None)

        self._seen[key] = weakref.ref(storage, gone)
        self._now += size
        self.peak = max(self.peak, self._now)
