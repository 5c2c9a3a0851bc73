"""Timing on a device, and the rates of this machine that no update can beat: matrix products and memory copies."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

LARGE = 1024  # rows and columns of the product that shows the machine's peak
LARGE_ON_CUDA = 8192
COPIED_BYTES = 1 << 27  # well beyond every cache
FEWEST = 3  # timed calls, however long one takes


@contextmanager
def one_core(device: str) -> Iterator[None]:
    """On the CPU: this process on one core and one thread, like a worker of `run` where all cores train."""
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
    """Seconds: of CPU time on the CPU, so that waiting for a busy core does not count; else the clock's."""
    return time.process_time() if device == "cpu" else time.perf_counter()


def timed(call: Callable[[], object], device: str) -> float:
    """Seconds that one call takes; on CUDA from its first kernel's start to the end of its last."""
    if not device.startswith("cuda"):
        began = now(device)
        call()
        return now(device) - began
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
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

    `warmup` rounds through the kinds come first; then at least FEWEST of each are timed, whatever `seconds` says.
    """
    for _ in range(warmup * len(kinds)):
        call()
    took: dict[int, list[float]] = {kind: [] for kind in kinds}
    began = time.perf_counter()
    while time.perf_counter() - began < seconds or min(map(len, took.values())) < FEWEST:
        for kind in kinds:
            took[kind].append(timed(call, device))
    return {kind: statistics.median(times) for kind, times in took.items()}


def update_schedule(utd: int, policy_delay: int) -> list[tuple[int, ...]]:
    """Which critic updates (from 0) of each call of `Agent.update` an actor update follows, over one period."""
    period = math.lcm(utd, policy_delay) // utd
    return [tuple(i for i in range(utd) if (call * utd + i + 1) % policy_delay == 0) for call in range(period)]


def by_schedule(times: Sequence[float], period: int) -> float:
    """Mean over a period of the schedule of the median env step at each place in it; the first period warms up."""
    return statistics.fmean(statistics.median(times[period + i :: period]) for i in range(period))


@dataclass(frozen=True)
class Ceilings:
    """What this machine reaches on the device, threads and precision at hand."""

    large_gemm: float  # operations per second of one large square product
    critic_gemm: float  # the same at the shape of the critics' widest layer
    copy: float  # bytes per second, read and written, of a copy larger than the caches

    @property
    def gemm(self) -> float:
        """The better of the two: what a product can be asked for."""
        return max(self.large_gemm, self.critic_gemm)


def measure_ceilings(shape: tuple[int, int, int, int], precision: str, device: str, seconds: float) -> Ceilings:
    """Ceilings for critics that multiply [stack, rows, inputs] by [stack, inputs, outputs], `shape`'s order."""
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
    """The type that products of a precision have, with the TF32 switch where that precision has it."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    try:
        yield torch.bfloat16 if precision in ("bf16", "bfloat16") else torch.float32
    finally:
        torch.set_float32_matmul_precision(before)
