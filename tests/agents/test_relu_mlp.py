"""A ReLU network written out is the network layer by layer: values and gradients, whatever is wanted of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dimebench.agents.parts.networks import FEW_ROWS, MLP, Linear, relu, set_matmul_dtype
from dimebench.agents.updates.packing import Packed

S, B, OBS, ACT = 3, 7, 5, 2


def network(stack: tuple[int, ...], heads: list[int], hidden: tuple[int, ...] = (9, 8)) -> tuple[MLP, list[Linear]]:
    generators = [torch.Generator().manual_seed(seed) for seed in range(stack[0])]
    trunk = MLP(stack, OBS + ACT, hidden, None, relu, generators)
    return trunk, [Linear(stack, hidden[-1], width, generators) for width in heads]


def by_layers(trunk: MLP, heads: list[Linear], obs: Tensor, action: Tensor) -> list[Tensor]:
    """As a reader would write it."""
    x = torch.cat([obs, action], -1)
    weight = trunk.hidden[0].weight
    if weight.dim() > 3:
        x = x[:, None].expand(-1, weight.shape[1], -1, -1)
    for layer in trunk.hidden:
        x = torch.relu(layer(x))
    return [head(x) for head in heads]


@pytest.mark.parametrize("stack", [(1,), (S,), (1, 2), (S, 2)])
@pytest.mark.parametrize("heads", [[1], [4], [3, 3], [1, 2, 1]])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_and_gradients_are_those_of_the_layers(stack: tuple[int, ...], heads: list[int], dtype) -> None:
    trunk, out = network(stack, heads)
    for module in (trunk, *out):
        set_matmul_dtype(module, dtype)
    rows = B if dtype == torch.float32 else FEW_ROWS  # fewer would not be rounded
    obs, action = torch.randn(stack[0], rows, OBS), torch.randn(stack[0], rows, ACT, requires_grad=True)
    parameters = [p for module in (trunk, *out) for p in module.parameters()]
    expected, found = by_layers(trunk, out, obs, action), trunk.through(out, obs, action)
    weights = [torch.randn_like(head) for head in expected]
    tolerance = {"rtol": 1e-5, "atol": 1e-5} if dtype == torch.float32 else {"rtol": 0.1, "atol": 0.1}
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype == torch.float32
        torch.testing.assert_close(one, other, **tolerance)
    for one, other in zip(
        torch.autograd.grad(found, [action, *parameters], weights),
        torch.autograd.grad(expected, [action, *parameters], weights),
        strict=True,
    ):
        torch.testing.assert_close(one, other, **tolerance)


def test_constant_parameters_get_no_gradient_and_the_action_does() -> None:
    trunk, out = network((S, 2), [1])
    obs, action = torch.randn(S, B, OBS), torch.randn(S, B, ACT, requires_grad=True)
    (q,) = trunk.through(out, obs, action, constant=True)
    (expected,) = by_layers(trunk, out, obs, action)
    torch.testing.assert_close(torch.autograd.grad(q.sum(), action), torch.autograd.grad(expected.sum(), action))
    assert torch.autograd.grad(trunk.through(out, obs, action, constant=True)[0].sum(), action)[0].abs().sum() > 0
    with pytest.raises(RuntimeError):
        torch.autograd.grad(trunk.through(out, obs, action, constant=True)[0].sum(), list(trunk.parameters()))


@pytest.mark.parametrize("seeds", [1, S])
def test_gradients_of_one_seed_are_the_arena_s_row_as_they_lie(seeds: int) -> None:
    trunk, (head,) = network((seeds, 2), [1])
    trunk.out = head
    store = Packed(trunk, seeds)
    q = trunk.through([head], torch.randn(seeds, B, OBS), torch.randn(seeds, B, ACT))[0]
    gradients = torch.autograd.grad(q.square().sum(), list(trunk.parameters()))
    store.receive(gradients, None)
    row = store.arena.grad
    assert row is not None
    assert row.shape == store.arena.shape
    assert all(torch.equal(one, other) for one, other in zip(store.gradients(), gradients, strict=True))
    assert torch.equal(
        row[:, : sum(g.numel() for g in gradients) // seeds], torch.cat([g.flatten(1) for g in gradients], 1)
    )
    assert row[:, sum(g.numel() for g in gradients) // seeds :].abs().sum() == 0
    assert (row.data_ptr() == gradients[0].data_ptr()) == (seeds == 1), "no copy for one seed"
