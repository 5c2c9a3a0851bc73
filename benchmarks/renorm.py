"""BatchRenorm's written-out gradient against autograd on the same formulas: CPU time of forward and backward.

    python benchmarks/renorm.py [--rounds 5]

The two take turns on one thread; medians and their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from dimebench.agents.parts.renorm import BatchRenorm, RenormSettings

Shape = tuple[int, int, int, int]  # S, C, rows, features
SHAPES: dict[Shape, int] = {(1, 2, 128, 128): 200, (1, 2, 256, 256): 100, (1, 2, 512, 2048): 5}  # calls a round


def by_autograd(norm: BatchRenorm, x: Tensor) -> Tensor:
    """The training forward as the source writes it."""
    s = norm.settings
    mean = x.mean(-2, keepdim=True)
    var = (x.square().mean(-2, keepdim=True) - mean.square()).clamp_min(0.0)
    used = mean, var
    if norm.corrects:
        with torch.no_grad():
            r, d = norm._corrections(mean, var)
        used = mean - d * torch.sqrt(var.clamp_min(1e-30)) / r, var / r.square()
    with torch.no_grad():
        norm.running_mean.lerp_(mean, 1 - s.momentum)
        norm.running_var.lerp_(var, 1 - s.momentum)
    normalised: Tensor = (x - used[0]) * (torch.rsqrt(used[1] + s.eps) * norm.scale) + norm.bias
    return normalised


def ours(norm: BatchRenorm, x: Tensor) -> Tensor:
    return norm.forward(x, training=True)


def microseconds(forward: Callable[[BatchRenorm, Tensor], Tensor], shape: Shape, warmup: int) -> float:
    norm = BatchRenorm(shape[:2], shape[3], RenormSettings(warmup=warmup))
    x, upstream = torch.randn(shape, requires_grad=True), torch.randn(shape)
    started = time.process_time()
    for _ in range(SHAPES[shape]):
        torch.autograd.grad(forward(norm, x), [x, norm.scale, norm.bias], upstream)
    return 1e6 * (time.process_time() - started) / SHAPES[shape]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    print(f"{'shape':>20s} {'phase':>8s} {'autograd us':>12s} {'ours us':>9s} {'ratio':>6s}")
    for shape in SHAPES:
        for phase, warmup in (("warm-up", 10**9), ("renorm", 0)):
            times: dict[str, list[float]] = {"autograd": [], "ours": []}
            for _ in range(rounds + 1):  # the first round warms up
                times["autograd"].append(microseconds(by_autograd, shape, warmup))
                times["ours"].append(microseconds(ours, shape, warmup))
            theirs, own = (statistics.median(times[who][1:]) for who in ("autograd", "ours"))
            print(f"{shape!s:>20s} {phase:>8s} {theirs:12.0f} {own:9.0f} {theirs / own:6.2f}")


if __name__ == "__main__":
    main()
