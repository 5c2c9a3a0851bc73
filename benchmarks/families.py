"""Several comparisons together: any wrong claim, and the true differences found, by Holm and by the step-down.

    python benchmarks/families.py [--simulations 300]

"all pairs": of 3 or 7 variants; "against one": a named variant against 25 others; "the best": the variant of the
highest IQM among 26 against each other one, which counts all 325 pairs. Variants are equal, or the first half is
better by 0.1. Seven bimodal or Gaussian tasks (two for "against one" and "the best"). "found": of the pairs that
differ, the share told apart.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable

import numpy as np
from populations import synthetic

from dimebench.stats import Arrangements, difference_test
from dimebench.stats.bootstrap import Sample
from dimebench.stats.testing.multiplicity import Pair, holm, step_down

ALPHA, DRAWS = 0.05, 20_000
Judge = Callable[[dict[Pair, float], dict[str, float], list[Pair]], set[Pair]]


def by_holm(p_values: dict[Pair, float], _: dict[str, float], unmade: list[Pair]) -> set[Pair]:
    judged = holm([*p_values.values(), *[1.0] * len(unmade)], ALPHA)
    return {pair for pair, one in zip(p_values, judged, strict=False) if one.claimed}


def by_steps(p_values: dict[Pair, float], variances: dict[str, float], unmade: list[Pair]) -> set[Pair]:
    return {pair for pair, one in step_down(p_values, variances, ALPHA, unmade).items() if one.claimed}


def compared(design: str, samples: dict[str, Sample]) -> tuple[list[Pair], list[Pair]]:
    """The pairs that are made, and those that could have been."""
    every = list(itertools.combinations(samples, 2))
    if design == "all pairs":
        return every, []
    one = next(iter(samples)) if design == "against one" else max(samples, key=lambda name: samples[name].iqm)
    made = [pair for pair in every if one in pair]
    return made, [pair for pair in every if one not in pair] if design == "the best" else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--simulations", type=int, default=300)
    parser.add_argument("--only", default="", help="rows that begin like this, such as '| all pairs | 7 |'")
    options = parser.parse_args()
    arrangements = Arrangements(5, DRAWS)
    print("| comparisons | variants | tasks | population | seeds | differ by | any wrong: Holm | step-down "
          "| found: Holm | step-down |\n|---|---|---|---|---|---|---|---|---|---|")  # fmt: skip
    designs = (("all pairs", 3, 7), ("all pairs", 7, 7), ("against one", 26, 2), ("the best", 26, 2))
    for (design, count, tasks), kind, seeds in itertools.product(designs, ("gaussian", "bimodal"), (4, 10)):
        population = synthetic(kind, tasks)
        for shift in (0.0, 0.1):
            row = f"| {design} | {count} | {tasks} | {kind} | {seeds} | {shift or 'equal'} |"
            if not row.startswith(options.only):
                continue
            rng, wrong, found, differ = np.random.default_rng(6), np.zeros(2), np.zeros(2), 0
            for _ in range(options.simulations):
                better = {f"v{k}": shift * (k < count / 2) for k in range(count)}
                samples = {
                    name: Sample.of([task + more for task in population.draw(seeds, rng)])
                    for name, more in better.items()
                }
                made, unmade = compared(design, samples)
                tested = {(a, b): difference_test(samples[a], samples[b], arrangements) for a, b in made}
                p_values = {pair: test.p_value for pair, test in tested.items()}
                variances = {name: sample.spread.variance for name, sample in samples.items()}
                true = {(a, b): better[a] - better[b] for a, b in made}
                differ += sum(map(bool, true.values()))
                for place, judge in enumerate((by_holm, by_steps)):
                    claims = judge(p_values, variances, unmade)
                    wrong[place] += any(true[pair] * tested[pair].point <= 0 for pair in claims)
                    found[place] += sum(bool(true[pair]) for pair in claims)
            cells = [f"{100 * share:.1f}" for share in (*wrong / options.simulations, *found / max(differ, 1))]
            print(f"{row} " + " | ".join(cells if differ else [*cells[:2], "", ""]) + " |", flush=True)


if __name__ == "__main__":
    main()
