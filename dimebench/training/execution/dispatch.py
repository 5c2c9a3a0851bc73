"""A mode that sees every operation of torch, without torch's compiler where nothing compiles."""

from __future__ import annotations

import sys
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

LEFT_ALONE = "__dynamo_disable"  # where torch keeps a function in the form that its compiler leaves alone


class DispatchMode(TorchDispatchMode):
    """What `__torch_dispatch__` of a subclass does with an operation.

    torch hides that function from its compiler, at the first call, and imports the compiler for it, which takes
    seconds and 100 MB. Where the compiler is not in the process yet, there is nothing to hide from.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __enter__(self) -> Any:
        hidden = type(self).__torch_dispatch__
        function = getattr(hidden, "__wrapped__", hidden)
        if "torch._dynamo" not in sys.modules:
            setattr(function, LEFT_ALONE, function)
        elif getattr(function, LEFT_ALONE, None) is function:
            delattr(function, LEFT_ALONE)
        return super().__enter__()  # type: ignore[no-untyped-call]
