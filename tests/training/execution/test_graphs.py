"""Graphs on a CPU: what they repeat, what they leave alone, what they refuse."""

from __future__ import annotations

import gc
from contextlib import nullcontext

import pytest
import torch

from dimebench.training.execution.graphs import CpuGraphs, CudaGraphs, ExecutionError


def test_a_replay_reads_what_stands_at_the_recorded_places_and_writes_its_result_there() -> None:
    x, weight = torch.randn(4, 3), torch.randn(3, 5, requires_grad=True)

    def function() -> torch.Tensor:
        loss = torch.tanh(x @ weight).square().mean(0).sum()
        return torch.autograd.grad(loss, weight)[0]

    replay, result = CpuGraphs().capture(function)
    for _ in range(3):
        x.copy_(torch.randn(4, 3))
        expected = function()
        replay()
        assert torch.equal(result, expected)


def test_recording_changes_nothing_and_each_replay_does_what_the_call_does() -> None:
    state, whole = torch.arange(6.0), torch.arange(6.0)

    def function(of: torch.Tensor) -> torch.Tensor:
        of[:2] += 1.0  # a part first, then all of it
        return of.mul_(2.0).sum()

    replay, result = CpuGraphs().capture(lambda: function(state))
    assert torch.equal(state, torch.arange(6.0))
    for _ in range(3):
        replay()
        assert torch.equal(result, function(whole))
        assert torch.equal(state, whole)


def test_python_runs_once_and_constants_stay_unless_something_writes_into_them() -> None:
    calls = []
    x = torch.randn(8)

    def function() -> torch.Tensor:
        calls.append(None)
        ones, sums = torch.ones_like(x), torch.zeros_like(x)
        sums += ones
        return sums + x

    replay, result = CpuGraphs().capture(function)
    for _ in range(3):
        replay()
        assert torch.equal(result, 1.0 + x)
    assert len(calls) == 1


def test_tensors_that_are_not_needed_at_once_share_memory() -> None:
    x, made = torch.randn(1000), []

    def function() -> torch.Tensor:
        y = x
        for _ in range(10):
            y = torch.sin(y) + 0.1
        return y.clone()

    graphs = CpuGraphs()
    empty = torch.empty

    def counted(*size: int, **how) -> torch.Tensor:
        if how.get("dtype") == torch.uint8:
            made.append(size)
        return empty(*size, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "empty", counted)
        replay, result = graphs.capture(function)
    replay()
    assert torch.equal(result, function())
    assert 1 <= len(made) <= 3, "twenty tensors in two or three places"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda x: x * float(x.sum()), "_local_scalar_dense"),
        (lambda x: x[x > 0], "index"),
        (lambda x: torch.masked_select(x, x > 0), "masked_select"),
        (lambda x: torch.nonzero(x), "nonzero"),
        (lambda x: x.sum() if torch.equal(x, x) else x, "equal"),
        (lambda x: x + torch.tensor([1.0, 2.0, 3.0]), "lift_fresh"),
        (lambda x: torch.nn.functional.dropout(x, 0.5), "bernoulli_"),
        (
            lambda x: torch.nn.functional.batch_norm(x[:, None], x[:1].clone(), x[1:2].abs(), training=True),
            "native_batch_norm",
        ),
        (lambda x: (x.clone().unsqueeze_(0) + 1)[0], "unsqueeze_"),
        (lambda x: torch.complex(x, x).conj() * 2, "clone"),
    ],
)
def test_what_depends_on_values_is_refused_with_the_operation_and_the_way_out(function, name: str) -> None:
    x = torch.tensor([-1.0, 2.0, 3.0])
    with pytest.raises(ExecutionError, match=rf"recorded \(aten::{name} in it\); --mode eager"):
        CpuGraphs().capture(lambda: function(x))


class FakeGraph:
    """Stands in for `torch.cuda.graph`: what it raises at the end of a broken capture hides what broke it."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __enter__(self) -> None:
        assert not gc.isenabled(), "nothing of another graph's is freed in a capture"

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            raise RuntimeError("the capture was invalidated")


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> CudaGraphs:
    for name in ("CUDAGraph", "Stream", "graph_pool_handle", "synchronize", "current_stream"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", FakeGraph)
    return CudaGraphs("cuda")


def test_memory_that_runs_out_in_a_capture_is_told_as_that(cuda: CudaGraphs) -> None:
    """The block's seeds then go on in smaller blocks."""

    def hungry() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        cuda.capture(hungry)
    assert gc.isenabled()


def test_what_cannot_be_captured_is_one_line_with_the_way_out(cuda: CudaGraphs) -> None:
    def waiting() -> None:
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    with pytest.raises(ExecutionError, match=r"^the update cannot be captured .*; --mode eager runs it$"):
        cuda.capture(waiting)
