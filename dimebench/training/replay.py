"""Replay of S seeds as tensors [S, rows, ...] on the learner's device, each observation stored once.

Row i holds the observation that a transition starts from; the next observation is row i + 1, since all seeds
step together. Only where an episode ended does the next observation have a place of its own, in `ends`, because
row i + 1 then starts the next episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dimebench.agents.base import Batch, Dims

ENDS_AT_FIRST = 64  # rows of `ends` per seed; doubled whenever they run out


class Replay:
    """Uniform replay of the last `capacity` transitions of each seed."""

    def __init__(self, seeds: int, capacity: int, dims: Dims, device: str) -> None:
        self.capacity, self.rows, self.device = capacity, capacity + 1, torch.device(device)
        self.added = 0  # transitions added so far, per seed
        self.obs = self._empty(seeds, self.rows, dims.obs)
        self.action = self._empty(seeds, self.rows, dims.act)
        self.reward = self._empty(seeds, self.rows)
        self.terminated = self._empty(seeds, self.rows)
        self.end_slot = torch.full((seeds, self.rows), -1, dtype=torch.int32, device=self.device)  # -1: no end here
        self.ends = self._empty(seeds, min(ENDS_AT_FIRST, capacity), dims.obs)
        self._free = [list(range(self.ends.shape[1]))[::-1] for _ in range(seeds)]
        self._seed = torch.arange(seeds, device=self.device)[:, None]

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(*shape, dtype=torch.float32, device=self.device)

    def __len__(self) -> int:
        """Transitions that can be sampled, per seed."""
        return min(self.added, self.capacity)

    def add(
        self,
        obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        next_obs: np.ndarray,
        terminated: np.ndarray,
        ended: np.ndarray,
    ) -> None:
        """One transition per seed: obs, next_obs [S, O]; action [S, A]; the rest [S].

        `next_obs` is the observation after the action, terminal ones included; `ended` marks the end of an
        episode for whatever reason, `terminated` a terminal state.
        """
        row, after = self.added % self.rows, (self.added + 1) % self.rows
        self.obs[:, row] = self._put(obs)
        self.action[:, row] = self._put(action)
        self.reward[:, row] = self._put(reward)
        self.terminated[:, row] = self._put(terminated)
        self._release(row)
        self._release(after)  # the oldest transition gives way to the newest observation
        self.obs[:, after] = self._put(next_obs)
        for seed in np.flatnonzero(ended):
            self._store_end(int(seed), row, next_obs[seed])
        self.added += 1

    def sample(self, indices: Tensor) -> Batch:
        """The transitions [S, B, ...] of indices [S, B] in [0, len(self)), 0 being the oldest."""
        row = (indices + (self.added - len(self))) % self.rows
        slot = self.end_slot[self._seed, row].long()
        next_obs = self.obs[self._seed, (row + 1) % self.rows]
        ends = self.ends[self._seed, slot.clamp_min(0)]
        return Batch(
            obs=self.obs[self._seed, row],
            action=self.action[self._seed, row],
            reward=self.reward[self._seed, row],
            next_obs=torch.where((slot >= 0).unsqueeze(-1), ends, next_obs),
            terminated=self.terminated[self._seed, row],
        )

    def chunk(self, first: int, last: int) -> dict[str, Tensor]:
        """Transitions number `first` to `last` - 1 (counted from the first ever added), to be kept on disk.

        `next_obs` holds the observations after the episode ends among them, by seed and then by time.
        """
        if first < self.added - len(self):
            raise ValueError(f"transition {first} has left the replay")
        row = torch.arange(first, last, device=self.device) % self.rows
        slot = self.end_slot[:, row]
        seed, at = torch.nonzero(slot >= 0, as_tuple=True)
        columns = {name: getattr(self, name)[:, row] for name in ("obs", "action", "reward", "terminated")}
        newest = {"newest_obs": self.obs[:, self.added % self.rows]}
        ends = {"ended": slot >= 0, "next_obs": self.ends[seed, slot[seed, at].long()]}
        return {name: value.cpu().contiguous() for name, value in (columns | newest | ends).items()}

    def restore(self, chunks: Sequence[tuple[int, Mapping[str, Tensor]]], added: int) -> None:
        """Fill an empty replay from chunks, each with the number of its first transition; `added` in all."""
        self.added = added
        oldest = added - len(self)
        for first, chunk in chunks:
            count = chunk["reward"].shape[1]
            skip = max(0, oldest - first)
            row = torch.arange(first + skip, first + count) % self.rows
            for name in ("obs", "action", "reward", "terminated"):
                getattr(self, name)[:, row] = chunk[name][:, skip:].to(self.device)
            self.obs[:, (first + count) % self.rows] = chunk["newest_obs"].to(self.device)
            for (seed, at), obs in zip(chunk["ended"].nonzero().tolist(), chunk["next_obs"].numpy(), strict=True):
                if at >= skip:
                    self._store_end(seed, (first + at) % self.rows, obs)

    def _put(self, values: np.ndarray) -> Tensor:
        return torch.as_tensor(values, dtype=torch.float32).to(self.device, non_blocking=True)

    def _release(self, row: int) -> None:
        if self.added < self.capacity:
            return  # nothing stands there yet
        for seed, slot in enumerate(self.end_slot[:, row].tolist()):
            if slot >= 0:
                self._free[seed].append(slot)
        self.end_slot[:, row] = -1

    def _store_end(self, seed: int, row: int, obs: np.ndarray) -> None:
        if not self._free[seed]:
            self._grow()
        slot = self._free[seed].pop()
        self.ends[seed, slot] = self._put(obs)
        self.end_slot[seed, row] = slot

    def _grow(self) -> None:
        old = self.ends.shape[1]
        new = min(2 * old, self.rows)
        self.ends = torch.cat([self.ends, self._empty(self.ends.shape[0], new - old, self.ends.shape[2])], dim=1)
        for free in self._free:
            free.extend(range(new - 1, old - 1, -1))
