"""How many kernels an operation of torch launches on CUDA."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

# Operations that make a tensor without filling it, or another view of one.
NOTHING = {
    "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "detach", "alias", "lift_fresh",
    "_unsafe_view", "_reshape_alias", "set_", "resize_", "record_stream", "_local_scalar_dense", "_version",
}  # fmt: skip
# A fill and a copy; the copy of the bias and the product.
TWO = {
    "select_backward", "slice_backward", "diagonal_backward", "constant_pad_nd", "baddbmm", "index_put", "index_add",
    "scatter", "scatter_add", "select_scatter", "slice_scatter",
}  # fmt: skip
# What reads of its first argument only as much as it makes.
PARTIAL = {"index", "index_select", "gather", "select_backward", "slice_backward", "embedding"}
# ATen/native/cuda/MultiTensorApply.cuh: a launch takes so many tensors, by how many lists there are, and blocks.
TENSORS, BLOCKS, CHUNK = {1: 110, 2: 64, 3: 48, 4: 36, 5: 30}, 320, 65536
FUSED = {"_fused_adam", "_fused_adamw", "_fused_sgd", "_fused_adagrad"}
CAT_INPUTS = 128  # that one kernel concatenates


def kernels(func: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> int:
    """Launches of one call of an operation; a copy within the device or to it is one."""
    name = func._schema.name.partition("::")[2]
    tensors = [t for t in tree_leaves((args, kwargs, result)) if isinstance(t, Tensor)]
    if func.namespace in ("prim", "profiler") or func.is_view or name in NOTHING:
        return 0
    if not any(t.is_cuda for t in tensors) or not any(t.numel() for t in _tensors(result) or tensors):
        return 0
    if name.startswith("_foreach_") or name.rstrip("_") in FUSED:
        return _foreach(name, [a for a in (*args, *kwargs.values()) if _is_list(a)])
    if name in ("cat", "stack"):
        return -(-len(args[0]) // CAT_INPUTS)
    if name in ("addmm", "addmm_"):  # a bias along the rows is added by the product
        return 1 if args[0].dim() == 1 else 2
    if name == "constant_pad_nd" and max(args[1]) <= 0:  # nothing is added
        return 1
    return 2 if name in TWO else 1


def moved(func: Any, args: Sequence[Any], kwargs: dict[str, Any], result: Any) -> int:
    """Bytes that an operation reads and writes: its arguments, what it makes, and again what it changes in place."""
    name = func._schema.name.partition("::")[2]
    given = _tensors((args, kwargs))
    made = [t for t in _tensors(result) if all(t is not other for other in given)]
    if name in PARTIAL:
        return 2 * _size(made)
    places = {a.name: i for i, a in enumerate(func._schema.arguments) if a.alias_info and a.alias_info.is_write}
    changed = _tensors([kwargs.get(name, args[i] if i < len(args) else None) for name, i in places.items()])
    return _size(given) + _size(made) + _size(changed)


def _size(tensors: Sequence[Tensor]) -> int:
    return sum(t.numel() * t.element_size() for t in tensors if t.is_cuda)


def chunked(sizes: Sequence[int], lists: int) -> int:
    """Launches of multi_tensor_apply over tensors of these numbers of elements, as many lists of them deep."""
    launches = blocks = tensors = 0
    for size in sizes:
        tensors += size > 0
        chunks = -(-size // CHUNK)
        for chunk in range(chunks):
            blocks += 1
            last = chunk == chunks - 1
            if blocks == BLOCKS or (tensors == TENSORS[lists] and last):
                launches, blocks, tensors = launches + 1, 0, 0 if last else 1
    return launches + (blocks > 0)


def _foreach(name: str, lists: list[Sequence[Tensor]]) -> int:
    """With one launch for many tensors where all are dense, of one type and alike in every list; else one each."""
    first = lists[0]
    if name.rstrip("_") in FUSED:
        lists = [one for one in lists if len(one) == len(first)][:4]  # parameters, gradients and two moments
    together = all(
        dense(one) and one.device == other.device and one.dtype == first[0].dtype
        and one.shape == other.shape and _steps(one) == _steps(other)
        for of in lists for one, other in zip(of, first, strict=True)
    )  # fmt: skip
    # What is no list of the operation's own result is made anew.
    depth = len(lists) + (not name.endswith("_") and name.rstrip("_") not in FUSED)
    return chunked([t.numel() for t in first], depth) if together else len(first)


def dense(tensor: Tensor) -> bool:
    """Without holes and overlaps."""
    size = 1
    for stride, length in sorted(_steps(tensor)):
        if stride != size:
            return False
        size *= length
    return True


def _steps(tensor: Tensor) -> list[tuple[int, int]]:
    return [(s, n) for s, n in zip(tensor.stride(), tensor.shape, strict=True) if n != 1]


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(v, Tensor) for v in value)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
