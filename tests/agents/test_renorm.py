"""BatchRenorm's written-out gradient against autograd on the formulas as the paper and the source have them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dimebench.agents.parts.renorm import BatchRenorm, RenormSettings

STACK, ROWS, FEATURES = (2, 3), 9, 4


def plain(norm: BatchRenorm, x: Tensor, corrected: bool) -> Tensor:
    """The forward of the source, one formula a line, differentiated by autograd."""
    eps = norm.settings.eps
    mean = x.mean(-2, keepdim=True)
    var = x.square().mean(-2, keepdim=True) - mean.square()
    if corrected:
        std, running_std = torch.sqrt(var + eps), torch.sqrt(norm.running_var + eps)
        r = (std / running_std).clamp(1 / 3, 3).detach()
        d = ((mean - norm.running_mean) / running_std).clamp(-5, 5).detach()
        mean, var = mean - d * torch.sqrt(var) / r, var / r.square()
    return (x - mean) / torch.sqrt(var + eps) * norm.scale + norm.bias


def layer(seed: int, offset: float, spread: float, warmup: int) -> tuple[BatchRenorm, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    norm = BatchRenorm(STACK, FEATURES, RenormSettings(warmup=warmup)).double()
    with torch.no_grad():
        for tensor in (norm.scale, norm.bias, norm.running_mean):
            tensor.copy_(torch.randn(tensor.shape, generator=g, dtype=torch.float64))
        norm.running_var.copy_(torch.rand(norm.running_var.shape, generator=g, dtype=torch.float64) * 4 + 0.01)
    x = offset + spread * torch.randn(*STACK, ROWS, FEATURES, generator=g, dtype=torch.float64)
    return norm, x.requires_grad_(), torch.randn(x.shape, generator=g, dtype=torch.float64)


@given(
    seed=st.integers(0, 2**31),
    offset=st.sampled_from([0.0, 0.5, -3.0, 40.0]),  # 40: d is clipped
    spread=st.sampled_from([0.02, 0.7, 30.0]),  # the ends: r is clipped
    corrected=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_output_and_gradients_are_those_of_the_formulas(
    seed: int, offset: float, spread: float, corrected: bool
) -> None:
    norm, x, upstream = layer(seed, offset, spread, warmup=0 if corrected else 1)
    inputs = [x, norm.scale, norm.bias]
    expected = plain(norm, x, corrected)
    expected_grads = torch.autograd.grad(expected, inputs, upstream)
    found = norm(x, training=True)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    for grad, value in zip(torch.autograd.grad(found, inputs, upstream), expected_grads, strict=True):
        torch.testing.assert_close(grad, value, rtol=1e-6, atol=1e-8 * float(value.abs().max()) + 1e-10)


@pytest.mark.parametrize("warmup", [0, 5])
def test_the_gradient_is_that_of_finite_differences(warmup: int) -> None:
    """Without corrections by r and d the whole map is differentiable; with them they are constants."""
    norm, x, _ = layer(1, 0.3, 1.2, warmup)
    mean, var = x.detach().mean(-2, keepdim=True), x.detach().var(-2, unbiased=False, keepdim=True)
    r, d = norm._corrections(mean, var)

    def frozen(x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        """The formulas with r and d held where they are."""
        m, v = x.mean(-2, keepdim=True), x.var(-2, unbiased=False, keepdim=True)
        if warmup == 0:
            m, v = m - d * v.sqrt() / r, v / r.square()
        return (x - m) / (v + norm.settings.eps).sqrt() * scale + bias

    inputs = (x, norm.scale, norm.bias)
    upstream = torch.randn(x.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found = torch.autograd.grad(norm(x, training=True), inputs, upstream)
    step = 1e-6
    for position, grad in enumerate(found):
        direction = torch.randn(grad.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
        ends = []
        for sign in (1, -1):
            moved = [value.detach() for value in inputs]
            moved[position] = moved[position] + sign * step * direction
            ends.append(float((frozen(*moved) * upstream).sum()))
        assert (grad * direction).sum().item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-5)


def test_running_statistics_move_after_use_in_both_phases() -> None:
    for warmup in (0, 5):
        norm, x, _ = layer(4, 1.0, 2.0, warmup)
        mean, var = norm.running_mean.clone(), norm.running_var.clone()
        norm(x, training=True)
        torch.testing.assert_close(norm.running_mean, 0.99 * mean + 0.01 * x.mean(-2, keepdim=True).detach())
        torch.testing.assert_close(norm.running_var, 0.99 * var + 0.01 * x.var(-2, unbiased=False, keepdim=True))
