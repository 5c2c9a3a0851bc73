"""What a recording can leave out with the same numbers: results that are never read, and repeated work."""

from __future__ import annotations

import math
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
        name: str = self.function._schema.name
        return name

    def given(self) -> Iterator[Tensor]:
        yield from tensors_in((self.args, self.kwargs))

    def tensors(self) -> Iterator[Tensor]:
        yield from self.given()
        yield from self.fresh


def tensors_in(tree: Any) -> Iterator[Tensor]:
    yield from (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))


def place_of(tensor: Tensor) -> int:
    """The same for tensors that share their memory."""
    place: int = tensor.untyped_storage()._cdata
    return place


def needed(operations: list[Operation], kept: Any, constant: list[Operation]) -> list[Operation]:
    """Those that what is `kept`, or what was there before the recording, depends on. `constant` ones need nothing."""
    given = {id(operation) for operation in constant}
    made = {place_of(tensor) for operation in operations for tensor in operation.fresh}
    wanted = {place_of(tensor) for tensor in tensors_in(kept)}
    found = []
    for operation in reversed(operations):
        changes = {place_of(tensor) for tensor in [*operation.fresh, *operation.written]}
        if changes & wanted or changes - made:
            if id(operation) not in given:
                wanted |= {place_of(tensor) for tensor in operation.given()}
            found.append(operation)
    return found[::-1]


def done_before(operations: list[Operation], kept: Any) -> tuple[list[Operation], dict[int, Tensor]]:
    """The operations but for those that only repeat an earlier one, whose result stands for each of their places.

    An operation repeats another if its arguments hold what they held then. Results that anything writes into later
    stay separate. (Weights that are rounded, or put side by side, for every use, are so once for all of them.)
    """
    changed = {place_of(tensor) for operation in operations for tensor in operation.written}
    separate = changed | {place_of(tensor) for tensor in tensors_in(kept)}
    writes: dict[int, int] = {}
    first: dict[Hashable, Operation] = {}
    same: dict[int, Tensor] = {}
    left: list[Operation] = []
    for operation in operations:
        if not operation.written and not {place_of(t) for t in operation.fresh} & separate:
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


ALIGNED = 64  # bytes: where a matrix begins decides how some libraries sum, and so the last bits

Parts = dict[int, tuple[Tensor, int]]  # a place, the tensor that it is a part of, and where: in bytes


def made_in_place(operations: list[Operation], separate: set[int]) -> tuple[list[Operation], Parts]:
    """Without the copies that only put results in a row: those that nothing else reads are made in place.

    (Gradients of a network's parameters, which the optimiser sees as one.) Places in `separate` stay by themselves,
    as does what would not be aligned.
    """
    uses = {place_of(tensor): at for at, operation in enumerate(operations) for tensor in operation.tensors()}
    made = {place_of(t) for each in operations if each.name != "aten::cat" for t in each.fresh} - separate
    parts: Parts = {}
    left: list[Operation] = []
    for at, operation in enumerate(operations):
        row = operation.fresh[0] if operation.name == "aten::cat" and operation.fresh else None
        if row is None or place_of(row) in separate or not _is_row(row, *operation.args):
            left.append(operation)
            continue
        offset, copies, given = 0, [], [place_of(tensor) for tensor in operation.args[0]]
        for tensor, place in zip(operation.args[0], given, strict=True):
            fits = place in made and uses[place] == at and given.count(place) == 1 and _is_whole(tensor, row)
            if fits and offset * row.element_size() % ALIGNED == 0:
                parts[place] = row, offset * row.element_size()
            elif tensor.numel():
                there = row.as_strided(tensor.shape, torch.empty(tensor.shape, device="meta").stride(), offset)
                copies.append(Operation(torch.ops.aten.copy_.default, (there, tensor), {}, [], [there]))
            offset += tensor.numel()
        left += copies if len(copies) < len(given) else [operation]
    return left, parts


def _is_row(row: Tensor, tensors: list[Tensor], dim: int = 0) -> bool:
    """Whether the tensors lie one after the other in it."""
    return row.is_contiguous() and not row.storage_offset() and math.prod(row.shape[: dim % row.dim()]) == 1


def _is_whole(tensor: Tensor, row: Tensor) -> bool:
    """Whether it is all that there is at its place, and of the row's type."""
    size = tensor.numel() * tensor.element_size()
    whole = tensor.is_contiguous() and not tensor.storage_offset() and size == tensor.untyped_storage().nbytes()
    return whole and tensor.dtype == row.dtype
