"""The chain's kernels on a CUDA device: right at every precision, the same bits in every repetition."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence

import pytest
import torch
from torch import Tensor

from tests.agents.chains import Size, by_kernels, eager, log_ratio, of_path, random_chain

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device"),
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="triton is not installed"),
]

SIZES = {
    "acting": Size(seeds=3, rows=1, actions=6, hidden=(256, 256, 256), steps=16),
    "dog-run": Size(seeds=4, rows=256, actions=38, hidden=(256, 256, 256), steps=16),
    "ten-seeds": Size(seeds=10, rows=512, actions=38, hidden=(256, 256, 256), steps=4),
    "odd": Size(seeds=2, rows=37, actions=5, hidden=(300, 17), steps=3),
}
# Of each result's norm; the chain itself magnifies rounding.
TOLERANCES = {"float32": 1e-5, "tf32": 5e-3, "bf16": 8e-2}


@pytest.fixture(autouse=True)
def _tf32_switch_as_before() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    yield
    torch.set_float32_matmul_precision(before)


def kernels(inputs: Sequence[Tensor], gradient: Tensor, precision: str) -> list[Tensor]:
    """As `by_kernels`."""
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    return list(by_kernels(inputs, gradient, precision))


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
@pytest.mark.parametrize("name", SIZES)
def test_kernels_agree_with_the_eager_chain(name: str, precision: str) -> None:
    """In float64."""
    size = SIZES[name]
    inputs, gradient = [t.cuda() for t in random_chain(size)], of_path(size).cuda()
    exact = [t.double() for t in inputs]
    path, gradients = eager(exact, gradient.double(), torch.float64)
    expected = [path, path[:, -1], log_ratio(exact, path), *gradients]
    for i, (got, wanted) in enumerate(zip(kernels(inputs, gradient, precision), expected, strict=True)):
        off = (got.double() - wanted).norm() / wanted.norm()
        assert off < TOLERANCES[precision], (i, float(off))


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_kernels_repeat_bit_for_bit(precision: str) -> None:
    """Whatever else runs beside them."""
    size = SIZES["dog-run"]
    inputs, gradient = [t.cuda() for t in random_chain(size)], of_path(size).cuda()
    first = kernels(inputs, gradient, precision)
    beside = torch.cuda.Stream()
    for _ in range(20):
        with torch.cuda.stream(beside):
            torch.randn(2048, 2048, device="cuda") @ torch.randn(2048, 2048, device="cuda")
        again = kernels(inputs, gradient, precision)
        assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))


def test_a_captured_chain_gives_the_bits_of_a_launched_one() -> None:
    size = SIZES["dog-run"]
    inputs, gradient = [t.cuda() for t in random_chain(size)], of_path(size).cuda()
    expected = kernels(inputs, gradient, "tf32")  # compiles
    graph = torch.cuda.CUDAGraph()
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        kernels(inputs, gradient, "tf32")
    torch.cuda.synchronize()
    with torch.cuda.graph(graph, stream=side):
        found = kernels(inputs, gradient, "tf32")
    for result in found:
        result.zero_()
    graph.replay()
    torch.cuda.synchronize()
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))
