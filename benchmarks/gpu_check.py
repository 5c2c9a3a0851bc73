"""What only a GPU can tell of the learners: modes against each other, throughput, memory, a profile.

    python benchmarks/gpu_check.py [--quick]

Called by gpu_check.sh. Every line is printed as soon as it is known; a check that fails is named and ends it with 1.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

from dimebench.agents.base import Batch, Dims
from dimebench.agents.registry import load_algorithm
from dimebench.training.execution import prepare
from dimebench.training.rng import Ahead, generator

DOG = Dims(obs=223, act=38)
MODES = ("eager", "graph", "compile", "compile+graph")
FAILED: list[str] = []


class Setting:
    """A learner of published size on dog-run's dimensions, with batches and noise drawn on the device."""

    def __init__(self, name: str, seeds: int, mode: str, precision: str, **settings: Any) -> None:
        algorithm = load_algorithm(name)
        self.settings = algorithm.Settings(**settings)
        numbers = range(seeds)
        self.agent: Any = algorithm(DOG, self.settings, [generator(s, "parameters") for s in numbers], "cuda")
        self.learner = prepare(self.agent, "cuda", mode, precision)
        rows = self.settings.batch_size * self.settings.utd
        shapes = {"obs": (rows, DOG.obs), "act": (rows, DOG.act), "rew": (rows,), "next": (rows, DOG.obs)}
        self._batches = Ahead(numbers, "batch", lambda _: shapes, "cuda")
        self._noise = Ahead(numbers, "update", self.agent.update_noise, "cuda")

    def update(self) -> dict[str, torch.Tensor]:
        b = self._batches.next()
        batch = Batch(b["obs"], torch.tanh(b["act"]), b["rew"], b["next"], torch.zeros_like(b["rew"]))
        return self.learner.update(batch, self._noise.next())


def check(what: str, holds: bool, found: str = "") -> None:
    print(f"{'ok' if holds else 'FAILED':8s}{what} {found}", flush=True)
    if not holds:
        FAILED.append(what)


def equality(calls: int) -> None:
    """Each mode against eager float32 after some calls; and a graph run against itself, bit for bit."""
    small = {"critic_hidden": (256, 256), "batch_size": 64}
    for name in ("dime", "dime-gaussian", "crossq", "sac"):
        eager = Setting(name, 3, "eager", "float32", **small)
        expected = [eager.update() for _ in range(calls)]
        for mode in MODES[1:]:
            made = Setting(name, 3, mode, "float32", **small)
            found = [made.update() for _ in range(calls)]
            worst = max(
                float(((f[key] - e[key]).abs() / (1e-3 + e[key].abs())).max())
                for f, e in zip(found, expected, strict=True)
                for key in e
                if key.endswith("loss")
            )
            check(f"{name} {mode} equals eager over {calls} calls", worst < 2e-2, f"(worst loss {worst:.1e})")
            check(f"{name} {mode} counts its calls", made.agent.counts() == eager.agent.counts())
        again = [Setting(name, 3, "graph", "tf32", **small) for _ in range(2)]
        for _ in range(calls):
            one, other = (made.update() for made in again)
        same = all(torch.equal(one[key], other[key]) for key in one)
        check(f"{name} repeats bit for bit", same)


def milliseconds(call: Callable[[], Any], calls: int) -> float:
    """Median over windows of some calls, by device events; warmed up before."""
    for _ in range(12):
        call()
    times = []
    for _ in range(5):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(calls):
            call()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / calls)
    return statistics.median(times)


def throughput(quick: bool) -> None:
    """ms per update call and updates of all seeds a second, with peak memory; all modes in turn."""
    print(
        f"{'learner':14s}{'S':>4s} {'mode':14s} {'precision':10s}{'ms/call':>9s}{'env steps/s':>12s}{'peak GB':>9s}"
    )
    combos = [("compile+graph", "tf32"), ("compile+graph", "bf16"), ("graph", "tf32"), ("eager", "tf32")]
    for name in ("dime", "crossq", "sac"):
        for seeds in (1, 10):
            for mode, precision in combos[: 2 if quick else None]:
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
                began = time.monotonic()
                made = Setting(name, seeds, mode, precision)
                ms = milliseconds(made.update, 6 if mode == "eager" else 12)
                peak = torch.cuda.max_memory_allocated() / 1e9
                line = f"{name:14s}{seeds:4d} {mode:14s} {precision:10s}{ms:9.2f}{seeds / ms * 1e3:12.0f}{peak:9.1f}"
                print(f"{line}   ({time.monotonic() - began:.0f} s)", flush=True)
                del made


def second_stream() -> None:
    """What running the actor's chain beside the critics' update brings."""
    times = {}
    for aside in (True, False):
        made = Setting("dime", 10, "compile+graph", "tf32")
        if not aside:
            made.agent._aside = lambda function, *args: function(*args)
        times[aside] = milliseconds(made.update, 12)
        del made
    print(f"second stream: {times[True]:.2f} ms a call with, {times[False]:.2f} without", flush=True)


def profile() -> None:
    """Device time of DIME's update by kernel, S = 10."""
    made = Setting("dime", 10, "compile+graph", "tf32")
    for _ in range(24):
        made.update()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as found:
        for _ in range(6):
            made.update()
        torch.cuda.synchronize()
    print(found.key_averages().table(sort_by="cuda_time_total", row_limit=25, max_name_column_width=70))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer modes and calls")
    quick = parser.parse_args().quick
    if not torch.cuda.is_available():
        sys.exit("gpu_check: torch sees no CUDA device")
    equality(12 if quick else 30)
    throughput(quick)
    second_stream()
    profile()
    if FAILED:
        sys.exit(f"gpu_check: {len(FAILED)} failed: {', '.join(FAILED)}")


if __name__ == "__main__":
    main()
