"""Timing on a device and by the update schedule, and this machine's peak rates of matrix products and copies."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

LARGE = 1024  # rows and columns of the product that reaches the machine's peak
LARGE_ON_CUDA = 8192
COPIED_BYTES = 1 << 27  # far larger than every cache
FEWEST = 3  # timed calls, at least


@contextmanager
def one_core(device: str) -> Iterator[None]:
    """On the CPU: run this process on one core with one thread, like a worker of `run`."""
    if device != "cpu" or not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {max(cores)})
    torch.set_num_threads(1)
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
        torch.set_num_threads(threads)


def now(device: str) -> float:
    """Seconds: CPU time on the CPU, which leaves out waiting for a busy core; else wall-clock time."""
    return time.process_time() if device == "cpu" else time.perf_counter()


def timed(call: Callable[[], object], device: str) -> float:
    """Seconds of one call; on CUDA from the start of its first kernel to the end of its last."""
    if not device.startswith("cuda"):
        began = now(device)
        call()
        return now(device) - began
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def repeat(
    call: Callable[[], object], seconds: float, device: str, kinds: Sequence[int] = (0,), warmup: int = 1
) -> dict[int, float]:
    """Median seconds of a call, by kind: call i is of kind `kinds[i % len(kinds)]`.

    After `warmup` rounds through the kinds, calls are timed for `seconds`, but at least FEWEST of each kind.
    """
    for _ in range(warmup * len(kinds)):
        call()
    took: dict[int, list[float]] = {kind: [] for kind in kinds}
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or min(map(len, took.values())) < FEWEST:
        for kind in kinds:
            took[kind].append(timed(call, device))
    return {kind: statistics.median(times) for kind, times in took.items()}


def by_schedule(times: Sequence[float], period: int) -> float:
    """Mean of an env step's median at each place of the schedule's period; the first period is left out."""
    return statistics.fmean(statistics.median(times[period + i :: period]) for i in range(period))


@dataclass(frozen=True)
class Ceilings:
    """Peak rates of this machine on the device, threads and precision in use."""

    large_gemm: float  # operations per second of one large square product
    critic_gemm: float  # the same at the shape of the learner's widest product, which is the critics'
    copy: float  # bytes read and written per second by a copy larger than the caches

    @property
    def gemm(self) -> float:
        """The better of the two."""
        return max(self.large_gemm, self.critic_gemm)


def measure_ceilings(shape: tuple[int, int, int, int], precision: str, device: str, seconds: float) -> Ceilings:
    """Measure; products of [stack, rows, inputs] and [stack, inputs, outputs] for that `shape`, in this order."""
    stack, rows, inputs, outputs = shape
    side = LARGE if device == "cpu" else LARGE_ON_CUDA
    with _precision(precision) as dtype:

        def rate(a: Tensor, b: Tensor) -> float:
            out = torch.empty(*a.shape[:-1], b.shape[-1], device=device, dtype=dtype)
            (median,) = repeat(lambda: torch.bmm(a, b, out=out), seconds / 3, device).values()
            return 2 * a.numel() * b.shape[-1] / median

        def normal(*size: int) -> Tensor:
            return torch.randn(*size, device=device).to(dtype)

        large = rate(normal(1, side, side), normal(1, side, side))
        critic = rate(normal(stack, rows, inputs), normal(stack, inputs, outputs))
    source = torch.ones(COPIED_BYTES // 4, device=device)
    target = torch.empty_like(source)
    (median,) = repeat(lambda: target.copy_(source), seconds / 3, device).values()
    return Ceilings(large, critic, 2 * COPIED_BYTES / median)


@contextmanager
def _precision(precision: str) -> Iterator[torch.dtype]:
    """Yields the dtype of products at a precision, with TF32 switched on if it is that one."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield torch.bfloat16 if precision in ("bf16", "bfloat16") else torch.float32
    finally:
        torch.set_float32_matmul_precision(before)
