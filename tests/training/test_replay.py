"""Replay against a plain list of transitions, whatever the episode lengths and however often it wraps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dimebench.agents.base import Dims
from dimebench.training.replay import Replay

DIMS = Dims(obs=2, act=1)
Row = tuple[np.ndarray, np.ndarray, float, np.ndarray, float]


def fill(replay: Replay, seeds: int, steps: int, ending: float, source: np.random.Generator) -> list[list[Row]]:
    """Step made-up environments; returns every seed's transitions in order."""
    rows: list[list[Row]] = [[] for _ in range(seeds)]
    obs = source.standard_normal((seeds, 2)).astype(np.float32)
    for _ in range(steps):
        action = source.standard_normal((seeds, 1)).astype(np.float32)
        reward = source.standard_normal(seeds).astype(np.float32)
        after = source.standard_normal((seeds, 2)).astype(np.float32)
        ended = source.random(seeds) < ending
        terminated = ended & (source.random(seeds) < 0.5)
        replay.add(obs, action, reward, after, terminated, ended)
        for s in range(seeds):
            rows[s].append((obs[s], action[s], reward[s], after[s], float(terminated[s])))
        fresh = source.standard_normal((seeds, 2)).astype(np.float32)
        obs = np.where(ended[:, None], fresh, after)
    return rows


def contents(replay: Replay, seeds: int) -> list[list[Row]]:
    """Everything that can be sampled, oldest first."""
    batch = replay.sample(torch.arange(len(replay)).expand(seeds, -1))
    columns = [getattr(batch, name).numpy() for name in ("obs", "action", "reward", "next_obs", "terminated")]
    return [[tuple(c[s, i] for c in columns) for i in range(len(replay))] for s in range(seeds)]  # type: ignore[misc]


def assert_same(found: list[list[Row]], expected: list[list[Row]]) -> None:
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(one, other, strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@given(
    seeds=st.integers(1, 3),
    capacity=st.integers(1, 40),
    steps=st.integers(1, 130),
    ending=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=80, deadline=None)
def test_replay_holds_the_last_transitions(seeds: int, capacity: int, steps: int, ending: float, seed: int) -> None:
    replay = Replay(seeds, capacity, DIMS, "cpu")
    rows = fill(replay, seeds, steps, ending, np.random.default_rng(seed))
    assert len(replay) == min(capacity, steps)
    assert_same(contents(replay, seeds), [r[-capacity:] for r in rows])


@given(
    capacity=st.integers(1, 40),
    cuts=st.lists(st.integers(1, 60), min_size=1, max_size=4),
    ending=st.sampled_from([0.0, 0.1, 1.0]),
    seed=st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_chunks_restore_the_replay(capacity: int, cuts: list[int], ending: float, seed: int) -> None:
    """Chunks are cut as checkpoints cut them: only what is new, and what still counts."""
    source = np.random.default_rng(seed)
    replay = Replay(2, capacity, DIMS, "cpu")
    chunks: list[tuple[int, dict[str, torch.Tensor]]] = []
    written = 0
    for steps in cuts:
        fill(replay, 2, steps, ending, source)
        first = max(written, replay.added - len(replay))
        chunks.append((first, replay.chunk(first, replay.added)))
        written = replay.added
    restored = Replay(2, capacity, DIMS, "cpu")
    restored.restore([c for c in chunks if c[0] + c[1]["reward"].shape[1] > replay.added - len(replay)], replay.added)
    assert_same(contents(restored, 2), contents(replay, 2))
    fill(replay, 2, 50, ending, np.random.default_rng(1))
    fill(restored, 2, 50, ending, np.random.default_rng(1))
    assert_same(contents(restored, 2), contents(replay, 2))


def test_each_observation_is_stored_once() -> None:
    dims = Dims(obs=223, act=38)
    replay = Replay(1, 20_000, dims, "cpu")
    once = 20_000 * 4 * (dims.obs + dims.act + 2)
    tensors = (replay.obs, replay.action, replay.reward, replay.terminated, replay.end_slot, replay.ends)
    assert sum(t.numel() * t.element_size() for t in tensors) < 1.05 * once


def test_a_chunk_that_has_left_the_replay_is_refused() -> None:
    replay = Replay(1, 5, DIMS, "cpu")
    fill(replay, 1, 9, 0.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="has left the replay"):
        replay.chunk(3, 9)
