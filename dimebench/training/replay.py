"""Replay of S seeds, each observation stored once: on the learner's device, or in pinned host memory.

Row i of a seed holds the observation that a transition starts from; the next observation is row i + 1, since all
seeds step together. Only where an episode ended does the next observation have a place of its own, in `ends`, because
row i + 1 then starts the next episode.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from dimebench.agents.base import Batch, Dims
from dimebench.training.staging import Staging

ENDS_AT_FIRST = 64  # rows of `ends` per seed; a half more whenever they run out
SHARE_OF_DEVICE = 0.6  # of the device's free memory that a replay may take; the learner needs the rest
FIELDS = ("obs", "action", "reward", "terminated")


def bytes_needed(seeds: int, capacity: int, dims: Dims) -> int:
    """Memory of a full replay in bytes, but for `ends`."""
    return seeds * (capacity + 1) * 4 * (dims.obs + dims.act + 3)


class Replay:
    """Uniform replay of the last `capacity` transitions of each seed."""

    def __init__(self, seeds: int, capacity: int, dims: Dims, device: str, on_host: bool | None = None) -> None:
        """On a GPU, `on_host` says where transitions are kept; None: on the device while they fit there."""
        self.capacity, self.rows, self.seeds, self.device = capacity, capacity + 1, seeds, torch.device(device)
        if on_host is None:
            on_host = self.device.type == "cuda" and not _fits(bytes_needed(seeds, capacity, dims), self.device)
        self.place = torch.device("cpu") if on_host else self.device
        self.pinned = on_host and self.device.type == "cuda"
        self.added = 0  # transitions added so far, per seed
        self.obs = self._empty(seeds, self.rows, dims.obs)
        self.action = self._empty(seeds, self.rows, dims.act)
        self.reward = self._empty(seeds, self.rows)
        self.terminated = self._empty(seeds, self.rows)
        self.end_slot = torch.full((seeds, self.rows), -1, dtype=torch.int32, device=self.place)  # -1: no end here
        self.ends = self._empty(seeds, min(ENDS_AT_FIRST, capacity), dims.obs)
        self._slots: list[dict[int, int]] = [{} for _ in range(seeds)]  # row -> slot, as in `end_slot`
        self._free = [list(range(self.ends.shape[1]))[::-1] for _ in range(seeds)]
        self._widths = (dims.obs, dims.act, 1, 1, dims.obs)
        self._staging = Staging((seeds, sum(self._widths)), self.place)
        on_cpu = self.place.type == "cpu"  # there a transition is written as it comes: numpy is quickest
        self._arrays = {name: getattr(self, name).numpy() for name in FIELDS} if on_cpu else None
        self._lines = self._arrays and {name: a.reshape(-1, *a.shape[2:]) for name, a in self._arrays.items()}
        self._sending: dict[str, Staging] = {}

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(*shape, dtype=torch.float32, device=self.place, pin_memory=self.pinned)

    def __len__(self) -> int:
        """Transitions that can be sampled, per seed."""
        return min(self.added, self.capacity)

    def add(
        self, obs: np.ndarray, action: np.ndarray, reward: np.ndarray, next_obs: np.ndarray,
        terminated: np.ndarray, ended: np.ndarray,
    ) -> None:  # fmt: skip
        """One transition per seed: obs, next_obs [S, O]; action [S, A]; the rest [S].

        `next_obs` is the observation after the action, terminal ones included; `ended` marks the end of an
        episode for any reason, `terminated` a terminal state.
        """
        row, after = self.added % self.rows, (self.added + 1) % self.rows
        self._release(row)
        self._release(after)  # the oldest transition gives way to the newest observation
        next_obs_there = self._write(row, after, obs, action, reward, terminated, next_obs)
        for seed in np.flatnonzero(ended):
            self._store_end(int(seed), row, next_obs_there[seed])
        self.added += 1

    def _write(self, row: int, after: int, *transition: np.ndarray) -> Tensor:
        """obs, action, reward, terminated and next_obs into place; the last one [S, O], where the replay is."""
        if self._arrays is not None:
            for array, values in zip(self._arrays.values(), transition, strict=False):
                array[:, row] = values
            self._arrays["obs"][:, after] = transition[-1]
            return torch.from_numpy(transition[-1])
        columns = [values.reshape(self.seeds, -1) for values in transition]
        sent = self._staging.send(np.concatenate(columns, axis=1, dtype=np.float32)).split(self._widths, dim=1)
        for name, values in zip(FIELDS, sent, strict=False):
            column = getattr(self, name)[:, row]
            column.copy_(values.reshape(column.shape))
        next_obs: Tensor = sent[-1]
        self.obs[:, after] = next_obs
        return next_obs

    def sample(self, indices: Tensor) -> Batch:
        """The transitions [S, B, ...] on the device; indices [S, B] on the host in [0, len(self)), 0 the oldest.

        Rows are found on the host: a GPU would launch a kernel for each step of that.
        """
        row = (indices.numpy() + (self.added - len(self))) % self.rows
        of_seed = np.broadcast_to(np.arange(self.seeds)[:, None], row.shape)
        flat, next_flat = row + of_seed * self.rows, (row + 1) % self.rows + of_seed * self.rows
        if self._lines is not None:
            fields = self._gathered(flat.ravel(), next_flat.ravel(), self._lines)
        else:
            ends = of_seed * self.ends.shape[1]
            rows = torch.from_numpy(np.stack([flat, next_flat, ends]).reshape(3, -1))
            fields = self._gathered_there(*self._sent("rows", rows, self.place))
        batch = {name: value.unflatten(0, row.shape) for name, value in fields.items()}
        return Batch(**{name: self._sent(name, value, self.device) for name, value in batch.items()})

    def _gathered(self, flat: np.ndarray, next_flat: np.ndarray, lines: dict[str, np.ndarray]) -> dict[str, Tensor]:
        """On the host: numpy gathers rows with less ado than torch."""
        fields = {name: lines[name].take(flat, 0) for name in FIELDS} | {"next_obs": lines["obs"].take(next_flat, 0)}
        slot = self.end_slot.numpy().ravel().take(flat)
        rows = len(flat) // self.seeds
        for at in np.flatnonzero(slot >= 0):
            fields["next_obs"][at] = self.ends[int(at) // rows, int(slot[at])].numpy()
        return {name: torch.from_numpy(value) for name, value in fields.items()}

    def _gathered_there(self, flat: Tensor, next_flat: Tensor, first: Tensor) -> dict[str, Tensor]:
        """On a GPU, without asking it how many ends of episodes there are; `first` is each seed's first of `ends`."""
        slot = self._take(self.end_slot, flat)
        fields = {name: self._take(getattr(self, name), flat) for name in FIELDS}
        ends, next_obs = self.ends.flatten(0, 1)[first + slot.clamp_min(0)], self._take(self.obs, next_flat)
        return fields | {"next_obs": torch.where((slot >= 0).unsqueeze(-1), ends, next_obs)}

    @staticmethod
    def _take(column: Tensor, flat: Tensor) -> Tensor:
        return column.flatten(0, 1).index_select(0, flat)

    def _sent(self, name: str, value: Tensor, to: torch.device) -> Tensor:
        """`value` on another device, or as it is; the copy overlaps the device's work."""
        if value.device.type == to.type:
            return value
        if name not in self._sending or self._sending[name].buffer().shape != value.shape:
            self._sending[name] = Staging(tuple(value.shape), to, value.dtype)
        self._sending[name].buffer().copy_(value)
        return self._sending[name].send()

    def chunk(self, first: int, last: int) -> dict[str, Tensor]:
        """Transitions number `first` to `last` - 1 (counted from the first ever added), to be kept on disk.

        `next_obs` holds the observations after the episode ends among them, by seed and then by time.
        """
        if first < self.added - len(self):
            raise ValueError(f"transition {first} has left the replay")
        row = torch.arange(first, last, device=self.place) % self.rows
        slot = self.end_slot[:, row]
        seed, at = torch.nonzero(slot >= 0, as_tuple=True)
        columns = {name: getattr(self, name)[:, row] for name in FIELDS}
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
            for name in FIELDS:
                getattr(self, name)[:, row] = chunk[name][:, skip:].to(self.place)
            self.obs[:, (first + count) % self.rows] = chunk["newest_obs"].to(self.place)
            for (seed, at), obs in zip(chunk["ended"].nonzero().tolist(), chunk["next_obs"], strict=True):
                if at >= skip:
                    self._store_end(seed, (first + at) % self.rows, obs)

    def _release(self, row: int) -> None:
        for seed, slots in enumerate(self._slots):
            slot = slots.pop(row, None)
            if slot is not None:
                self._free[seed].append(slot)
                self.end_slot[seed, row] = -1

    def _store_end(self, seed: int, row: int, obs: Tensor) -> None:
        if not self._free[seed]:
            self._grow()
        slot = self._free[seed].pop()
        self.ends[seed, slot] = obs.to(self.place)
        self.end_slot[seed, row] = slot
        self._slots[seed][row] = slot

    def _grow(self) -> None:
        old = self.ends.shape[1]
        new = min(old + old // 2 + 1, self.rows)
        before, self.ends = self.ends, self._empty(self.seeds, new, self.ends.shape[2])
        self.ends[:, :old] = before
        for free in self._free:
            free.extend(range(new - 1, old - 1, -1))


def _fits(size: int, device: torch.device) -> bool:
    free, _ = torch.cuda.mem_get_info(device)
    return size <= SHARE_OF_DEVICE * free
