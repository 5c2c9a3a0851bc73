"""A CUDA device of host memory: tensors that say they are on `cuda:0` and hold their numbers in a tensor of the host.

So everything that the package does on CUDA runs, with numbers, where there is no GPU; what CUDA would refuse, and
what it would wait for, is noted (`watch`). `guard.load` must have been called before torch was imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch._subclasses import fake_tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.gpu_free.streams import cuda_functions, tensors_in
from tests.gpu_free.watch import Watch

aten = torch.ops.aten
CUDA = torch.device("cuda", 0)
WAITS = (torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output)
INDEXING = (aten.index, aten.index_put, aten.index_put_)
MEMORY = 80 * 10**9  # bytes that the device is said to have
PROPERTIES = SimpleNamespace(name="fake", major=9, minor=0, total_memory=MEMORY, multi_processor_count=132)


class OnDevice(torch.Tensor):
    """A tensor on the device; `held` is the host's tensor of the same shape and strides."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, held: Tensor) -> OnDevice:
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.shape, held.stride(), held.storage_offset(), dtype=held.dtype, device=CUDA
        )
        made.held = held
        return made

    def __repr__(self) -> str:
        return f"OnDevice({self.held!r})"

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: OnDevice) -> None:
        torch.Tensor.data.__set__(self, value)  # type: ignore[attr-defined]
        self.held = value.held

    def untyped_storage(self) -> torch.UntypedStorage:
        compiling = torch._guards.TracingContext.try_get() is not None  # then the two are to be told apart
        return super().untyped_storage() if compiling else self.held.untyped_storage()

    def _is_view(self) -> bool:
        return False  # for the compiler, which makes views of its own again, with other strides where a size is 1

    def data_ptr(self) -> int:
        return self.held.data_ptr()

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["held"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], context: None, size: Any, strides: Any) -> OnDevice:
        return OnDevice(inner["held"])

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Where the device is not watched: while the compiler looks at what a function does."""
        kwargs = kwargs or {}

        def held(tensor: Tensor) -> Tensor:  # others are the compiler's own, without numbers
            return _held(tensor) if isinstance(tensor, OnDevice) else torch.empty_like(tensor, device="cpu")

        given = _swapped(kwargs, held) | ({"device": torch.device("cpu")} if kwargs.get("device") is not None else {})
        result = func(*_swapped(args, held), **given)
        return _handed_back(_writing(func)[1], args, kwargs, _swapped(result, OnDevice))


class Kernels(TorchDispatchMode):
    """Runs operations of the device on the host."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self.watch = watch
        self.pinned: set[int] = set()  # storages of the host that the device copies from and to by itself

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        return True  # what is compiled runs on the device; compiling it does not

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # there is no need to: nothing of this file is compiled

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = tensors_in((args, kwargs))
        there = [tensor for tensor in tensors if isinstance(tensor, OnDevice)]
        to = kwargs.get("device")
        asked = to is not None and torch.device(to).type == "cuda"
        if not there and not asked:
            return self._on_host(func, args, kwargs)
        if func is aten._to_copy.default and len(there) != (to is None or asked):
            return self._copied(args[0], kwargs)
        if func is aten.copy_.default and len(there) == 1:
            self._copy(args[0], args[1], len(args) > 2 and args[2])
            return args[0]
        if func is aten._local_scalar_dense.default:
            self.watch.wait("item()")
            return func(args[0].held)
        if len(there) < len(tensors):
            self._mixes(func, args, [tensor for tensor in tensors if not isinstance(tensor, OnDevice)])
        self._judge(func, args)
        given = [_held(tensor) for tensor in tensors]
        return self._computed(func, args, kwargs | ({"device": torch.device("cpu")} if asked else {}), given)

    def _on_host(self, func: Any, args: Any, kwargs: Any) -> Any:
        if func is aten.lift_fresh.default and self.watch.graph is not None:
            self.watch.fault("a tensor made of Python's numbers in a capture")
        pinned = kwargs.get("pin_memory")
        result = func(*args, **(kwargs | {"pin_memory": False} if pinned else kwargs))
        if pinned:
            self.pinned.add(_place(result))
        return result

    def _mixes(self, func: Any, args: Any, hosts: Sequence[Tensor]) -> None:
        """An operation on tensors of both sides: single numbers may be the host's, and indices, which are sent."""
        if func.overloadpacket in INDEXING:
            self.watch.wait("indexing by numbers of the host")
        elif any(host.dim() for host in hosts):
            self.watch.fault(f"{func.overloadpacket.__name__} of tensors on the device and on the host")

    def _judge(self, func: Any, args: Any) -> None:
        """What an operation of the device waits for: how many results there are, or what they are."""
        if func.overloadpacket in INDEXING:
            if any(index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]):
                self.watch.wait("indexing by a mask")
        elif any(tag in func.tags for tag in WAITS):
            self.watch.wait(f"{func.overloadpacket.__name__}()")
        if self.watch.graph is not None and torch.Tag.nondeterministic_seeded in func.tags:
            self.watch.fault("random numbers drawn in a capture")

    def _computed(self, func: Any, args: Any, kwargs: Any, given: Sequence[Tensor]) -> Any:
        held_args, held_kwargs = _swapped(args, _held), _swapped(kwargs, _held)
        changed, same = _writing(func)
        written = tensors_in([_argument(at, held_args, held_kwargs) for at in changed]) if changed else []
        graph, places = self.watch.graph, {_place(tensor) for tensor in given}
        if graph is not None:
            graph.writes(written)
        result = func(*held_args, **held_kwargs)
        fresh = [tensor for tensor in tensors_in(result) if _place(tensor) not in places]
        if fresh or written:
            made = [_place(tensor) for tensor in fresh]
            self.watch.work(places, made, [_place(tensor) for tensor in written])
            if graph is not None:
                graph.add(func, held_args, held_kwargs, fresh)
        return _handed_back(same, args, kwargs, _swapped(result, OnDevice))

    def _copied(self, source: Tensor, kwargs: Any) -> Tensor:
        """`source` on the other side."""
        options = {
            name: value for name, value in kwargs.items() if name not in ("device", "non_blocking", "pin_memory")
        }
        held = _held(source)
        made = aten._to_copy.default(torch.empty_like(held), **options)
        target = made if isinstance(source, OnDevice) else OnDevice(made)
        self._copy(target, source, kwargs.get("non_blocking", False))
        return target

    def _copy(self, target: Tensor, source: Tensor, beside: bool) -> None:
        """Between host and device: beside the host's work where that is asked for and the host's memory is pinned."""
        to_device = isinstance(target, OnDevice)
        one, other = (_held(target), _held(source))
        device, host = (one, other) if to_device else (other, one)
        self.watch.work([_place(device)], [], [_place(device)] if to_device else [])
        way = "a copy to the device" if to_device else "a copy to the host"
        if self.watch.graph is not None:
            self.watch.fault(f"{way} in a capture")
        if not beside or _place(host) not in self.pinned:
            self.watch.wait(way)
            one.copy_(other)
        else:
            self.watch.under_way.append(ToDevice(one, other) if to_device else ToHost(one, other))


class ToDevice:
    """A copy to the device under way: until it arrives, the host must leave its buffer alone."""

    def __init__(self, target: Tensor, source: Tensor) -> None:
        self._source, self._sent = source, source.clone()
        target.copy_(source)

    def arrive(self) -> bool:
        return torch.equal(self._source, self._sent)


class ToHost:
    """A copy to the host under way: until it arrives, there is nothing of use in the host's buffer."""

    def __init__(self, target: Tensor, source: Tensor) -> None:
        self._target, self._value = target, source.clone()
        target.fill_(torch.nan if target.is_floating_point() else 0)

    def arrive(self) -> bool:
        self._target.copy_(self._value)
        return True


def _held(tensor: Tensor) -> Tensor:
    return tensor.held if isinstance(tensor, OnDevice) else tensor


def _swapped(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """An operation's arguments or results with other tensors."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_swapped(one, function) for one in value)
    if isinstance(value, dict):
        return {name: _swapped(one, function) for name, one in value.items()}
    return value


def _place(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


@cache
def _writing(func: Any) -> tuple[list[tuple[int, str]], list[tuple[int, str] | None]]:
    """An operation's arguments that it changes, by position and name; and for each result the one that it is."""
    arguments = list(enumerate(func._schema.arguments))
    changed = [(i, a.name) for i, a in arguments if a.alias_info is not None and a.alias_info.is_write]
    results: list[tuple[int, str] | None] = []
    for result in func._schema.returns:
        sets = result.alias_info.before_set if result.alias_info is not None and result.alias_info.is_write else set()
        same = [(i, a.name) for i, a in arguments if a.alias_info is not None and a.alias_info.before_set & sets]
        results.append(same[0] if same else None)
    return changed, results


def _argument(at: tuple[int, str], args: Any, kwargs: Any) -> Any:
    return args[at[0]] if at[0] < len(args) else kwargs.get(at[1])


def _handed_back(same: list[tuple[int, str] | None], args: Any, kwargs: Any, result: Any) -> Any:
    """The result, but for what an operation has changed in place: that is the caller's tensor itself."""
    if not any(same):
        return result
    given = [_argument(at, args, kwargs) if at else None for at in same]
    if len(given) == 1:
        return given[0]
    return tuple(r if g is None else g for g, r in zip(given, result, strict=True))


class Generator(torch.Generator):
    """Random numbers of the device come from the host's generator."""

    def __new__(cls, device: Any = "cpu") -> Generator:
        return super().__new__(cls, device="cpu")


@contextmanager
def fake_cuda(memory: int = MEMORY) -> Iterator[Watch]:
    """Within it, `cuda` is a device of so many bytes; the watch tells what happened on it."""
    watch = Watch()
    functions = cuda_functions(watch) | {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "current_device": lambda: 0,
        "get_device_name": lambda *_: "fake CUDA device",
        "mem_get_info": lambda *_: (memory, memory),
        "reset_peak_memory_stats": lambda *_: None,
        "max_memory_reserved": lambda *_: 0,
        "max_memory_allocated": lambda *_: 0,
        "empty_cache": lambda: None,
        "get_device_properties": lambda *_: PROPERTIES,
        "get_device_capability": lambda *_: (PROPERTIES.major, PROPERTIES.minor),
        "get_rng_state": lambda *_: torch.zeros(16, dtype=torch.uint8),
        "set_rng_state": lambda *_: None,
        "_lazy_init": lambda: None,
    }
    lifted = torch._C._only_lift_cpu_tensors()
    overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        for name, function in functions.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, function))
        stack.enter_context(mock.patch.object(torch, "Generator", Generator))
        # A CUDA build would make a context for what a compiler traces there.
        stack.enter_context(mock.patch.object(fake_tensor, "init_gpu_context"))
        stack.enter_context(Kernels(watch))
        stack.callback(torch._C._set_only_lift_cpu_tensors, lifted)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwritten)
        torch._C._set_only_lift_cpu_tensors(True)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        yield watch
