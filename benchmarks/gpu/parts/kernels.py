"""What the device does in a vector step of DIME: which kernels, how many, for how long, and how long none."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks.gpu.learners import Setting, made, wait
from benchmarks.gpu.session import Case, Session

PERIODS = 4  # of the schedule, profiled
TOP = 25
NAME = 70  # characters of a kernel's name
KINDS = {  # by what a kernel's name holds, the first that fits
    "copies": ("memcpy", "memset"),
    "optimiser": ("adam", "multi_tensor", "foreach"),
    "products": ("gemm", "gemv", "cutlass", "xmma", "bmm", "dot_kernel", "splitk"),
    "fused": ("triton",),
    "numbers": ("distribution", "philox", "random"),
    "sums": ("reduce",),
}


class Kernel(NamedTuple):
    """One run of a kernel, in microseconds."""

    name: str
    start: float
    end: float


def run(session: Session) -> None:
    if not session.on_gpu:
        session.do("dime S=1 graph float32", _profile, session, Setting("dime", 1, "graph", "float32"))
        return
    settings = [Setting("dime", 1, "compile+graph", "tf32"), Setting("dime", 10, "compile+graph", "tf32")]
    settings += [Setting("dime", 1, "compile+graph", "tf32", "fused")]
    settings += [Setting(name, 10, "compile+graph", "tf32") for name in ("crossq", "sac")]
    for setting in settings:
        session.do(setting.name, _profile, session, setting, kind=setting.algorithm)


def _profile(case: Case, session: Session, setting: Setting) -> None:
    with made(session, setting) as learner:
        learner.warm()
        steps = PERIODS * len(learner.schedule)
        ms = statistics.median(learner.ms(learner.step, 1.0 if session.on_gpu else 0.1))
        activity = ProfilerActivity.CUDA if session.on_gpu else ProfilerActivity.CPU
        with profile(activities=[activity]) as seen:
            for _ in range(steps):
                learner.step()
            wait(session.device)
        kind = DeviceType.CUDA if session.on_gpu else DeviceType.CPU
        kernels = [
            Kernel(event.name, event.time_range.start, event.time_range.end)
            for event in seen.events() or []
            if event.device_type == kind and not event.is_user_annotation
        ]
    case.check("the profiler saw kernels", bool(kernels))
    case.values |= summary(kernels, steps, ms)


def summary(kernels: Sequence[Kernel], steps: int, ms: float) -> dict[str, object]:
    """Per vector step: how many, milliseconds by kind and by name, and the share of the time in which none ran.

    `ms`: of a step that nobody profiles, which would make the host slower and the device idle.
    """
    if not kernels:
        return {}
    by_name: dict[str, list[float]] = defaultdict(list)
    by_kind: dict[str, float] = defaultdict(float)
    for kernel in kernels:
        by_name[kernel.name].append(kernel.end - kernel.start)
        by_kind[_kind(kernel.name)] += (kernel.end - kernel.start) / steps / 1e3
    ms_busy = busy(kernels) / steps / 1e3
    top = sorted(by_name.items(), key=lambda item: -sum(item[1]))[:TOP]
    rows = [[sum(took) / steps / 1e3, len(took) / steps, sum(took) / len(took), name[:NAME]] for name, took in top]
    return {
        "kernels_per_step": len(kernels) / steps,
        "ms_per_step": ms,
        "ms_busy": ms_busy,
        "idle_share": max(0.0, 1.0 - ms_busy / ms),
        **{f"ms_{kind}": ms for kind, ms in sorted(by_kind.items(), key=lambda item: -item[1])},
        "table": [["ms", "number", "us each", "kernel"], *rows],
    }


def busy(kernels: Iterable[Kernel]) -> float:
    """Microseconds in which at least one of them ran."""
    total, until = 0.0, float("-inf")
    for _, start, end in sorted(kernels, key=lambda kernel: kernel.start):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def _kind(name: str) -> str:
    lower = name.lower()
    return next((kind for kind, parts in KINDS.items() if any(part in lower for part in parts)), "other")
