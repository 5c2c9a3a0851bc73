"""Counts kernels of small functions on the fake device, as JSON; in a process of its own: torch comes last."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from benchmarks.kernels import device

try:
    device.load()
except device.NoGuardError as error:
    print(error, file=sys.stderr)
    sys.exit(3)

import torch
import triton

from benchmarks.kernels.count import watched


@triton.jit
def by_hand(x):
    pass


def pointwise(x: Any) -> Any:
    return torch.tanh(x * 2 + 1)


def product(x: Any, y: Any) -> Any:
    return torch.tanh(torch.bmm(x, y)) + 1


def main() -> dict[str, int]:
    found: dict[str, int] = {}
    with watched() as (ledger, _):

        def launched(what: str, function: Callable[[], Any]) -> None:
            before = sum(ledger.launched.values())
            function()
            found[what] = sum(ledger.launched.values()) - before

        x, y, bias = (torch.zeros(*s, device="cuda") for s in ((2, 8, 38), (2, 38, 16), (2, 1, 16)))
        launched("a sum", lambda: x + 1)
        launched("views", lambda: x.transpose(0, 1)[1:].detach().view_as(x.transpose(0, 1)[1:]))
        launched("an empty tensor", lambda: torch.empty(3, device="cuda"))
        launched("a tensor of zeros", lambda: torch.zeros(3, device="cuda"))
        launched("a product with a bias", lambda: torch.baddbmm(bias, x, y))
        launched("a product with a bias along its rows", lambda: torch.addmm(bias[0, 0], x[0], y[0]))
        leaf = torch.zeros(4, 4, device="cuda", requires_grad=True)
        ones = torch.ones(1, 4, device="cuda")
        launched("the gradient of a slice", lambda: torch.autograd.grad(leaf[1:2], leaf, ones))
        launched("padding", lambda: torch.nn.functional.pad(bias, (0, 2)))
        launched("padding by nothing", lambda: torch.nn.functional.pad(bias, (0, 0)))
        launched("a copy to the device", lambda: torch.zeros(3).to("cuda"))
        parameters = [torch.nn.Parameter(torch.zeros(n, device="cuda")) for n in (3, 4, 5)]
        adam = torch.optim.Adam(parameters, 1e-3, fused=True, capturable=True)
        for p in parameters:
            p.grad = torch.zeros_like(p)
        adam.step()
        launched("Adam over three tensors", adam.step)
        into, out = ([torch.zeros(n, 4, device="cuda") for n in (3, 4, 5)] for _ in range(2))
        launched("copies of three tensors alike", lambda: torch._foreach_copy_(into, out))
        wide = [torch.zeros(n, 8, device="cuda")[:, :4] for n in (3, 4, 5)]
        launched("copies of three tensors with gaps", lambda: torch._foreach_copy_(into, wide))
        launched("three pointwise operations", lambda: pointwise(x))
        compiled, compiled_product, by_row = (
            torch.compile(f, dynamic=False) for f in (pointwise, product, lambda row: torch.tanh(row) + 1)
        )
        launched("three pointwise operations, compiled", lambda: compiled(x))
        launched("a product and what follows it, compiled", lambda: compiled_product(x, y))
        wanting = torch.zeros(2, 8, 4, device="cuda", requires_grad=True)
        ones = torch.ones_like(wanting)
        launched("forward and backward, compiled", lambda: torch.autograd.grad(compiled(wanting), wanting, ones))
        rows = torch.zeros(3, 38, device="cuda")
        launched("an aligned row, compiled", lambda: by_row(rows[0]))
        launched("a row off 16 bytes, compiled for an aligned one", lambda: by_row(rows[1]))
        launched("a kernel by hand", lambda: by_hand[(1,)](x))
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            torch.exp(x + 1)
        launched("a graph of two kernels, replayed three times", lambda: [graph.replay() for _ in range(3)])
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
