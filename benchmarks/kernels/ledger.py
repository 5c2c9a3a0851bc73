"""Who launched which kernels: every operation on the fake device is noted with its part of the vector step."""

from __future__ import annotations

import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.kernels.launches import kernels, moved

PACKAGE = str(Path(__file__).parents[2] / "dimebench") + "/"
OPTIMISER = str(Path(torch.optim.__file__).parent) + "/"

# Functions of the learners by name, and the part of a vector step that what they launch belongs to; the outermost one
# says. What no name fits is a part of its own, named by its place.
PARTS = {
    "act": "act",
    "_target_samples": "target samples",
    "target_sample": "target samples",
    "actor_sample": "actor sample",
    "update_critic": "critic update",
    "critic_objective": "critic update",
    "update_actor": "actor objective",
    "actor_objective": "actor objective",
}
WITHIN = {  # those of parts within a part
    "approach": "target networks",
    "temperature_loss": "temperature",
    "descend_alpha": "temperature",
}
OUTSIDE = {  # of the graphs: by file, then the same
    "training/execution/modes.py": "graph buffers",
    "training/replay.py": "replay",
    "training/staging.py": "to and from the host",
    "training/rng.py": "noise",
    "training/off_policy.py": "replay",
}
KINDS = ("eager", "triton", "library", "copy")


@dataclass(frozen=True)
class Line:
    """One entry of the ledger; its count is the number of launches."""

    part: str
    kind: str  # of KINDS: of torch's operations; of Inductor's; products in compiled code; to and from the host
    what: str
    where: str  # the innermost function of the package, with the line


class Ledger:
    """Launches of kernels and bytes moved, by line. Captures are kept apart and added at each replay."""

    def __init__(self) -> None:
        self.launched: Counter[Line] = Counter()
        self.bytes: Counter[Line] = Counter()
        self.outside = True  # of captures
        self._graphs: dict[int, tuple[Counter[Line], Counter[Line]]] = {}
        self._live = self.launched, self.bytes
        self._silent = 0

    def clear(self) -> None:
        self.launched.clear()
        self.bytes.clear()

    def began(self, graph: Any) -> None:
        self.launched, self.bytes = self._graphs[id(graph)] = Counter(), Counter()
        self._kept = graph  # its id stays its own
        self.outside = False

    def ended(self) -> None:
        self.launched, self.bytes = self._live
        self.outside = True

    def replayed(self, graph: Any) -> None:
        launched, moved = self._graphs[id(graph)]
        self.launched.update(launched)
        self.bytes.update(moved)

    def add(self, kind: str, what: str, count: int, size: int = 0) -> None:
        if count and not self._silent:
            line = Line(*self._whose(kind, what))
            self.launched[line] += count
            self.bytes[line] += size

    @contextmanager
    def silent(self) -> Iterator[None]:
        """What happens inside stands for something that is counted otherwise."""
        self._silent += 1
        try:
            yield
        finally:
            self._silent -= 1

    def _whose(self, kind: str, what: str) -> tuple[str, str, str, str]:
        frames = list(_frames())
        node = torch._C._current_autograd_node()
        back = node is not None
        of_node = _created(node) if back else []
        # Backward, the operation belongs to whoever made the node forward.
        inner = of_node or [(name, f"{file} {name}:{line}") for file, name, line in frames if file]
        where = inner[-1][1] if inner else "?"
        part = next((PARTS[name] for name, place in inner if name in PARTS and place.startswith("agents/")), None)
        within = next((WITHIN[name] for _, name, _ in frames if name in WITHIN), None)
        if within is not None:
            return within, kind, what, where
        if any(not file and name == "step" for file, name, _ in frames):
            return "optimiser", kind, what, where
        if part is None or self.outside:
            files = [file for file, _, _ in frames if file in OUTSIDE]
            part = OUTSIDE[files[-1]] if files else (part or where)
        return part + (", backward" if back else ""), kind, what, where


def _frames() -> Iterator[tuple[str, str, int]]:
    """Frames of the package and of optimisers, outermost first: file (empty for optimisers), function, line."""
    frame: Any = sys._getframe(1)
    if threading.current_thread() is not threading.main_thread():  # autograd's: the main thread waits for it
        frame = sys._current_frames()[threading.main_thread().ident or 0]
    found = []
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(PACKAGE):
            found.append((file.removeprefix(PACKAGE), frame.f_code.co_name, frame.f_lineno))
        elif file.startswith(OPTIMISER):
            found.append(("", frame.f_code.co_name, frame.f_lineno))
        frame = frame.f_back
    return iter(found[::-1])


MADE_IN = re.compile(re.escape(PACKAGE) + r'([\w/]+\.py)", line (\d+), in (\w+)')


def _created(node: Any) -> list[tuple[str, str]]:
    """Functions of the package that a node of autograd was made in, outermost first (anomaly mode keeps them)."""
    trace = "".join(node.metadata.get("traceback_", ()))
    return [(name, f"{file} {name}:{line}") for file, line, name in MADE_IN.findall(trace)]


class Watch(TorchDispatchMode):
    """Notes what torch's own operations launch."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    @classmethod
    def ignore_compile_internals(cls) -> bool:
        return True  # else dynamo would not compile inside

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.ops.aten._local_scalar_dense.default:
            return 0
        result = func(*args, **kwargs)
        if torch._guards.CompileContext.try_get() is None:
            launched = kernels(func, args, kwargs, result)
            size = moved(func, args, kwargs, result) if launched else 0
            sides = {t.device.type for t in (*args[:2], result) if isinstance(t, torch.Tensor)}
            copy = func._schema.name in ("aten::copy_", "aten::_to_copy") and len(sides) > 1
            name = func._schema.name.removeprefix("aten::")
            self.ledger.add("copy" if copy else "eager", name, launched, size)
        return result
