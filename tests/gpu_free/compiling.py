"""torch.compile with its guards, limits and variants, but without generating code: what it compiles runs as it is."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from tests.gpu_free.watch import Watch


@dataclass
class Compiled:
    """What has been compiled: `variants` by function, and `kinds`, the different calls of each.

    Two calls are of one kind if their tensors have the same shapes and want gradients alike, whatever their strides.
    """

    variants: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, set[Any]] = field(default_factory=dict)
    told: Callable[[], None] = lambda: None  # called for each variant

    def counts(self) -> dict[str, tuple[int, int]]:
        """By function: variants, kinds."""
        return {name: (self.variants[name], len(kinds)) for name, kinds in sorted(self.kinds.items())}


@contextmanager
def counting_compiler(watch: Watch) -> Iterator[Compiled]:
    """Within it torch.compile is watched: compiling in a capture is a fault."""
    found, real = Compiled(), torch.compile

    def compile_counted(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        name = function.__name__

        def backend(graph: Any, inputs: Any, **_: Any) -> Any:
            found.variants[name] += 1
            found.told()
            if watch.graph is not None:
                watch.fault(f"{name} is compiled in a capture")
            return graph

        compiled = real(function, **options, backend=backend)

        def call(*args: Any, **kwargs: Any) -> Any:
            if not torch.compiler.is_compiling():  # else it is part of another one
                kind = torch.is_grad_enabled(), *((tuple(t.shape), t.requires_grad) for t in _tensors((args, kwargs)))
                found.kinds.setdefault(name, set()).add(kind)
            return compiled(*args, **kwargs)

        return call

    torch._dynamo.reset()
    if not gc.get_freeze_count():
        gc.freeze()  # what is imported need not be searched for garbage before each capture
    with mock.patch.object(torch, "compile", compile_counted):
        yield found


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _tensors(one)
    elif is_dataclass(value):
        yield from _tensors([getattr(value, f.name) for f in fields(value)])
