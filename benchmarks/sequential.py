"""The group-sequential comparison by simulation: false claims over all looks, and the seeds that it saves.

    python benchmarks/sequential.py [--published published_scores.parquet] [--simulations 500]

At most 10 seeds per task and variant in blocks of 2, and at most 20 in blocks of 5. "equal": A and B come from one
population; "equal IQM": Gaussians of one level, A's spread four times B's. Otherwise A is shifted by a difference.
"fixed": the verdict's test once, with all seeds.
"""

from __future__ import annotations

import argparse

import numpy as np
from populations import Population, gaussian, published, synthetic, table

from dimebench.stats import Arrangements, difference_test, monitor, planned_analyses

SHUFFLES = 2_000
FIXED = Arrangements(0, SHUFFLES)
DESIGNS = ((10, 2), (20, 5))
SHIFTS = (0.0, 0.05, 0.1, 0.2)


def once(
    population: Population,
    shift: float,
    most: int,
    block: int,
    rng: np.random.Generator,
    other: Population | None = None,
) -> tuple[bool, int, bool]:
    """Whether the sequential test claims, the seeds that it took, and whether the fixed test claims."""
    a, b = [task + shift for task in population.draw(most, rng)], (other or population).draw(most, rng)
    looks = planned_analyses(most, block)
    starts = (0, *looks[:-1])
    blocks = [([x[i:j] for x in a], [x[i:j] for x in b]) for i, j in zip(starts, looks, strict=True)]
    found = monitor(blocks, looks, rng=rng, shuffles=SHUFFLES)
    fixed = difference_test(a, b, FIXED).rejects(0.05)
    return found.verdict != "undecided", found.analyses[-1].seeds, fixed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=table, help="long table of published scores")
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--only", default="", help="rows that begin like this, such as '| gaussian, equal IQM | 7'")
    options = parser.parse_args()
    print("| population | tasks | difference | most seeds, block | claims | fixed | mean seeds | saved |")
    print("|---|---|---|---|---|---|---|---|")
    for tasks in (1, 7):
        made = [synthetic(kind, tasks) for kind in ("gaussian", "bimodal")]
        if options.published:
            names = ("DIME", "SimBa") if tasks == 7 else ("DIME",)
            found = [one for one in published(options.published, tasks, smooth=False) if one.name.startswith(names)]
            made += found if tasks == 7 else found[4:5]  # humanoid-run
        levels = np.linspace(0.3, 0.7, tasks)
        wide, narrow = (Population("", tuple(gaussian(x, spread) for x in levels)) for spread in (0.2, 0.05))
        for most, block in DESIGNS:
            cases = [(one, one.name, shift, one) for one in made for shift in SHIFTS]
            cases.append((wide, "gaussian, equal IQM", 0.0, narrow))
            for population, name, shift, other in cases:
                row = f"| {name} | {tasks} | {shift or 'equal'} | {most}, {block} |"
                if not row.startswith(options.only):
                    continue
                rng = np.random.default_rng(7)
                runs = [once(population, shift, most, block, rng, other) for _ in range(options.simulations)]
                claims, seeds, fixed = (np.mean(column) for column in zip(*runs, strict=True))
                saved = 1 - seeds / most
                print(
                    f"{row} {100 * claims:.1f}% | {100 * fixed:.1f}% | {seeds:.1f} | {100 * saved:.0f}% |", flush=True
                )


if __name__ == "__main__":
    main()
