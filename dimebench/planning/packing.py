"""Packs blocks onto GPUs: the longest first, several to a GPU where memory allows. No clock, no device."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

MOST_PER_GPU = 4  # blocks: each has a process with a CUDA context, and environments to step
CORES_PER_BLOCK = 2  # one for the learner, one for its environments: fewer blocks share a GPU where cores are few


@dataclass(frozen=True)
class Gpu:
    """One GPU: its name as CUDA_VISIBLE_DEVICES takes it, and the bytes that are free on it."""

    name: str
    memory: int


@dataclass(frozen=True)
class Item:
    """What a block needs: bytes on a GPU, and about how many seconds alone."""

    name: str
    memory: int
    seconds: float


@dataclass(frozen=True)
class Placed:
    """An item, the index of its GPU, and when it begins and ends."""

    item: Item
    gpu: int
    begin: float
    end: float


def longest_first(items: Sequence[Item]) -> list[Item]:
    """Sorted by time, then by memory, both descending, then by name."""
    return sorted(items, key=lambda item: (-item.seconds, -item.memory, item.name))


def place(item: Item, gpus: Sequence[Gpu], running: Sequence[Sequence[Item]], most: int = MOST_PER_GPU) -> int | None:
    """The index of the GPU on which the item may begin now; None if it has to wait.

    Of the GPUs with room, the one with the fewest running items, then the one with the most memory left. An item that
    fits on no GPU gets the largest to itself: it may turn out to need less, or its seeds are split there.
    """
    largest = max(gpu.memory for gpu in gpus)
    found = []
    for number, (gpu, others) in enumerate(zip(gpus, running, strict=True)):
        free = gpu.memory - sum(other.memory for other in others)
        fits = item.memory <= free and len(others) < most
        alone = item.memory > largest and not others and gpu.memory == largest
        if fits or alone:
            found.append((len(others), -free, number))
    return min(found)[2] if found else None


def schedule(items: Sequence[Item], gpus: Sequence[Gpu], most: int = MOST_PER_GPU) -> list[Placed]:
    """When and where each item would run if all began as soon as `place` lets them, the longest first.

    Shorter items pass one that has to wait. Blocks that share a GPU are assumed not to slow each other down.
    """
    waiting, now = longest_first(items), 0.0
    running: list[list[Item]] = [[] for _ in gpus]
    ends: list[tuple[float, int, int, Item]] = []
    placed: list[Placed] = []
    while waiting:
        left = []
        for item in waiting:
            gpu = place(item, gpus, running, most)
            if gpu is None:
                left.append(item)
                continue
            running[gpu].append(item)
            placed.append(Placed(item, gpu, now, now + item.seconds))
            heapq.heappush(ends, (now + item.seconds, len(placed), gpu, item))
        waiting = left
        if waiting:
            now = ends[0][0]
            while ends and ends[0][0] <= now:
                _, _, gpu, item = heapq.heappop(ends)
                running[gpu].remove(item)
    return placed


def in_turn(seconds: Sequence[float], workers: int) -> float:
    """Seconds until all is done if each worker does one thing after another, the longest first."""
    busy = [0.0] * max(1, workers)
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(busy, busy[0] + each)
    return max(busy)


def blocks_per_gpu(cores: int, gpus: int) -> int:
    """How many blocks may share a GPU on a machine with so many cores and GPUs."""
    return max(1, min(MOST_PER_GPU, cores // max(1, gpus) // CORES_PER_BLOCK))
