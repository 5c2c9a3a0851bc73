"""Runs the chain's kernels in Triton's interpreter, on a CPU: python -m tests.agents.interpreted CASES RESULTS

In a process of its own, for Triton reads TRITON_INTERPRET when it is imported.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

os.environ["TRITON_INTERPRET"] = "1"  # before the imports that follow

import numpy as np
import torch
import triton.language as tl
from triton.runtime import interpreter

from tests.agents.chains import by_kernels
from tests.agents.learners import draw, make, streams


def multiply_bfloat16() -> None:
    """The interpreter keeps bfloat16 as its bits, and would multiply those."""
    dot = interpreter.InterpreterBuilder.create_dot

    def widened(tile: Any) -> Any:
        if tile.dtype.scalar != tl.bfloat16:
            return tile
        return interpreter.TensorHandle((tile.data.astype(np.uint32) << 16).view(np.float32), tl.float32)

    def create_dot(self: Any, a: Any, b: Any, *others: Any) -> Any:
        return dot(self, widened(a), widened(b), *others)

    interpreter.InterpreterBuilder.create_dot = create_dot


def results(case: dict[str, Any]) -> dict[str, Any]:
    """The path, what acting and targets get, and the gradients of everything that the path depends on."""
    path, last, log_w, *gradients = by_kernels(case["inputs"], case["of_path"], case["precision"])
    return {"path": path, "gradients": gradients, "last": last, "log_w": log_w}


def learner(case: dict[str, Any]) -> dict[str, Any]:
    """A learner's metrics, actions and policy after a few updates, its chain through the kernels."""
    agent = make("dime", case["seeds"], **case["settings"])
    agent.use_chain("fused")
    source = streams(case["seeds"])
    metrics = [agent.update(*draw(agent, source)) for _ in range(case["updates"])]
    noise = source.normal("act", agent.policy_noise(1))
    return {"metrics": metrics, "action": agent.act(case["obs"], noise), "state": agent.state_dict()}


if __name__ == "__main__":
    np.seterr(over="ignore")  # of exp, on purpose
    multiply_bfloat16()
    cases = torch.load(Path(sys.argv[1]))
    found = {name: (learner if "settings" in case else results)(case) for name, case in cases.items()}
    torch.save(found, Path(sys.argv[2]))
