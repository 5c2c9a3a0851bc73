"""What a learner costs, counted on its real update without the numbers: memory, operations, bytes that it moves.

The update runs on torch's fake tensors, which have shapes and no content. Every storage that is alive is counted, and
every operation by torch's own formulas (`torch.utils.flop_counter`), so that the figures are those of the algorithm
as it is, another package's too.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from dimebench.agents.base import Agent, Batch, Dims, NoiseShapes
from dimebench.agents.parts.paths import gpu_ways
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.schedule import update_schedule
from dimebench.training.block import Block, build_settings
from dimebench.training.execution.dispatch import DispatchMode
from dimebench.training.rng import BUFFERED_CALLS, BUFFERED_NUMBERS

WORD = 4  # bytes of a float32
aten = torch.ops.aten
PRODUCTS = {aten.mm, aten.addmm, aten.bmm, aten.baddbmm}


@dataclass(frozen=True)
class LearnerBytes:
    """Bytes of one learner with all its seeds."""

    peak: int  # in an update: parameters, moments, gradients, activations, batch and noise
    state: int  # in a checkpoint, replay left out
    noise: int  # drawn buffered for the calls to come, `training.rng.NoiseBuffer`


@dataclass(frozen=True)
class Work:
    """What a call does. Elementwise operations are left out: the sums are a floor.

    A product of [m, k] and [k, n] counts 2 m k n operations. Of the bytes that move between memory and processor,
    those of tensors that the learner keeps from call to call are counted, and what updates them in place.
    """

    flops: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class LearnerWork:
    """The work of one seed."""

    calls: tuple[Work, ...]  # `Agent.update`: one after another, over a period of the schedule
    act: Work  # the action for one observation
    widest: tuple[int, int, int, int]  # the product with the most operations: stack, rows, inputs, outputs

    def widest_of(self, seeds: int) -> tuple[int, int, int, int]:
        """The same of seeds that are stacked."""
        stack, rows, inputs, outputs = self.widest
        return seeds * stack, rows, inputs, outputs


NOTHING = LearnerBytes(0, 0, 0)


def learner_bytes(block: Block, dims: Dims) -> LearnerBytes:
    """Of the learner that trains the block: on a CPU its seeds' learners work one after another."""
    if not load_algorithm(block.algorithm).learns:
        return NOTHING
    seeds = len(block.seeds)
    on_gpu = block.device != "cpu"
    stacked = seeds if on_gpu else 1
    one = _learner_bytes(block.algorithm, plain(block.settings), dims, stacked, on_gpu)
    if stacked == seeds:
        return one
    return LearnerBytes(one.peak + (seeds - 1) * one.state, seeds * one.state, seeds * one.noise)


def learner_work(block: Block, dims: Dims) -> LearnerWork:
    """Of the block's learner, one that learns, per seed.

    As a CPU computes it: there every product is one, while a GPU takes some as sums, which fuse with what follows.
    """
    return _learner_work(block.algorithm, plain(block.settings), dims)


def plain(settings: Mapping[str, Any]) -> str:
    """Equal for equal settings."""
    return json.dumps(settings, sort_keys=True)


@functools.lru_cache(maxsize=512)
def _learner_bytes(name: str, settings_json: str, dims: Dims, seeds: int, on_gpu: bool) -> LearnerBytes:
    algorithm = load_algorithm(name)
    settings = build_settings(algorithm.Settings, json.loads(settings_json))
    with gpu_ways() if on_gpu else contextlib.nullcontext():
        try:
            return count_bytes(algorithm, settings, dims, seeds, fake=True)
        except Exception:  # another package's learner that looks at its tensors' content: one seed of it, for real
            one = count_bytes(algorithm, settings, dims, 1, fake=False)
            return LearnerBytes(seeds * one.peak, seeds * one.state, seeds * one.noise)


@functools.lru_cache(maxsize=512)
def _learner_work(name: str, settings_json: str, dims: Dims) -> LearnerWork:
    algorithm = load_algorithm(name)
    settings = build_settings(algorithm.Settings, json.loads(settings_json))
    try:
        return count_work(algorithm, settings, dims, fake=True)
    except Exception:  # as above
        return count_work(algorithm, settings, dims, fake=False)


def count_bytes(algorithm: type[Agent], settings: Any, dims: Dims, seeds: int, fake: bool) -> LearnerBytes:
    """Of a learner of so many seeds, up to its first actor update; with `fake` the update has no numbers."""
    noise = 0
    with _fake() if fake else contextlib.nullcontext(), _Alive(fake) as alive:
        agent = algorithm(dims, settings, [torch.Generator() for _ in range(seeds)], "cpu")
        for actor_updates in _schedule(settings):
            noise = max(noise, sum(math.prod(shape) for shape in agent.update_noise().values()))
            _update(agent, settings, dims, seeds)
            if actor_updates:
                break
        state = sum(value.nbytes for value in agent.state_dict().values())
    buffered = WORD * seeds * min(BUFFERED_CALLS * noise, max(noise, BUFFERED_NUMBERS))
    return LearnerBytes(alive.peak, state, 2 * buffered)  # new numbers come before the last of the old ones go


def count_work(algorithm: type[Agent], settings: Any, dims: Dims, fake: bool) -> LearnerWork:
    """Of one seed; with `fake` without numbers."""
    with _fake() if fake else contextlib.nullcontext(), _Counter(fake) as counter:
        agent = algorithm(dims, settings, [torch.Generator()], "cpu")
        _update(agent, settings, dims, 1)  # in which an optimiser may make its moments
        *later, first = [counter.of(lambda: _update(agent, settings, dims, 1)) for _ in _schedule(settings)]
        act = counter.of(lambda: agent.act(torch.zeros(1, 1, dims.obs), _zeros(1, agent.policy_noise(1))))
    return LearnerWork((first, *later), act, counter.widest)


def _schedule(settings: Any) -> list[tuple[int, ...]]:
    return update_schedule(settings.utd, getattr(settings, "policy_delay", 1))


def _update(agent: Agent, settings: Any, dims: Dims, seeds: int) -> None:
    rows = settings.utd * settings.batch_size
    shapes = {"obs": (dims.obs,), "action": (dims.act,), "reward": (), "next_obs": (dims.obs,), "terminated": ()}
    batch = _zeros(seeds, {name: (rows, *shape) for name, shape in shapes.items()})
    agent.update(Batch(**batch), _zeros(seeds, agent.update_noise()))


def _zeros(seeds: int, shapes: NoiseShapes) -> dict[str, Tensor]:
    return {name: torch.zeros(seeds, *shape) for name, shape in shapes.items()}


@contextlib.contextmanager
def _fake() -> Iterator[None]:
    # Moving a module to where it is has no effect, but on fake tensors it fails.
    stay = mock.patch.object(nn.Module, "to", lambda module, *_, **__: module)
    with FakeTensorMode(allow_non_fake_inputs=True), stay, warnings.catch_warnings():
        # It is asked for, and rightly not equal.
        warnings.filterwarnings("ignore", "Accessing the data pointer of FakeTensor")
        yield


class _Alive(DispatchMode):
    """Follows the bytes of all storages that are alive."""

    def __init__(self, fake: bool) -> None:
        super().__init__()
        self.peak = 0
        self._fake, self._now = fake, 0
        self._alive: dict[int, tuple[int, weakref.ref[Any]]] = {}  # by address: bytes, a reference

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self._fake and func is aten._local_scalar_dense.default:
            # There are no numbers: none is left outside the bounds, and an optimiser has made one step.
            return False if args[0].dtype == torch.bool else 1.0
        out = func(*args, **(kwargs or {}))
        for tensor in _tensors(out):
            self._see(tensor.untyped_storage())
        return out

    def _see(self, storage: torch.UntypedStorage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self._alive:
            return
        self._alive[key] = size, weakref.ref(storage, lambda _: self._forget(key))
        self._now += size
        self.peak = max(self.peak, self._now)

    def _forget(self, key: int) -> None:
        self._now -= self._alive.pop(key)[0]


class _Counter(_Alive):
    """Counts what a call computes and moves as well."""

    def __init__(self, fake: bool) -> None:
        from torch.utils.flop_counter import flop_registry  # with Triton: 75 MB, which a probe would measure

        super().__init__(fake)
        self._formulas = flop_registry
        self.widest = 1, 1, 1, 1
        self._flops = self._moved = 0
        self._kept: dict[int, int] = {}  # bytes by address, of storages from before the call
        self._used: set[int] = set()  # of these
        self._updated: set[int] = set()

    def of(self, call: Callable[[], object]) -> Work:
        """What is kept and only read counts once, what is updated in place as often as it is."""
        self._kept = {key: size for key, (size, _) in self._alive.items()}
        self._used, self._updated, self._flops, self._moved = set(), set(), 0, 0
        call()
        return Work(self._flops, self._moved + sum(self._kept.get(key, 0) for key in self._used - self._updated))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        formula = self._formulas.get(func._overloadpacket)
        if formula is None and torch.is_inference_mode_enabled() and func.namespace == "aten":
            with self:  # there an operation may come whole that elsewhere comes in its parts
                parts = func.decompose(*args, **kwargs)
            if parts is not NotImplemented:
                return parts
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if formula is not None:
            self._flops += formula(*args, **kwargs, out_val=out)
            self._widen(func._overloadpacket, args)
        self._move(_written(func), args, kwargs)
        return out

    def _forget(self, key: int) -> None:
        super()._forget(key)
        self._kept.pop(key, None)  # another storage may get the address

    def _widen(self, operation: Any, args: Any) -> None:
        if operation in PRODUCTS:
            a, b = args[-2:]
            shape = len(a) if a.dim() == 3 else 1, a.shape[-2], a.shape[-1], b.shape[-1]
            self.widest = max(self.widest, shape, key=math.prod)  # of equals the first

    def _move(self, written: frozenset[int | str], args: Any, kwargs: Any) -> None:
        """An operation that updates a tensor in place reads all that it takes and writes that tensor."""
        moved, kept, updates = 0, set(), False
        for at, value in [*enumerate(args), *kwargs.items()]:
            for tensor in _tensors(value):
                moved += tensor.nbytes
                key = tensor.untyped_storage()._cdata
                if key in self._kept:
                    kept.add(key)
                    if at in written:
                        moved, updates = moved + tensor.nbytes, True
        self._used |= kept
        if updates:
            self._moved += moved
            self._updated |= kept


@functools.cache
def _written(operation: Any) -> frozenset[int | str]:
    """The arguments that an operation updates in place, by position and by name."""
    arguments = enumerate(operation._schema.arguments)
    return frozenset(at for i, a in arguments if a.alias_info and a.alias_info.is_write for at in (i, a.name))


def _tensors(value: Any) -> list[Tensor]:
    """Those of an operation's argument or result, which is one tensor, several, or none."""
    values = value if isinstance(value, list | tuple) else [value]
    return [each for each in values if isinstance(each, Tensor)]
