"""The quickest call that repeats a recorded operation bit for bit, its results written into place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from dimebench.training.execution.dispatch import DispatchMode
from dimebench.training.execution.graph_passes import Operation, tensors_in

Step = tuple[Any, tuple[Any, ...], dict[str, Any]]
COPIES = {"aten::_to_copy", "aten::clone"}  # torch would make the copy first and then copy it into place
ZEROS = {"aten::new_zeros", "aten::zeros_like", "aten::zeros"}
# With a number for an operand, torch's own `out` variants compute the result first and then copy it into place.
NUMBERS = {"aten::add.Scalar": torch.add, "aten::sub.Scalar": torch.sub, "aten::mul.Scalar": torch.mul,
           "aten::div.Scalar": torch.div}  # fmt: skip


def step(operation: Operation, moved: Callable[[Tensor], Tensor]) -> Step:
    """The call that repeats an operation, on the tensors that `moved` gives for those it was recorded with."""
    args, kwargs = tree_map_only(Tensor, moved, (operation.args, operation.kwargs))
    into = [moved(tensor) for tensor in operation.fresh]
    if not into and str(operation.function) == "aten._foreach_add_.Scalar" and _is_count(*args):
        return _counting(*args), (), {}
    if not into:
        return _direct(operation.function, args, kwargs)
    shorter = _shorter(operation, args, kwargs, into[0]) if len(into) == 1 else None
    if shorter is not None:
        return shorter
    variant = _out_variant(operation.function)
    if variant is not None and len(variant[1]) == len(into):
        return _direct(variant[0], args, kwargs | dict(zip(variant[1], into, strict=True)))

    def call(*args: Any, **kwargs: Any) -> None:
        made = tensors_in(operation.function(*args, **kwargs))
        for place, value in zip(into, made, strict=True):
            place.copy_(value)

    return call, args, kwargs


def _is_count(tensors: list[Tensor], by: Any) -> bool:
    return by == 1 and all(t.numel() == 1 and t.dtype == torch.float32 for t in tensors)


def _counting(tensors: list[Tensor], by: Any) -> Callable[[], None]:
    """An optimiser's counts, in Python: code that is in no cache after a product takes torch 40 us to reach.

    Sums of a float32 and 1 are the same rounded from float64.
    """
    arrays: list[Any] = [tensor.detach().view(1).numpy() for tensor in tensors]
    counts: list[Any] = [memoryview(array) for array in arrays]

    def call() -> None:
        for count in counts:
            count[0] += 1.0

    return call


def _shorter(operation: Operation, args: tuple[Any, ...], kwargs: dict[str, Any], into: Tensor) -> Step | None:
    """The same value into place by another operation, where that saves a pass over memory."""
    name = str(operation.function).replace("aten.", "aten::", 1)
    if operation.name in COPIES and args[0].shape == into.shape:
        return Tensor.copy_, (into, args[0]), {}
    if operation.name in ZEROS:
        return Tensor.zero_, (into,), {}
    if name == "aten::sum.default" and not kwargs:
        return torch.sum, (args[0], list(range(args[0].dim()))), {"out": into}
    if name in NUMBERS and args[0].dtype == into.dtype:
        alpha = {"alpha": args[2]} if len(args) > 2 else {}
        return NUMBERS[name], args[:2], {**alpha, **kwargs, "out": into}
    if name == "aten::rsub.Scalar" and len(args) == 2 and args[0].dtype == into.dtype == torch.float32:
        return torch.sub, (torch.tensor(args[1], dtype=torch.float32), args[0]), {"out": into}
    return None


class _ReachedError(Exception):
    """Carries what was about to be called."""


class _Witness(DispatchMode):
    """Stops before the first operation and tells which it is."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise _ReachedError(func, args, kwargs or {})


def _direct(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Step:
    """By torch's Python binding of the operation where it has one: it costs less than the general way to call it."""
    name = function._schema.name.removeprefix("aten::")
    for owner in (torch, torch._C._nn, Tensor):
        binding = getattr(owner, name, None)
        if binding is not None and _reaches(binding, function, args, kwargs):
            return binding, args, kwargs
    return function._op, args, kwargs


def _reaches(binding: Any, function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether calling the binding is calling the operation with these very arguments."""
    try:
        with _Witness(), torch.no_grad():
            binding(*args, **kwargs)
    except _ReachedError as reached:
        called, given, named = reached.args
        return called is function and _same((given, named), (args, kwargs), function)
    except (TypeError, RuntimeError):
        return False
    return False


def _same(one: Any, other: Any, function: Any) -> bool:
    found, wanted = (_by_name(function, *given) for given in (one, other))
    return found.keys() == wanted.keys() and all(_equal(found[name], wanted[name]) for name in found)


def _by_name(function: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """All arguments by name, those left out at their defaults."""
    names = [argument.name for argument in function._schema.arguments]
    defaults = {a.name: a.default_value for a in function._schema.arguments if a.has_default_value()}
    named: dict[str, Any] = defaults | dict(zip(names, args, strict=False)) | kwargs
    return named


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) or isinstance(other, Tensor):
        return one is other
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _out_variant(function: Any) -> tuple[Any, list[str]] | None:
    """The overload of an operation that writes its results into given tensors, and those arguments' names."""

    def given(arguments: Any) -> list[tuple[str, str]]:
        return [(argument.name, str(argument.type)) for argument in arguments if not argument.is_out]

    packet = function.overloadpacket
    for name in packet.overloads():
        arguments = getattr(packet, name)._schema.arguments
        outputs = [argument for argument in arguments if argument.is_out]
        alike = given(arguments) == given(function._schema.arguments)
        if outputs and alike and all(str(output.type) == "Tensor" for output in outputs):
            return getattr(packet, name), [output.name for output in outputs]
    return None
