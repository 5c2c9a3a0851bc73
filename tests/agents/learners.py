"""Small learners and random batches for the tests of this folder."""

from __future__ import annotations

import torch

from dimebench.agents.base import Batch, Dims, Noise
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.actor_critic import ActorCritic
from dimebench.training.rng import Streams, generator

LEARNERS = ("dime", "dime-gaussian", "crossq", "sac")
DIMS = Dims(obs=5, act=3)  # odd sizes, so that no tensor fills whole vector registers by accident
SMALL = {
    "dime": {
        "diffusion_steps": 3,
        "score_hidden": (17, 13),
        "time_frequencies": 7,
        "time_embedding": 9,
        "critic_hidden": (19, 11),
        "atoms": 21,
        "renorm_warmup": 6,
    },
    "dime-gaussian": {"actor_hidden": (17, 13), "critic_hidden": (19, 11), "atoms": 21, "renorm_warmup": 6},
    "crossq": {"actor_hidden": (13, 7), "critic_hidden": (19, 11), "renorm_warmup": 6},
    "sac": {"actor_hidden": (13, 7), "critic_hidden": (19, 11)},
}


def make(name: str, seeds: list[int], device: str = "cpu", **settings: object) -> ActorCritic:
    """A small learner of the given seeds; the renormalisation sets in after a few updates."""
    algorithm = load_algorithm(name)
    values = algorithm.Settings(**(SMALL[name] | {"batch_size": 6} | settings))
    agent = algorithm(DIMS, values, [generator(seed, "parameters") for seed in seeds], device)
    assert isinstance(agent, ActorCritic)
    return agent


def streams(seeds: list[int]) -> Streams:
    return Streams(seeds, ["update", "batch", "act"], "cpu")


def draw(agent: ActorCritic, source: Streams) -> tuple[Batch, Noise]:
    """A batch and the noise for the next update, drawn per seed."""
    rows = agent.settings.utd * agent.settings.batch_size
    shapes = {
        "obs": (rows, DIMS.obs),
        "act": (rows, DIMS.act),
        "rew": (rows,),
        "next": (rows, DIMS.obs),
        "end": (rows,),
    }
    b = source.normal("batch", shapes)
    batch = Batch(b["obs"], torch.tanh(b["act"]), b["rew"], b["next"], (b["end"] > 1.0).float())
    return batch, source.normal("update", agent.update_noise())


def train(agent: ActorCritic, source: Streams, updates: int) -> list[dict[str, torch.Tensor]]:
    return [agent.update(*draw(agent, source)) for _ in range(updates)]
