"""Graphs: a call's operations recorded once, and repeated without Python's part.

On a GPU they are torch's CUDA graphs. On a CPU they are our own: a learner of small networks spends more time between
operations than in them, on modules, autograd, views and memory. A recording keeps the tensor operations alone (the
backward pass's among them, which are operations like others), with every tensor at a fixed place: views cost nothing
any more, results are written where the first call had them, and tensors that are not needed at the same time share
memory. The operations and their order are those of the call, so the numbers are the same bit for bit.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from dimebench.errors import DimebenchError, one_line
from dimebench.store.reader import without_collecting
from dimebench.training.execution import graph_passes
from dimebench.training.execution.dispatch import DispatchMode
from dimebench.training.execution.graph_passes import Operation, Parts, place_of, tensors_in
from dimebench.training.execution.graph_steps import step

R = TypeVar("R")


class ExecutionError(DimebenchError):
    """A mode or a precision that this machine cannot run; one line."""


class Recorder(Protocol):
    """Records what a function does on the device."""

    def warm(self, function: Callable[[], R]) -> R:
        """Call the function, as a call before the capture has to be."""

    def capture(self, function: Callable[[], R]) -> tuple[Callable[[], None], R]:
        """Record a call; returns what replays it, and the function's result, which each replay overwrites."""


class CudaGraphs:
    """torch's CUDA graphs, with one memory pool for all graphs of a learner."""

    def __init__(self, device: str) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm(self, function: Callable[[], R]) -> R:
        current = torch.cuda.current_stream()
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = function()
        current.wait_stream(self._stream)
        return result

    def capture(self, function: Callable[[], R]) -> tuple[Callable[[], None], R]:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        gc.collect()
        try:
            with (
                without_collecting(),  # which could free something of another graph's in the middle of it
                torch.cuda.stream(torch.cuda.current_stream()),  # back to it, whatever happens
                torch.cuda.graph(graph, pool=self._pool, stream=self._stream),
            ):
                result = function()
        except RuntimeError as error:
            for each in _with_causes(error):
                if isinstance(each, torch.OutOfMemoryError):
                    raise each from None  # the worker splits the block on that
            text = one_line(error)[:200]
            why = f"the update cannot be captured as a CUDA graph ({text}); --mode eager runs it"
            raise ExecutionError(why) from error
        return graph.replay, result


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it, the latest first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


UNFILLED = {"aten::empty", "aten::empty_like", "aten::empty_strided", "aten::new_empty", "aten::new_empty_strided"}
CONSTANT = {"aten::ones_like", "aten::zeros_like", "aten::scalar_tensor", "aten::ones", "aten::zeros", "aten::full"}
CONSTANT |= {"aten::arange", "aten::full_like"}


class CpuGraphs:
    """Recordings on a CPU: the same operations in the same order, so the same numbers bit for bit."""

    def warm(self, function: Callable[[], R]) -> R:
        return function()

    def capture(self, function: Callable[[], R]) -> tuple[Callable[[], None], R]:
        """Record a call, which leaves every tensor that it writes to as it was."""
        recorder = _Recorder()
        with recorder:
            result = function()
        with torch.no_grad():
            for storage, value in recorder.before.values():
                storage.copy_(value)
        constant = _constant(recorder.operations)
        wanted = graph_passes.needed(recorder.operations, result, constant)
        operations, same = graph_passes.done_before(wanted, result)
        kept = [result, *(o.fresh for o in constant)]
        stay = {place_of(tensor) for tensor in tensors_in(kept)}
        separate = stay | same.keys() | {place_of(t) for t in same.values()}
        operations, parts = graph_passes.made_in_place(operations, separate)
        moved = _share_memory(operations, same, parts, stay)
        idle = {id(o) for o in constant} | {id(o) for o in operations if o.name in UNFILLED}
        steps = [step(o, moved) for o in operations if id(o) not in idle]

        @torch.no_grad()
        def replay() -> None:
            for call, args, kwargs in steps:
                call(*args, **kwargs)

        return replay, result


class _Recorder(DispatchMode):
    """Notes every operation but views, whose results stay where they are."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []
        self.before: dict[int, tuple[Any, Any]] = {}  # storages that are written to, as they were
        self._made: set[int] = set()  # storages that came to be in the call

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name
        if _differs(func, args):
            raise ExecutionError(f"the update cannot be recorded ({name} in it); --mode eager runs it")
        writes = [tensor for tensor in _written(func, args, kwargs) if tensor.numel()]
        for tensor in writes:
            if place_of(tensor) not in self._made | self.before.keys():
                storage = tensor.untyped_storage()
                self.before[place_of(tensor)] = storage, storage.clone()
        result = func(*args, **kwargs)
        given = {place_of(tensor) for tensor in tensors_in((args, kwargs))}
        fresh = [tensor for tensor in tensors_in(result) if place_of(tensor) not in given]
        self._made |= {place_of(tensor) for tensor in fresh}
        if (writes or fresh) and not name.startswith("profiler::"):
            self.operations.append(Operation(func, args, kwargs, fresh, writes))
        return result


UNTOLD = {"aten::lift_fresh", "aten::native_batch_norm"}  # the latter's schema is silent on the statistics it writes
DIFFERING = {
    torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape, torch.Tag.nondeterministic_seeded,
    torch.Tag.inplace_view,
}  # fmt: skip


def _differs(func: Any, args: Any) -> bool:
    """Whether repeating the operation on the same tensors may not be what another call does.

    It reads a value or has as many results as values say; it makes a tensor of Python's numbers or draws random ones;
    it changes a tensor's shape, or more than it says; it sees numbers with another sign than they are stored with.
    """
    if func._schema.name == "aten::index":  # by a mask, or by numbers, which is no trouble
        return any(index.dtype in (torch.bool, torch.uint8) for index in tensors_in(args[1]))
    return (
        func._schema.name in UNTOLD
        or not DIFFERING.isdisjoint(func.tags)
        or any(tensor.is_conj() or tensor.is_neg() for tensor in tensors_in(args))
    )


def _constant(operations: list[Operation]) -> list[Operation]:
    """Those whose result is the same in every call, and stays as it was made."""
    changed = {place_of(tensor) for operation in operations for tensor in operation.written}
    return [o for o in operations if o.name in CONSTANT and not {place_of(t) for t in o.fresh} & changed]


def _written(func: Any, args: Any, kwargs: Any) -> Iterator[Tensor]:
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            yield from tensors_in(kwargs.get(argument.name, args[position] if position < len(args) else None))


def _share_memory(
    operations: list[Operation], same: dict[int, Tensor], parts: Parts, stay: set[int]
) -> Callable[[Tensor], Tensor]:
    """Where each tensor of a recording lives from now on: those made on the way in places that are used again.

    Places in `stay`, and whatever was there before, remain where they are. `same` says which tensor is meant instead
    of one at a place, `parts` of which other tensor it is a part.
    """

    def whole(tensor: Tensor) -> Tensor:
        tensor = same.get(place_of(tensor), tensor)
        return parts[place_of(tensor)][0] if place_of(tensor) in parts else tensor

    last = {place_of(whole(t)): at for at, operation in enumerate(operations) for t in operation.tensors()}
    ends: dict[int, list[int]] = {}
    homes: dict[int, Tensor] = {}
    free: list[Tensor] = []  # the latest given up last: it is still in the caches
    for at, operation in enumerate(operations):
        for tensor in map(whole, operation.fresh):
            place, size = place_of(tensor), tensor.untyped_storage().nbytes()
            if place in stay or place in homes or not size:
                continue
            homes[place] = _take(free, size)
            ends.setdefault(last[place], []).append(place)
        free.extend(homes[place] for place in ends.get(at, []))
    cache: dict[int, Tensor] = {}

    def moved(tensor: Tensor) -> Tensor:
        if id(tensor) not in cache:
            home = homes.get(place_of(whole(tensor)), whole(tensor)).untyped_storage()
            offset = tensor.storage_offset()
            if place_of(tensor) in parts:  # in elements of the type that it is viewed as
                offset += parts[place_of(tensor)][1] // tensor.element_size()
            cache[id(tensor)] = torch.empty(0, dtype=tensor.dtype).set_(home, offset, tensor.shape, tensor.stride())
        return cache[id(tensor)]

    return moved


def _take(free: list[Tensor], size: int) -> Tensor:
    """A place of at least `size` bytes, as little above it as there is; a new one where that would waste half."""
    fits = [i for i, home in enumerate(free) if size <= home.numel() <= 2 * size]
    if not fits:
        return torch.empty(size, dtype=torch.uint8)
    return free.pop(min(reversed(fits), key=lambda i: free[i].numel()))
