"""An H100 that does nothing: fake tensors on it, streams and graphs in Python, a compiler that believes in it.

`load()` has to come before the first import of torch.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from tests.gpu_free import guard
from tests.gpu_free.guard import NoGuardError

__all__ = ["NoGuardError", "gpu", "load", "why_not"]


class Properties:
    """torch.cuda.get_device_properties of an H100."""

    name = "NVIDIA H100 80GB HBM3"
    major, minor = 9, 0
    total_memory = 85_000_000_000
    multi_processor_count = 132
    warp_size = 32
    regs_per_multiprocessor = 65536
    max_threads_per_multi_processor = 2048
    max_threads_per_block = 1024
    shared_memory_per_block = 49152
    shared_memory_per_block_optin = 232448
    shared_memory_per_multiprocessor = 233472
    L2_cache_size = 52428800
    gcnArchName = ""  # noqa: N815
    clock_rate, memory_clock_rate, memory_bus_width = 1_980_000, 2_619_000, 5120
    is_integrated = is_multi_gpu_board = 0
    pci_bus_id = pci_device_id = pci_domain_id = 0
    uuid = "0"


class Stream:
    """All streams are one: what is asked of the device happens at once."""

    cuda_stream = 0

    def __init__(self, *given: Any, **options: Any) -> None:
        import torch

        self.device = torch.device("cuda", 0)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: Any) -> None:
        pass

    def wait_stream(self, other: Stream) -> None:
        pass

    wait_event = wait_stream
    synchronize = query = lambda self: True

    def record_event(self, event: Event | None = None) -> Event:
        return event or Event()


class Event:
    def __init__(self, **options: Any) -> None:
        pass

    def record(self, stream: Stream | None = None) -> None:
        pass

    wait = record
    synchronize = query = lambda self: True


class Inert:
    """A context of a device: there is one device."""

    def __init__(self, *given: Any, **options: Any) -> None:
        pass

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: Any) -> None:
        pass


def load() -> None:
    """Make this process one with the fake device; a real one is hidden from it. Raises NoGuardError."""
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    guard.load()


def why_not() -> str | None:
    """What this machine lacks for counting compiled kernels; None if nothing."""
    if importlib.util.find_spec("triton") is None:
        return "needs triton, which CUDA builds of torch bring along"
    import torch

    if torch.version.cuda is None:
        return "needs a CUDA build of torch (a GPU is not needed)"
    return None


@contextmanager
def gpu(began: Callable[[Any], None], ended: Callable[[], None], replayed: Callable[[Any], None]) -> Iterator[Any]:
    """An H100 for the code inside; yields the mode that makes fake tensors.

    `began` and `ended` are told of captures, with the graph that is captured, `replayed` of every replay of one.
    """
    import torch
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

    class Graph:
        def replay(self) -> None:
            replayed(self)

        def pool(self) -> tuple[int, int]:
            return (0, 1)

    capturing: list[Graph] = []

    @contextmanager
    def capture(graph: Graph, *given: Any, **options: Any) -> Iterator[None]:
        capturing.append(graph)
        began(graph)
        try:
            yield
        finally:
            ended()
            capturing.pop()

    nothing = lambda *given, **options: None  # noqa: E731
    one = Stream()
    cuda = {
        "Stream": Stream, "Event": Event, "CUDAGraph": Graph, "graph": capture, "device": Inert,
        "_DeviceGuard": Inert, "stream": Inert,
        "is_available": lambda: True, "is_initialized": lambda: True, "_lazy_init": nothing,
        "device_count": lambda: 1, "current_device": lambda: 0, "set_device": nothing,
        "current_stream": lambda *_: one, "default_stream": lambda *_: one, "set_stream": nothing,
        "synchronize": nothing, "empty_cache": nothing, "graph_pool_handle": lambda: (0, 1),
        "mem_get_info": lambda *_: (79 * 10**9, 80 * 10**9), "reset_peak_memory_stats": nothing,
        "max_memory_reserved": lambda *_: 10**9, "max_memory_allocated": lambda *_: 10**9,
        "memory_allocated": lambda *_: 10**9, "memory_reserved": lambda *_: 10**9,
        "get_device_name": lambda *_: Properties.name, "get_device_properties": lambda *_: Properties,
        "get_device_capability": lambda *_: (9, 0), "is_bf16_supported": lambda *_, **__: True,
        "get_rng_state": lambda *_: torch.zeros(16, dtype=torch.uint8), "set_rng_state": nothing,
        "is_current_stream_capturing": lambda: bool(capturing),
    }  # fmt: skip
    with ExitStack() as stack:

        def patch(place: Any, name: str, value: Any, **options: Any) -> None:
            stack.enter_context(mock.patch.object(place, name, value, **options))

        for name, value in cuda.items():
            patch(torch.cuda, name, value)
        patch(torch._C, "_cuda_isCurrentStreamCapturing", lambda: bool(capturing), create=True)
        _believing_compiler(patch)
        _host_side(patch, FakeTensor)
        mode = FakeTensorMode(allow_non_fake_inputs=True)
        with mode:
            yield mode


def _believing_compiler(patch: Callable[..., None]) -> None:
    """Inductor and Triton see the device."""
    import torch._inductor.fx_passes.joint_graph as joint
    import torch._inductor.fx_passes.post_grad as post
    import torch._inductor.runtime.triton_helpers as helpers
    import torch._subclasses.fake_tensor as fake
    from torch._dynamo.device_interface import CudaInterface
    from triton.backends.compiler import GPUTarget
    from triton.runtime.driver import driver

    class Driver:
        utils = None

        def get_current_target(self) -> Any:
            return GPUTarget("cuda", 90, 32)

        def get_current_device(self) -> int:
            return 0

        def get_current_stream(self, *_: Any) -> int:
            return 0

        def get_device_interface(self) -> Any:
            import torch

            return torch.cuda

        def get_benchmarker(self) -> Any:
            return lambda *given, **options: [1.0]

    driver.set_active(Driver())
    for place in (CudaInterface, CudaInterface.Worker):
        patch(place, "get_device_properties", staticmethod(lambda *_: Properties))
        patch(place, "current_device", staticmethod(lambda: 0))
    patch(CudaInterface, "is_available", staticmethod(lambda: True))
    patch(CudaInterface, "get_compute_capability", staticmethod(lambda *_: 90))
    patch(CudaInterface, "device", Inert)
    patch(helpers, "set_driver_to_gpu", lambda: None)
    patch(fake, "init_gpu_context", lambda *_: None)
    for passes in (joint, post):  # their patterns with attention or padding are measured on a device
        if hasattr(passes, "lazy_init"):
            patch(passes, "lazy_init", lambda *given, **options: None)


def _host_side(patch: Callable[..., None], fake_tensor: Any) -> None:
    """What reads a tensor on the host reads zeros; generators of the device are the host's."""
    import numpy as np
    import torch
    from torch import nn

    generator, empty = torch.Generator, torch.empty

    class OnHost(type):
        def __call__(cls, device: Any = "cpu") -> Any:
            return generator()

        def __instancecheck__(cls, value: Any) -> bool:
            return isinstance(value, generator)

    class Generator(metaclass=OnHost):
        pass

    def zeros(tensor: Any) -> Any:
        name = str(tensor.dtype).removeprefix("torch.")
        return np.zeros(tuple(tensor.shape), {"bfloat16": "float32"}.get(name, name))

    def to(module: nn.Module, device: Any) -> nn.Module:  # nn.Module.to sets .data, which fake tensors do not allow
        for part in module.modules():
            for name, value in part._parameters.items():
                if value is not None:
                    part._parameters[name] = nn.Parameter(value.detach().to(device))
            part._buffers |= {name: value.to(device) for name, value in part._buffers.items() if value is not None}
        return module

    patch(nn.Module, "to", to)
    patch(nn.init, "trunc_normal_", lambda tensor, **options: tensor)
    patch(torch, "Generator", Generator)
    patch(torch, "empty", lambda *shape, pin_memory=False, **options: empty(*shape, **options))
    patch(fake_tensor, "tolist", lambda tensor: zeros(tensor).tolist())
    patch(fake_tensor, "numpy", lambda tensor, **options: zeros(tensor))
