"""How a learner's functions go through torch.compile."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any, TypeVar

MOST_VARIANTS = 64  # of one function of one learner: rows to act on, to evaluate, to train on; sides of a warm-up
OPTIONS = "_compile_options"
F = TypeVar("F", bound=Callable[..., Any])


def compile_options(**options: bool) -> Callable[[F], F]:
    """Settings of Inductor's that a function is compiled with."""

    def noted(function: F) -> F:
        setattr(function, OPTIONS, options)
        return function

    return noted


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same operations, fused; for one layout and size of its inputs each, or an error.

    A process trains one learner after another. What torch keeps for compiled code, and its limit on variants, belong
    to the code object, so every learner gets one of its own. No kernel is chosen by timing it: another machine, or
    the same one on resuming, would choose another one and get other bits.
    """
    import torch._dynamo
    import torch._functorch.config  # here, as they take seconds and memory that other runs save

    torch._functorch.config.recompute_views = True  # else masks are stored, slower on a CPU than eager
    config = torch._dynamo.config
    config.recompile_limit = max(config.recompile_limit, MOST_VARIANTS)
    options = {"deterministic": True} | getattr(function, OPTIONS, {})
    return torch.compile(_own(function), fullgraph=True, dynamic=False, options=options)


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    """A copy of a function or a bound method, with a code object of its own."""
    plain: Any = getattr(function, "__func__", function)
    if inspect.unwrap(plain) is not plain:
        raise TypeError(f"{plain.__qualname__} is wrapped by a decorator, whose code all learners share")
    copy = FunctionType(
        plain.__code__.replace(), plain.__globals__, plain.__name__, plain.__defaults__, plain.__closure__
    )
    copy.__kwdefaults__, copy.__dict__ = plain.__kwdefaults__, dict(plain.__dict__)
    owner = getattr(function, "__self__", None)
    return copy if owner is None else MethodType(copy, owner)
