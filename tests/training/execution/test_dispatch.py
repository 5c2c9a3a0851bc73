"""What sees every operation does so without torch's compiler, as long as nobody else has imported it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from dimebench.training.execution.dispatch import LEFT_ALONE, DispatchMode

TRAINING = """
import sys, tempfile
from pathlib import Path
from dimebench.planning.plan import make_plan
from tests.agents.learners import LEARNERS
from tests.planning.requests import request
from tests.training.blocks import train

results = Path(tempfile.mkdtemp())
for mode in ("graph", "eager"):
    for algorithm in LEARNERS:
        plan = make_plan(request("steps=30", algo=algorithm), [0], results / mode, "cpu", mode=mode)
        ((_, block),) = plan.blocks()
        assert block.mode == mode
        assert train(block, results / mode) == "finished"
print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
"""


class _Seeing(DispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen.append(func._schema.name)
        return func(*args, **(kwargs or {}))


def test_no_run_that_compiles_nothing_imports_the_compiler() -> None:
    """Every process that trains would start seconds later, and be 100 MB larger."""
    done = subprocess.run(
        [sys.executable, "-c", TRAINING],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr


def test_a_process_can_compile_before_anything_else_has_imported_the_compiler() -> None:
    code = (
        "import torch; from dimebench.agents.parts.compiling import compiled; compiled(torch.nn.Linear(1, 1).forward)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_operations_are_hidden_from_the_compiler_once_it_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    function = _Seeing.__torch_dispatch__.__wrapped__  # type: ignore[attr-defined]

    def seen() -> tuple[list[str], bool]:
        with _Seeing() as mode:
            torch.ones(2) + 1
        return mode.seen, getattr(function, LEFT_ALONE) is function

    with monkeypatch.context() as without:
        without.delitem(sys.modules, "torch._dynamo", raising=False)
        assert seen() == (["aten::ones", "aten::add"], True)
    importlib.import_module("torch._dynamo")

    assert seen() == (["aten::ones", "aten::add"], False)
    assert seen() == (["aten::ones", "aten::add"], False)
