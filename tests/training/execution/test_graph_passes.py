"""What recordings leave out: nothing that anybody would miss, and no bit of the numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dimebench.agents.updates.adam import Adam
from dimebench.training.execution.graphs import CpuGraphs


def steps_of(replay: Callable[[], None]) -> list[str]:
    """What a replay calls, by name."""
    inner = replay.__wrapped__  # type: ignore[attr-defined]
    cells = dict(zip(inner.__code__.co_freevars, inner.__closure__, strict=True))
    return [getattr(call, "__name__", str(call)) for call, _, _ in cells["steps"].cell_contents]


def repeats(function: Callable[[], Tensor], change: Callable[[], object]) -> Callable[[], None]:
    """A replay of the function, which gives its bits however its inputs change."""
    replay, result = CpuGraphs().capture(function)
    for _ in range(3):
        change()
        expected = function().clone()
        replay()
        assert torch.equal(result, expected)
    return replay


def test_weights_rounded_for_every_use_are_rounded_once() -> None:
    x, weight = torch.randn(70, 8), torch.randn(8, 8)

    def function() -> Tensor:
        h = x
        for _ in range(4):
            h = (h.to(torch.bfloat16) @ weight.to(torch.bfloat16)).float()
        return h + 0

    steps = steps_of(repeats(function, lambda: (x.normal_(), weight.normal_())))
    assert steps.count("copy_") == 4 + 4 + 1  # inputs, results, and the weight


def test_what_has_changed_in_between_is_computed_again() -> None:
    x, state = torch.randn(9), torch.randn(9)

    def function() -> Tensor:
        before = torch.exp(x) + torch.exp(state)
        state.mul_(0.5)
        return before * torch.exp(x) * torch.exp(state)

    replay, result = CpuGraphs().capture(function)
    assert steps_of(replay).count("exp") == 3
    for _ in range(3):
        kept = state.clone()
        expected = function()
        state.copy_(kept)
        replay()
        assert torch.equal(result, expected)


def test_results_that_are_written_into_stay_apart() -> None:
    x = torch.randn(9)

    def function() -> Tensor:
        one, other = torch.exp(x), torch.exp(x)
        one.mul_(2.0)
        return one - other

    assert steps_of(repeats(function, x.normal_)).count("exp") == 2


@pytest.mark.parametrize(
    "seen", [lambda w: torch.view_as_real(w * w).flatten(), lambda w: w.real.double().view(torch.float32)]
)
def test_parts_of_a_row_that_are_seen_in_another_type_stay_whole(seen: Callable[[Tensor], Tensor]) -> None:
    x, w = torch.randn(32), torch.randn(48, dtype=torch.complex64)

    def change() -> None:
        x.normal_()
        w.copy_(torch.randn(48, dtype=torch.complex64))

    repeats(lambda: torch.cat([x * 2, seen(w), x * 3]) + 1, change)


def test_a_list_of_one_tensor_is_computed_as_any() -> None:
    x = torch.rand(5)
    repeats(lambda: torch._foreach_sqrt([x])[0] + 1, x.uniform_)


def test_what_nobody_reads_is_not_computed() -> None:
    x, weight = torch.randn(6), torch.randn(6, requires_grad=True)

    def function() -> Tensor:
        torch.cos(x)
        return torch.autograd.grad((torch.sin(x) * weight).sum(), weight)[0]

    steps = steps_of(repeats(function, x.normal_))
    assert "cos" not in steps
    assert "sum" not in steps, "a gradient of a sum does not depend on the sum"


@pytest.mark.parametrize("sizes", [(64, 128, 32), (64, 7, 33), (5,)])
def test_tensors_put_in_a_row_are_made_there_where_their_places_are_aligned(sizes: tuple[int, ...]) -> None:
    parts = [torch.randn(size) for size in sizes]
    replay = repeats(lambda: torch.cat([torch.sin(p) for p in parts]) * 2.0, lambda: [p.normal_() for p in parts])
    steps = steps_of(replay)
    assert "cat" not in steps
    assert steps.count("copy_") == {(64, 128, 32): 0, (64, 7, 33): 1, (5,): 0}[sizes]


def test_a_part_that_is_read_afterwards_or_put_in_twice_is_copied() -> None:
    x = torch.randn(64)

    def twice() -> Tensor:
        y = torch.sin(x)
        return torch.cat([y, y]) * 2.0

    def afterwards() -> Tensor:
        y, z = torch.sin(x), torch.cos(x)
        row = torch.cat([z, y])
        row.mul_(3.0)
        return row.sum() + y.sum()

    assert "cat" in steps_of(repeats(twice, x.normal_))
    assert steps_of(repeats(afterwards, x.normal_)).count("copy_") == 1


def test_columns_are_not_a_row() -> None:
    x = torch.randn(4, 16)
    assert "cat" in steps_of(repeats(lambda: torch.cat([torch.sin(x), torch.cos(x)], -1) + 1.0, x.normal_))


def test_an_optimiser_s_counts_and_moments_go_on_as_they_would() -> None:
    weights = [nn.Parameter(torch.linspace(-1, 1, 33)) for _ in range(2)]
    optimizers = [Adam([w], 0.1, beta1=0.9) for w in weights]
    target = torch.zeros(33)

    def step(i: int) -> Tensor:
        (weights[i].grad,) = torch.autograd.grad((weights[i] - target).square().sum(), weights[i])
        optimizers[i].step()
        return weights[i] * 1.0

    for i in (0, 1):
        step(i)
    replay, _ = CpuGraphs().capture(lambda: step(1))
    for _ in range(5):
        target.normal_()
        step(0)
        replay()
        assert torch.equal(*weights)
    for one, other in zip(*(o.state_dict().values() for o in optimizers), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x + 2.5,
        lambda x: torch.add(x, 1.5, alpha=-3),
        lambda x: x - 0.1,
        lambda x: x * (1 / 3),
        lambda x: x / 3,
        lambda x: 0.3 - x,
        lambda x: x.sum() * 1.0,
        lambda x: x.T.contiguous() + 1,
        lambda x: x.to(torch.bfloat16).float() + 1,
        lambda x: x.double() * (1 / 3),
        lambda x: (x > 0).to(torch.float32) * x,
    ],
)
def test_shorter_ways_give_the_same_bits(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(7, 19)
    repeats(lambda: function(x) + 0, x.normal_)
