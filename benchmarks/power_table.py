"""How often a true difference is found: the verdict beside the former one, on the same data.

    python benchmarks/power_table.py --published published_scores.parquet [--simulations 300]

A and B are drawn from one population (Gaussian, bimodal, DIME's and SAC's smoothed published seeds), and A is moved
by the effect. Printed: percent of data sets with a claim, mean over populations, today's verdict / the former one.
"""

from __future__ import annotations

import argparse

import numpy as np
from former import former
from populations import published, synthetic, table

from dimebench.stats import Arrangements, difference_test

ALPHA, DRAWS = 0.05, 1_000
TASKS, SEEDS, EFFECTS = (1, 2, 7, 15), (3, 4, 5, 7, 10, 20), (0.03, 0.1, 0.2, 0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=table, required=True, help="long table of published scores")
    parser.add_argument("--simulations", type=int, default=300)
    parser.add_argument("--only", default="", help="rows that begin like this, such as '| 7 | 5 |'")
    options = parser.parse_args()
    print("| tasks | seeds | " + " | ".join(f"{effect:g}" for effect in EFFECTS) + " |")
    print("|---|---|" + "---|" * len(EFFECTS))
    for tasks in TASKS:
        populations = [synthetic(kind, tasks) for kind in ("gaussian", "bimodal")]
        ours = [
            one for one in published(options.published, tasks, smooth=True) if one.name.startswith(("DIME", "SAC"))
        ]
        populations += ours if tasks > 1 else [ours[4], ours[-3]]  # humanoid-run of each
        for seeds in SEEDS:
            if not f"| {tasks} | {seeds} |".startswith(options.only):
                continue
            claims = np.zeros((len(EFFECTS), 2))
            for population in populations:
                rng, arrangements = np.random.default_rng(3), Arrangements(3, DRAWS)
                for _ in range(options.simulations):
                    a, b = population.draw(seeds, rng), population.draw(seeds, rng)
                    for row, effect in zip(claims, EFFECTS, strict=True):
                        moved = [task + effect for task in a]
                        row += (
                            difference_test(moved, b, arrangements).rejects(ALPHA),
                            former(moved, b, arrangements, rng) <= ALPHA,
                        )
            claims *= 100 / len(populations) / options.simulations
            cells = [f"{new:.0f} / {old:.0f}" for new, old in claims]
            print(f"| {tasks} | {seeds} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
