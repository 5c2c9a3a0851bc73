"""Our stratified bootstrap against rliable's: the IQM of 10 x 7 scores, and IQM curves of 42 points.

    python benchmarks/bootstrap.py [--rounds N]

Both take turns (A B A B ...) with the same number of resamples; printed: medians, their ratio, and both intervals.
Then what a user waits for: 50,000 resamples, a curve of five algorithms, and a whole comparison of five.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable

import numpy as np
from rliable import library, metrics

from dimebench.stats import NumpyEngine, compare_all, iqm_band, percentile_interval
from dimebench.stats.bootstrap import bootstrap, stream

RESAMPLES, CURVE_RESAMPLES, POINTS, ALGORITHMS = 5_000, 200, 42, 5


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def in_turns(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median seconds of both."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(rounds)]
    a, b = (statistics.median(side) for side in zip(*pairs, strict=True))
    return a, b


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    scores = np.random.default_rng(0).beta(2, 3, size=(10, 7))
    tasks = list(scores.T)

    def draws(resamples: int = RESAMPLES) -> np.ndarray:
        return bootstrap(tasks, ["iqm"], resamples, stream(0, "benchmark"))["iqm"]

    def theirs() -> np.ndarray:
        function = lambda x: np.array([metrics.aggregate_iqm(x)])  # noqa: E731
        return library.get_interval_estimates({"a": scores}, function, reps=RESAMPLES)[1]["a"].ravel()

    a, b = in_turns(draws, theirs, rounds)
    print(f"{RESAMPLES} resamples of 10 x 7: ours {a * 1e3:.1f} ms, rliable {b * 1e3:.0f} ms, ratio {b / a:.0f}")
    interval, (low, high) = percentile_interval(draws()), theirs()
    print(f"intervals: ours {interval.low:.4f} to {interval.high:.4f}, rliable {low:.4f} to {high:.4f}")

    curves = np.random.default_rng(1).random((10, 7, POINTS)).cumsum(axis=2) / POINTS  # [runs, tasks, K]
    steps = np.arange(POINTS) * 24_000

    def our_band(resamples: int = CURVE_RESAMPLES) -> object:
        return iqm_band(steps, [curves[:, task] for task in range(7)], rng=stream(0, "curve"), resamples=resamples)

    def their_band() -> object:
        each = lambda x: np.array([metrics.aggregate_iqm(x[..., k]) for k in range(POINTS)])  # noqa: E731
        return library.get_interval_estimates({"a": curves}, each, reps=CURVE_RESAMPLES)

    a, b = in_turns(our_band, their_band, rounds)
    print(
        f"{CURVE_RESAMPLES} resamples of a curve of {POINTS} points: ours {a * 1e3:.0f} ms, "
        f"rliable {b * 1e3:.0f} ms, ratio {b / a:.0f}"
    )
    whole = statistics.median(seconds(lambda: draws(50_000)) for _ in range(rounds))
    print(f"50,000 resamples of 10 x 7: ours {whole * 1e3:.0f} ms")
    band = statistics.median(seconds(lambda: [our_band(2_000) for _ in range(ALGORITHMS)]) for _ in range(rounds))
    print(f"2,000 resamples of a curve of {POINTS} points of {ALGORITHMS} algorithms: ours {band:.2f} s")
    names = "abcde"[:ALGORITHMS]
    variants = {name: [task + 0.02 * k for task in tasks] for k, name in enumerate(names)}
    pairs = list(itertools.combinations(names, 2))
    took = statistics.median(
        seconds(lambda: compare_all(variants, pairs, engine=NumpyEngine())) for _ in range(rounds)
    )
    print(f"all {len(pairs)} comparisons of {ALGORITHMS} algorithms, permutation tests included: {took:.2f} s")


if __name__ == "__main__":
    main()
