"""What a recording can leave out with the same numbers: results that nobody reads, and work that was done before."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves


@dataclass
class Operation:
    """One call of a tensor operation: `fresh` are the results that it made, `written` the tensors that it changed."""

    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    fresh: list[Tensor]
    written: list[Tensor]

    @property
    def name(self) -> str:
        return self.function._schema.name

    @property
    def repeatable(self) -> bool:
        """Whether the same arguments give the same results: it draws no random numbers."""
        return torch.Tag.nondeterministic_seeded not in self.function.tags

    def given(self) -> Iterator[Tensor]:
        yield from tensors_in((self.args, self.kwargs))

    def tensors(self) -> Iterator[Tensor]:
        yield from self.given()
        yield from self.fresh


def tensors_in(tree: Any) -> Iterator[Tensor]:
    yield from (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def place_of(tensor: Tensor) -> int:
    """The same for tensors that share their memory."""
    return tensor.untyped_storage()._cdata


def needed(operations: list[Operation], kept: Any, constant: list[Operation]) -> list[Operation]:
    """Those that what is `kept`, or what was there before the recording, depends on. `constant` ones need nothing."""
    given = {id(operation) for operation in constant}
    made = {place_of(tensor) for operation in operations for tensor in operation.fresh}
    wanted = {place_of(tensor) for tensor in tensors_in(kept)}
    found = []
    for operation in reversed(operations):
        changes = {place_of(tensor) for tensor in [*operation.fresh, *operation.written]}
        if changes & wanted or changes - made or not operation.repeatable:
            if id(operation) not in given:
                wanted |= {place_of(tensor) for tensor in operation.given()}
            found.append(operation)
    return found[::-1]


def done_before(operations: list[Operation], kept: Any) -> tuple[list[Operation], dict[int, Tensor]]:
    """The operations but for those that only repeat an earlier one, whose result stands for each of their places.

    An operation repeats another if its arguments hold what they held then. Results that anything writes into later
    stay apart. (Weights that are rounded, or put side by side, for every use, are so once for all of them.)
    """
    changed = {place_of(tensor) for operation in operations for tensor in operation.written}
    apart = changed | {place_of(tensor) for tensor in tensors_in(kept)}
    writes: dict[int, int] = {}
    first: dict[Hashable, Operation] = {}
    same: dict[int, Tensor] = {}
    left: list[Operation] = []
    for operation in operations:
        if operation.repeatable and not operation.written and not {place_of(t) for t in operation.fresh} & apart:
            key = operation.function, _key((operation.args, operation.kwargs), writes, same)
            before = first.setdefault(key, operation)
            if before is not operation and _alike(before.fresh, operation.fresh):
                same |= {place_of(t): b for t, b in zip(operation.fresh, before.fresh, strict=True)}
                continue
        for tensor in operation.written:
            writes[place_of(tensor)] = writes.get(place_of(tensor), 0) + 1
        left.append(operation)
    return left, same


def _key(value: Any, writes: dict[int, int], same: dict[int, Tensor]) -> Hashable:
    """Equal for arguments that hold the same."""
    if isinstance(value, Tensor):
        place = place_of(same.get(place_of(value), value))
        return place, writes.get(place, 0), value.storage_offset(), value.shape, value.stride(), value.dtype
    if isinstance(value, (list, tuple)):
        return tuple(_key(v, writes, same) for v in value)
    if isinstance(value, dict):
        return tuple((name, _key(v, writes, same)) for name, v in sorted(value.items()))
    return type(value), repr(value)  # 1 is not 1.0, and 0.0 not -0.0


def _alike(one: list[Tensor], other: list[Tensor]) -> bool:
    """Whether the results lie alike in memory of their own."""
    return len(one) == len(other) and all(
        a.shape == b.shape
        and a.stride() == b.stride()
        and a.dtype == b.dtype
        and a.storage_offset() == b.storage_offset()
        and a.untyped_storage().nbytes() == b.untyped_storage().nbytes()
        for a, b in zip(one, other, strict=True)
    )
