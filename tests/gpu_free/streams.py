"""torch.cuda's streams, events and graphs for the fake device."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

from tests.gpu_free.watch import Copy, Watch


def tensors_in(value: Any) -> list[Tensor]:
    """Those among an operation's arguments or results."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [tensor for one in value for tensor in tensors_in(one)]
    return tensors_in(list(value.values())) if isinstance(value, dict) else []


class Graph:
    """Recorded operations on the host tensors that stand for the device's memory.

    As on CUDA, a capture computes nothing: what was there before stays as it was, and what the graph makes holds
    nothing of use before the first replay.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._steps: list[tuple[Any, Any, Any, list[Tensor]]] = []
        self._before: dict[int, tuple[Any, Any]] = {}  # storages that were there and are written to, as they were
        self._made: set[int] = set()  # storages that the graph makes

    def writes(self, written: Sequence[Tensor]) -> None:
        """Before an operation: the tensors that it changes."""
        for tensor in written:
            storage = tensor.untyped_storage()
            if storage._cdata not in self._made and storage._cdata not in self._before:
                self._before[storage._cdata] = storage, storage.clone()

    def add(self, function: Any, args: Any, kwargs: Any, fresh: list[Tensor]) -> None:
        """An operation on host tensors; numbers that are on the host itself are those of now, as on CUDA."""
        self._made |= {tensor.untyped_storage()._cdata for tensor in fresh}
        self._steps.append((function, args, kwargs, fresh))

    def capture_begin(self, *_: Any, **__: Any) -> None:
        self._watch.begin(self)

    def capture_end(self) -> None:
        self._watch.end()
        with _disable_current_modes(), torch.no_grad():
            for storage, value in self._before.values():
                storage.copy_(value)
            for *_, fresh in self._steps:
                for tensor in fresh:
                    if tensor.is_floating_point():
                        tensor.fill_(torch.nan)

    def replay(self) -> None:
        self._watch.replays += 1
        places = [*self._before, *self._made]
        self._watch.work(places, [], places)
        with _disable_current_modes(), torch.no_grad():
            for function, args, kwargs, fresh in self._steps:
                made = tensors_in(function(*args, **kwargs))
                for place, value in zip(fresh, made, strict=False):
                    place.copy_(value)

    def pool(self) -> tuple[int, int]:
        return (0, 1)


def cuda_functions(watch: Watch) -> dict[str, Any]:
    """What stands for torch.cuda's own of these names."""

    class Stream:
        def __init__(self, device: Any = None, priority: int = 0, number: int | None = None) -> None:
            self.number = watch.new_stream() if number is None else number
            self.device = torch.device("cuda", 0)

        def wait_stream(self, other: Stream) -> None:
            watch.follow(self.number, watch.mark(other.number), other.number)

        def wait_event(self, event: Event) -> None:
            event.wait(self)

        def record_event(self, event: Event | None = None) -> Event:
            event = event or Event()
            event.record(self)
            return event

        def synchronize(self) -> None:
            watch.wait("stream synchronize", watch.mark(self.number))

        def query(self) -> bool:
            watch.wait("stream query", watch.mark(self.number))
            return True

    class Event:
        """Copies to the host that were begun before it arrive when the host waits for it."""

        def __init__(self, **options: Any) -> None:
            self._of: tuple[int, Counter[int]] | None = None
            self._copies: list[Copy] = []

        def record(self, stream: Stream | None = None) -> None:
            number = watch.current if stream is None else stream.number
            self._of = number, watch.mark(number)
            self._copies = list(watch.under_way)

        def wait(self, stream: Stream | None = None) -> None:
            if self._of is not None:
                watch.follow(watch.current if stream is None else stream.number, self._of[1], self._of[0])

        def synchronize(self) -> None:
            watch.wait("event synchronize", self._of[1] if self._of else Counter(), self._copies)

        def query(self) -> bool:
            watch.wait("event query", self._of[1] if self._of else Counter(), self._copies)
            return True

        def elapsed_time(self, other: Event) -> float:
            return 1.0

    @contextmanager
    def on(stream: Stream | None) -> Iterator[None]:
        before = watch.current
        watch.current = before if stream is None else stream.number
        try:
            yield
        finally:
            watch.current = before

    @contextmanager
    def capture(graph: Graph, pool: Any = None, stream: Stream | None = None, **_: Any) -> Iterator[None]:
        with on(stream or Stream()):
            graph.capture_begin()
            try:
                yield
            finally:
                graph.capture_end()

    return {
        "Stream": Stream,
        "Event": Event,
        "CUDAGraph": lambda *_, **__: Graph(watch),
        "graph": capture,
        "stream": on,
        "current_stream": lambda *_: Stream(number=watch.current),
        "default_stream": lambda *_: Stream(number=watch.default),
        "synchronize": lambda *_: watch.wait("synchronize", watch.everything()),
        "graph_pool_handle": lambda: (0, 1),
        "is_current_stream_capturing": lambda: watch.graph is not None,
    }
