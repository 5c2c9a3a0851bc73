"""Small learners and random batches for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import fields
from typing import Any

import torch

from dimebench.agents.base import Agent, Batch, Dims, Noise
from dimebench.agents.registry import built_in_algorithms, load_algorithm
from dimebench.agents.updates.actor_critic import ActorCritic
from dimebench.training.rng import Streams, generator

LEARNERS = tuple(name for name in built_in_algorithms() if load_algorithm(name).learns)
DIMS = Dims(obs=5, act=3)  # odd sizes, so that no tensor fills whole vector registers by accident
SIZES = {  # of settings that some algorithms have and others have not
    "diffusion_steps": 3,
    "score_hidden": (17, 13),
    "time_frequencies": 7,
    "time_embedding": 9,
    "actor_hidden": (17, 13),
    "critic_hidden": (19, 11),
    "atoms": 21,
    "renorm_warmup": 6,
}


def having(name: str, **settings: object) -> dict[str, object]:
    """Those of the settings that the algorithm has."""
    own = {field.name for field in fields(load_algorithm(name).Settings)}
    return {key: value for key, value in settings.items() if key in own}


def small(name: str) -> dict[str, object]:
    """Settings that make the algorithm's networks small."""
    return having(name, **SIZES)


RENORMALISED = tuple(name for name in LEARNERS if having(name, renorm_warmup=0))
GAUSSIAN = tuple(name for name in LEARNERS if having(name, target_entropy_per_dim=0))


def make(name: str, seeds: list[int], device: str = "cpu", **settings: object) -> ActorCritic[Any]:
    """A small learner of the given seeds; the renormalisation sets in after a few updates."""
    algorithm = load_algorithm(name)
    values = algorithm.Settings(**(small(name) | {"batch_size": 6} | settings))
    agent = algorithm(DIMS, values, [generator(seed, "parameters") for seed in seeds], device)
    assert isinstance(agent, ActorCritic)
    return agent


PURPOSES = ("update", "batch", "act")


def streams(seeds: list[int]) -> Streams:
    return Streams(seeds, PURPOSES, "cpu")


def draw(agent: ActorCritic[Any], source: Streams) -> tuple[Batch, Noise]:
    """A batch and the noise for the next update, drawn per seed."""
    return draw_of(agent, DIMS, source)


def draw_of(agent: Agent, dims: Dims, source: Streams) -> tuple[Batch, Noise]:
    """The same for a task of other sizes."""
    rows = agent.settings.utd * agent.settings.batch_size
    shapes = {
        "obs": (rows, dims.obs),
        "act": (rows, dims.act),
        "rew": (rows,),
        "next": (rows, dims.obs),
        "end": (rows,),
    }
    b = source.normal("batch", shapes)
    batch = Batch(b["obs"], torch.tanh(b["act"]), b["rew"], b["next"], (b["end"] > 1.0).float())
    return batch, source.normal("update", agent.update_noise())


def train(agent: ActorCritic[Any], source: Streams, updates: int) -> list[dict[str, torch.Tensor]]:
    return [agent.update(*draw(agent, source)) for _ in range(updates)]


def assert_learn_alike(
    one: ActorCritic[Any],
    other: ActorCritic[Any],
    calls: int,
    tolerance: float,
    off: tuple[float, float],
    ways: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> None:
    """The same numbers to rounding. Adam magnifies that of tiny gradients, so most elements, not all, agree.

    off: what counts as off in a parameter, and the share of its elements that may be. ways: what the other runs in.
    """
    seeds = list(range(one.seeds))
    first, second = streams(seeds), streams(seeds)
    for _ in range(calls):
        expected = one.update(*draw(one, first))
        with ways():
            found = other.update(*draw(other, second))
        assert expected.keys() == found.keys()
        for key in expected:
            torch.testing.assert_close(found[key], expected[key], rtol=tolerance, atol=tolerance)
    for key, module in one.modules.items():
        for p, q in zip(module.parameters(), other.modules[key].parameters(), strict=True):
            assert ((p - q).abs() > off[0]).float().mean() < off[1], key
    assert one.counts() == other.counts()
    assert torch.equal(one.diverged(), other.diverged())
