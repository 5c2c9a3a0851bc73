"""Adam: torch.optim's numbers bit for bit, and a state that is loaded in place."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dimebench.agents.updates.adam import Adam

SHAPES = st.lists(st.lists(st.integers(1, 40), max_size=3).map(tuple), min_size=1, max_size=4)


def parameters(shapes: list[tuple[int, ...]], seed: int = 0) -> list[nn.Parameter]:
    source = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=source)) for shape in shapes]


def give_gradients(tensors: list[nn.Parameter], step: int) -> None:
    source = torch.Generator().manual_seed(100 + step)
    for tensor in tensors:
        tensor.grad = torch.randn(tensor.shape, generator=source) * 10.0 ** (step % 5 - 3)


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert torch.equal(ours[name], theirs[name]), name


@settings(max_examples=25, deadline=None)
@given(SHAPES, st.sampled_from([0.5, 0.9]), st.floats(1e-5, 1e-1))
def test_every_step_has_the_bits_of_torch_s(shapes: list[tuple[int, ...]], beta1: float, lr: float) -> None:
    here, there = parameters(shapes), parameters(shapes)
    ours = Adam(here, lr, beta1)
    theirs = torch.optim.Adam(there, lr, (beta1, 0.999), eps=1e-8, fused=True)
    for step in range(6):
        for tensors in (here, there):
            give_gradients(tensors, step)
        ours.step()
        theirs.step()
        assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    slots = theirs.state_dict()["state"]
    assert_same(ours.state_dict(), {f"{i}.{slot}": slots[i][slot] for i in slots for slot in slots[i]})


def test_a_state_is_loaded_in_place_and_goes_on_with_the_same_bits() -> None:
    here, there = parameters([(3, 4), (5,)]), parameters([(3, 4), (5,)])
    source, other = Adam(here, 1e-2, 0.9), Adam(there, 1e-2, 0.9)
    for step in range(3):
        give_gradients(here, step)
        source.step()
    places = {name: slot.data_ptr() for name, slot in other.state_dict().items()}
    other.load_state_dict({name: slot.clone() for name, slot in source.state_dict().items()})
    assert {name: slot.data_ptr() for name, slot in other.state_dict().items()} == places
    with torch.no_grad():
        for a, b in zip(here, there, strict=True):
            b.copy_(a)
    for adam, tensors in ((source, here), (other, there)):
        give_gradients(tensors, 3)
        adam.step()
    assert all(torch.equal(a, b) for a, b in zip(here, there, strict=True))
    assert_same(source.state_dict(), other.state_dict())


def test_a_state_that_lacks_a_slot_is_refused() -> None:
    adam = Adam(parameters([(2, 2)]), 1e-2, 0.9)
    state = adam.state_dict()
    del state["0.exp_avg"]
    with pytest.raises(KeyError, match=r"0\.exp_avg"):
        adam.load_state_dict(state)
