"""Golden files (inputs, parameters, outputs of the authors' JAX code) read into our modules.

A golden directory is named by the environment variable GOLDEN, or lies at ../shared/reference/golden/A beside
the checkout. Every parameter set is stacked S times; the arrays of the files are one seed's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dimebench.agents.base import Batch, Dims
from dimebench.agents.dime import DIME, DIMESettings

ROOT = Path(__file__).resolve().parents[2]
DIRECTORY = Path(os.environ.get("GOLDEN") or ROOT.parent / "shared" / "reference" / "golden" / "A")

MISSING = f"no golden files: there is no manifest.json in {DIRECTORY.name}/ (GOLDEN names their folder)"
PRIOR_STD = 2.5  # the authors'; the golden files hold x_0 itself

ACTOR_LAYERS = {
    "fwd.time_coder_state.layers_0": "score.time1",
    "fwd.time_coder_state.layers_2": "score.time2",
    "fwd.state_time_net.layers_0.layers_0": "score.first",
    "fwd.state_time_net.layers_1.layers_0": "score.layers.0",
    "fwd.state_time_net.layers_2.layers_0": "score.layers.1",
    "fwd.state_time_net.layers_3": "score.out",
}

DEVICE = os.environ.get("GOLDEN_DEVICE", "cpu")  # cuda: the learners on a GPU, held to the same limits


def there() -> bool:
    return (DIRECTORY / "manifest.json").exists()


def names(prefix: str, suffix: str = "") -> list[str]:
    """The cases of the directory whose name starts so, `_f64` ones only where the suffix says so."""
    found = sorted(path.stem for path in DIRECTORY.glob(f"{prefix}*{suffix}.npz"))
    return [name for name in found if name.endswith("_f64") == (suffix == "_f64")]


def cases(prefix: str, suffix: str = "") -> list[str]:
    """The same to parametrise tests with, which skip with their own reason where there are none."""
    return [name.removesuffix("_f64") for name in names(prefix, suffix)] or ["no files"]


@cache
def load(name: str, directory: Path = DIRECTORY) -> dict[str, np.ndarray]:
    with np.load(directory / f"{name}.npz") as archive:
        return {key: archive[key] for key in archive.files}


@cache
def manifest() -> dict:
    return json.loads((DIRECTORY / "manifest.json").read_text())


def stacked(array: np.ndarray, seeds: int = 1) -> Tensor:
    """One seed's array with the seed axis in front: [S, ...]."""
    return torch.from_numpy(np.asarray(array)).float()[None].expand(seeds, *array.shape).to(DEVICE).clone()


def tensor(name: str, key: str, seeds: int = 1) -> Tensor:
    """One array of a file, with the seed axis in front: [S, ...]."""
    return stacked(load(name)[key], seeds)


def actor_state(name: str, group: str) -> dict[str, np.ndarray]:
    """Our parameter names -> one seed's array in our shape, for the actor arrays `group:*` of a file."""
    state: dict[str, np.ndarray] = {}
    for key, value in load(name).items():
        head, _, path = key.partition(":")
        layer, _, leaf = path.rpartition(".")
        if head != group:
            continue
        if path in ("dt", "friction"):
            state[path] = value
        elif path == "fwd.timestep_phase":
            state["score.phase"] = value
        elif layer in ACTOR_LAYERS:
            ours = "weight" if leaf == "kernel" else "bias"
            state[f"{ACTOR_LAYERS[layer]}.{ours}"] = value if leaf == "kernel" else value[None]
    return state


def flax_state(case: dict[str, np.ndarray], group: str, dense: Sequence[str], renorm: str) -> dict[str, np.ndarray]:
    """The same for a network of flax's Dense and BatchRenorm layers, parameters and running statistics.

    `dense` are our names of its Dense layers in order, `renorm` that of its list of BatchRenorm layers.
    """
    state: dict[str, np.ndarray] = {}
    for key, value in case.items():
        head, _, path = key.partition(":")
        if head != group:
            continue
        layer, _, leaf = path.rpartition(".")
        kind, _, index = layer.rpartition("_")
        if kind == "Dense":
            ours = "weight" if leaf == "kernel" else "bias"
            state[f"{dense[int(index)]}.{ours}"] = value if leaf == "kernel" else value[..., None, :]
        elif leaf in ("scale", "bias"):
            state[f"{renorm}.{index}.{leaf}"] = value[..., None, :]
        elif leaf in ("mean", "var"):
            state[f"{renorm}.{index}.running_{leaf}"] = value[..., None, :]
        elif leaf == "steps":
            state[f"{renorm}.{index}._extra_state"] = value.flat[0].astype(np.int64)
    return state


def critic_state(name: str, group: str) -> dict[str, np.ndarray]:
    """The same for DIME's critics: parameters or, where the group holds them, running statistics."""
    hidden = [f"net.hidden.{i}" for i in range(len(manifest()["critic_hs"]))]
    return flax_state(load(name), group, [*hidden, "net.out"], "net.renorm")


def put(module: torch.nn.Module, state: dict[str, np.ndarray]) -> None:
    """Copy arrays into a module's tensors, the same for all seeds."""
    own = module.state_dict()
    for key, value in state.items():
        source = torch.from_numpy(np.array(value)).to(own[key].device, own[key].dtype)
        if key.endswith("_extra_state"):  # BatchRenorm's step counter, common to all seeds
            own[key] = source
        else:
            own[key].copy_(source)
    module.load_state_dict(own)


def make_agent(seeds: int = 1) -> DIME:
    """An agent of the golden sizes, with the golden initial parameters in every seed."""
    m = manifest()
    values = {
        "diffusion_steps": m["diffusion_steps"],
        "critic_hidden": tuple(m["critic_hs"]),
        "atoms": m["n_atoms"],
        **_actor_widths(),
        "v_min": float(m["v_min"]),
        "v_max": float(m["v_max"]),
        "gamma": m["gamma"],
        "critic_entropy_coefficient": m["entr_coeff"],
        "renorm_warmup": m["bn_warmup"],
        "batch_size": m["batch"],
    }
    generators = [torch.Generator().manual_seed(s) for s in range(seeds)]
    agent = DIME(Dims(m["obs_dim"], m["act_dim"]), DIMESettings(**values), generators, DEVICE)
    put(agent.policy, actor_state("params_actor", "actor"))
    put(agent.critics, critic_state("params_critic", "critic"))
    agent.policy.score.frequencies.copy_(torch.from_numpy(load("a_score")["timestep_coeff"][0]))
    return agent


def _actor_widths() -> dict[str, object]:
    """The score network's sizes, from its arrays."""
    biases = {key.partition(":")[2]: value.size for key, value in load("params_actor").items() if "bias" in key}
    hidden = [biases[key] for key in sorted(biases) if key.startswith("fwd.state_time_net.") and ".layers_0." in key]
    return {
        "score_hidden": tuple(hidden),
        "time_embedding": biases["fwd.time_coder_state.layers_2.bias"],
        "time_frequencies": load("params_actor")["actor:fwd.timestep_phase"].size,
    }


def score_of_rows(agent: DIME) -> Callable[[], Tensor]:
    """The score of the case's rows, each at its own step: [S, B, A]."""
    case, count = load("a_score"), agent.policy.steps
    obs, x = (tensor("a_score", key, agent.seeds).to(agent.policy.dt.dtype) for key in ("obs", "x"))
    steps, rows = torch.from_numpy(case["step"]).long().to(DEVICE), torch.arange(x.shape[1], device=DEVICE)

    def score() -> Tensor:
        prepared = agent.policy.score.prepare(obs, count)
        every = torch.stack([agent.policy.score(n, x, prepared) for n in range(count)])  # [N, S, B, A]
        return every[steps, :, rows].transpose(0, 1)

    return score


def gradients_of(loss: Tensor, module: torch.nn.Module) -> dict[str, Tensor]:
    """By parameter name, the gradients of a loss [S] in each seed's own parameters."""
    named = dict(module.named_parameters())
    found = torch.autograd.grad(loss.sum(), list(named.values()), retain_graph=True)
    return dict(zip(named, found, strict=True))


def noise(name: str, prefix: str, seeds: int = 1) -> dict[str, Tensor]:
    """`init_x` [B, A] and `eps` [B, N, A] of a file as our noise: x0 [S, B, A], eps [S, N, B, A]."""
    return {
        "x0": tensor(name, f"{prefix}init_x", seeds) / PRIOR_STD,
        "eps": tensor(name, f"{prefix}eps", seeds).transpose(1, 2).contiguous(),
    }


def batch(name: str, prefix: str, seeds: int = 1) -> Batch:
    return Batch(*(tensor(name, f"{prefix}{key}", seeds) for key in ("obs", "act", "rew", "next_obs", "done")))
