"""Categorical return distributions on fixed atoms (C51, Bellemare et al. 2017), as DIME's critics use them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dimebench.agents.parts.paths import for_gpu

LOG_FLOOR = 1e-15  # the authors take log(p + 1e-15)


def shifted_atoms(
    atoms: Tensor, reward: Tensor, terminated: Tensor, cost: Tensor, alpha: Tensor, gamma: float
) -> Tensor:
    """Where the Bellman operator moves the atoms: r + (1 - done) gamma (z - alpha cost), before clipping.

    atoms [K]; reward, terminated, cost [S, B]; alpha [S]. Returns [S, B, K].
    Source: the authors' code (`projection`); `cost` is the negative sample of the entropy bound at s'.
    """
    keep = (gamma * (1.0 - terminated)).unsqueeze(-1)
    return reward.unsqueeze(-1) + keep * (atoms - (alpha[:, None] * cost).unsqueeze(-1))


def project(probs: Tensor, support: Tensor, atoms: Tensor) -> Tensor:
    """Project mass `probs` [S, B, K] lying at `support` [S, B, K] onto the atoms [K].

    Mass between two atoms is shared by distance; mass beyond the ends goes to the end; mass exactly on an atom
    stays there. Returns [S, B, K].
    """
    last = atoms.numel() - 1
    v_min, v_max = atoms[0], atoms[-1]
    delta = (v_max - v_min) / last
    b = ((support.clamp(v_min, v_max) - v_min) / delta).clamp(0, last)
    b = torch.nan_to_num(b)  # a diverged seed must not index out of range and take its neighbours along
    return _spread_dense(probs, b) if for_gpu(probs) else _spread(probs, b)


def _spread(probs: Tensor, b: Tensor) -> Tensor:
    """Share each mass between the atoms floor(b) and floor(b) + 1, for b [S, B, K] in [0, K - 1]."""
    last = probs.shape[-1] - 1
    lower = b.floor().clamp(max=last - 1)  # b == last then shares as (0, 1): all mass on the last atom
    share = b - lower
    lower_index = lower.long()
    out = torch.zeros_like(probs)
    out.scatter_add_(-1, lower_index, probs * (1.0 - share))
    return out.scatter_add_(-1, lower_index + 1, probs * share)


def _spread_dense(probs: Tensor, b: Tensor) -> Tensor:
    """The same by one hat function per atom: on CUDA, scatter_add_ adds in no fixed order and runs would differ."""
    index = torch.arange(probs.shape[-1], device=b.device, dtype=b.dtype)
    hats = (1.0 - (b.unsqueeze(-1) - index).abs()).clamp_min(0.0)  # [S, B, K, K]
    return (probs.unsqueeze(-1) * hats).sum(-2)  # no product: those of a GPU may round to TF32


def log_probs(logits: Tensor) -> Tensor:
    """log(softmax(logits) + 1e-15) without leaving the log domain."""
    return torch.logaddexp(torch.log_softmax(logits, -1), torch.full_like(logits, math.log(LOG_FLOOR)))


def expected_value(logits: Tensor, atoms: Tensor) -> Tensor:
    """E_z[Q]: [..., K] -> [...]."""
    return (torch.softmax(logits, -1) * atoms).sum(-1)
