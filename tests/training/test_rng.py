"""Random streams: one per seed and purpose, independent of who else draws."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.training.rng import BUFFERED_CALLS, NoiseBuffer, Streams, generator

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


def ahead(seeds: list[int], done: list[int], uniform: bool = False, device: str = "cpu") -> NoiseBuffer:
    """Numbers for calls of which every third needs more; `done[0]` calls are over."""

    def shapes(k: int) -> dict[str, tuple[int, ...]]:
        return {"a": (3, 2)} | ({"b": (5,)} if (done[0] + k) % 3 == 0 else {})

    return NoiseBuffer(seeds, "update", shapes, device, uniform)


@given(st.lists(st.integers(0, 2**31), min_size=2, max_size=4, unique=True), st.booleans())
@settings(max_examples=10, deadline=None)
def test_numbers_drawn_ahead_of_a_seed_do_not_depend_on_the_other_seeds(seeds: list[int], uniform: bool) -> None:
    done = [0]
    together, alone = ahead(seeds, done, uniform), ahead(seeds[1:2], done, uniform)
    for _ in range(BUFFERED_CALLS + 3):
        both, one = together.next(), alone.next()
        assert both.keys() == one.keys() == ({"a", "b"} if done[0] % 3 == 0 else {"a"})
        assert all(torch.equal(both[name][1], one[name][0]) for name in both)
        done[0] += 1


@pytest.mark.parametrize(
    "cut", [0, 1, 5, BUFFERED_CALLS - 1, BUFFERED_CALLS, BUFFERED_CALLS + 1, 2 * BUFFERED_CALLS + 7]
)
def test_numbers_drawn_ahead_go_on_where_they_were_cut(cut: int) -> None:
    done = [0]
    first = ahead([4, 9], done)
    for _ in range(cut):
        first.next()
        done[0] += 1
    state = {key: value.clone() for key, value in first.state_dict().items()}
    second = ahead([50, 51], done)
    second.load_state_dict(state)
    for _ in range(BUFFERED_CALLS + 2):
        expected, found = first.next(), second.next()
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        done[0] += 1


def test_no_number_drawn_ahead_comes_twice() -> None:
    done = [0]
    source, seen = ahead([0], done), []
    for _ in range(3 * BUFFERED_CALLS):
        seen += [value for tensor in source.next().values() for value in tensor.flatten().tolist()]
        done[0] += 1
    assert len(set(seen)) > 0.999 * len(seen)
    assert abs(sum(seen) / len(seen)) < 0.1
    shares = ahead([0], [0], uniform=True).next()["a"]
    assert shares.dtype == torch.float64
    assert bool(((shares >= 0) & (shares < 1)).all())
