"""Random streams: one per seed and purpose, independent of who else draws."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.training.rng import Streams, generator

PURPOSES = ["warmup", "act", "replay", "update"]


@given(st.lists(st.integers(0, 2**31), min_size=2, max_size=4, unique=True))
@settings(max_examples=20, deadline=None)
def test_draws_of_a_seed_do_not_depend_on_the_other_seeds(seeds: list[int]) -> None:
    together = Streams(seeds, PURPOSES, "cpu")
    alone = Streams(seeds[1:2], PURPOSES, "cpu")
    for _ in range(2):
        shapes = {"a": (3, 2), "b": (5,)}
        both, one = together.normal("act", shapes), alone.normal("act", shapes)
        assert all(torch.equal(both[name][1], one[name][0]) for name in shapes)
        assert torch.equal(together.integers("replay", 100, 8)[1], alone.integers("replay", 100, 8)[0])
        assert torch.equal(together.uniform("warmup", (4,))[1], alone.uniform("warmup", (4,))[0])


def test_purposes_and_seeds_have_streams_of_their_own() -> None:
    draws = {
        (seed, purpose): torch.randn(4, generator=generator(seed, purpose)).tolist()
        for seed in range(3)
        for purpose in [*PURPOSES, "parameters", "evaluation-noise"]
    }
    assert len({tuple(d) for d in draws.values()}) == len(draws)


def test_state_continues_the_stream() -> None:
    first = Streams([1, 2], PURPOSES, "cpu")
    first.normal("act", {"x": (7,)})
    state = first.state_dict()
    expected = first.normal("act", {"x": (7,)})["x"]
    second = Streams([8, 9], PURPOSES, "cpu")
    second.load_state_dict(state)
    assert torch.equal(second.normal("act", {"x": (7,)})["x"], expected)


def test_uniform_draws_fill_the_box() -> None:
    draws = Streams([0], ["warmup"], "cpu").uniform("warmup", (20_000,))
    assert -1.0 <= draws.min() < -0.99
    assert 0.99 < draws.max() < 1.0
