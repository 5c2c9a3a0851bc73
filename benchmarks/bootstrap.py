"""Our stratified bootstrap of the IQM against rliable's, on the same 10 x 7 scores.

    python benchmarks/bootstrap.py [--rounds N]

Both make the same number of resamples in turn (A B A B ...); printed: medians, their ratio, and both intervals.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
from rliable import library, metrics

from dimebench.stats.bootstrap import bootstrap, percentile_interval, stream

RESAMPLES = 5_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    scores = np.random.default_rng(0).beta(2, 3, size=(10, 7))
    tasks = list(scores.T)
    ours, theirs = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        interval = percentile_interval(bootstrap(tasks, ["iqm"], RESAMPLES, stream(0, "benchmark"))["iqm"])
        ours.append(time.perf_counter() - began)
        began = time.perf_counter()
        _, theirs_interval = library.get_interval_estimates(
            {"a": scores}, lambda x: np.array([metrics.aggregate_iqm(x)]), reps=RESAMPLES
        )
        theirs.append(time.perf_counter() - began)
    a, b = statistics.median(ours), statistics.median(theirs)
    low, high = theirs_interval["a"].ravel()
    print(f"{RESAMPLES} resamples of 10 x 7: ours {a * 1e3:.1f} ms, rliable {b * 1e3:.0f} ms, ratio {b / a:.0f}")
    print(f"intervals: ours {interval.low:.4f} to {interval.high:.4f}, rliable {low:.4f} to {high:.4f}")


if __name__ == "__main__":
    main()
