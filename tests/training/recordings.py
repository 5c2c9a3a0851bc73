"""A stand-in for CUDA graphs on a CPU: it records a call's operations, and repeats them at the same addresses.

As with a graph, recording changes nothing, Python does not run again on a replay, and an operation that a graph could
not hold (reading a value back, making a tensor from Python numbers) is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_leaves

REFUSED = ("aten::_local_scalar_dense", "aten::lift_fresh", "aten::nonzero", "aten::is_nonzero", "aten::equal")


class _Recording(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.operations: list[tuple[Any, tuple[Any, ...], dict[str, Any], Any]] = []
        self.before: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # of what is written to: as it was

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        assert func._schema.name not in REFUSED, f"{func} cannot be captured"
        for tensor in _written(func, args, kwargs):
            self.before.setdefault(tensor.data_ptr(), (tensor, tensor.clone()))
        result = func(*args, **kwargs)
        self.operations.append((func, args, kwargs, result))
        return result


def _written(func: Any, args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
    for position, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = kwargs.get(argument.name, args[position] if position < len(args) else None)
            yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor))


class Recordings:
    """`training.execution.Recorder` for a CPU."""

    def __init__(self) -> None:
        self.captured = 0
        self.replayed = 0

    def warm(self, function: Callable[[], Any]) -> Any:
        return function()

    def capture(self, function: Callable[[], Any]) -> tuple[Callable[[], None], Any]:
        recording = _Recording()
        with recording:
            result = function()
        with torch.no_grad():
            for tensor, value in recording.before.values():
                tensor.copy_(value)
        self.captured += 1

        @torch.no_grad()
        def replay() -> None:
            self.replayed += 1
            for func, args, kwargs, old in recording.operations:
                given = {leaf.untyped_storage().data_ptr() for leaf in tree_leaves((args, kwargs)) if _is(leaf)}
                new = func(*args, **kwargs)
                for a, b in zip(tree_flatten(old)[0], tree_flatten(new)[0], strict=True):
                    if _is(a) and a.untyped_storage().data_ptr() not in given:  # neither a view nor in place
                        a.copy_(b)

        return replay, result


def _is(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.numel() > 0
