"""How often a verdict is wrong: comparisons of A and B that have equal IQMs by construction.

    python benchmarks/error_rates.py --published published_scores.parquet [--simulations 1000]

"split": the published seeds of one algorithm, split at random into A and B on each task (no seed twice). "drawn":
both drawn from one population: Gaussian, skewed, bimodal, or an algorithm's smoothed seeds. "spread": equal IQMs, A
with four times the spread of B. Printed: the share of data sets with a claim, by rule: the former verdict
(`former.py`), each part of today's test alone, and the verdict.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from former import former
from populations import ALGORITHMS, HARD, gaussian, published, published_scores, synthetic, table

from dimebench.stats import Arrangements, Comparison, NumpyEngine, compare_all, difference_test

ALPHA, DRAWS = 0.05, 1_000
Maker = Callable[[np.random.Generator], tuple[list[np.ndarray], list[np.ndarray]]]
RULES = ("former verdict", "permutations alone", "Student alone", "verdict")
SEEDS = ((3, 3), (4, 4), (5, 5), (7, 7), (10, 10), (20, 20), (3, 10), (5, 10), (10, 5))  # of A and of B


def judge(
    a: list[np.ndarray], b: list[np.ndarray], arrangements: Arrangements, rng: np.random.Generator
) -> dict[str, bool]:
    """Which rules find a difference."""
    test = difference_test(a, b, arrangements)
    p_values = (former(a, b, arrangements, rng), test.shuffled_p, test.student_p, test.p_value)
    return {rule: bool(p <= ALPHA) for rule, p in zip(RULES, p_values, strict=True)}


def splits(file: Path, seeds: tuple[int, int], tasks: int) -> Iterator[tuple[str, Maker]]:
    """Disjoint groups of published seeds, for every algorithm that has enough."""
    m, n = seeds
    for name, repo in ALGORITHMS:
        scores = [published_scores(file, name, repo)[task] for task in (HARD if tasks == 7 else HARD[4 : 4 + tasks])]
        if min(map(len, scores)) >= m + n:

            def make(rng: np.random.Generator, scores: list[np.ndarray] = scores) -> tuple[list, list]:
                mixed = [rng.permutation(task) for task in scores]
                return [task[:m] for task in mixed], [task[m : m + n] for task in mixed]

            yield name, make


def drawn(file: Path, seeds: tuple[int, int], tasks: int) -> Iterator[tuple[str, Maker]]:
    populations = [synthetic(kind, tasks) for kind in ("gaussian", "skewed", "bimodal")]
    names = ("DIME",) if tasks == 1 else ("DIME", "SAC", "BRO")
    populations += [one for one in published(file, tasks, smooth=True) if one.name.split(",")[0] in names]
    for population in populations:
        yield (
            population.name,
            lambda rng, one=population: (one.draw(seeds[0], rng), one.draw(seeds[1], rng)),
        )


def spreads(seeds: tuple[int, int], tasks: int) -> Iterator[tuple[str, Maker]]:
    levels = np.linspace(0.3, 0.7, tasks) if tasks > 1 else [0.5]

    def make(rng: np.random.Generator) -> tuple[list, list]:
        return [gaussian(x, 0.2)(seeds[0], rng) for x in levels], [gaussian(x, 0.05)(seeds[1], rng) for x in levels]

    yield "gaussian", make


def errors(makers: Iterator[tuple[str, Maker]], simulations: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for _, make in makers:
        rng, arrangements = np.random.default_rng(1), Arrangements(1, DRAWS)
        claims = [judge(*make(rng), arrangements, rng) for _ in range(simulations)]
        for rule in RULES:
            found[rule].append(float(np.mean([claim[rule] for claim in claims])))
    return found


def family(seeds: int, simulations: int, delta: float | None = None) -> float:
    """Any wrong claim among the three comparisons of three equal variants on seven bimodal tasks."""
    population, rng, wrong = synthetic("bimodal", 7), np.random.default_rng(2), 0
    for _ in range(simulations):
        scores = {name: population.draw(seeds, rng) for name in "abc"}
        found = verdicts(scores, [("a", "b"), ("a", "c"), ("b", "c")], rng, delta)
        wrong += any("better" in one.verdict for one in found)
    return wrong / simulations


def per_task(seeds: int, simulations: int) -> float:
    """Any wrong claim among seven tasks of one comparison."""
    population, rng, wrong = synthetic("bimodal", 7), np.random.default_rng(3), 0
    for _ in range(simulations):
        found = verdicts({name: population.draw(seeds, rng) for name in "ab"}, [("a", "b")], rng)
        wrong += any(row.verdict != "undecided" for row in found[0].tasks)
    return wrong / simulations


def equivalence(seeds: int, simulations: int, delta: float = 0.05) -> float:
    """Called equivalent though A is exactly delta better, on seven Gaussian tasks."""
    levels, rng, wrong = np.linspace(0.3, 0.7, 7), np.random.default_rng(4), 0
    for _ in range(simulations):
        scores = {
            name: [gaussian(x + shift, 0.08)(seeds, rng) for x in levels]
            for name, shift in (("a", delta), ("b", 0.0))
        }
        wrong += verdicts(scores, [("a", "b")], rng, delta)[0].verdict == "equivalent"
    return wrong / simulations


def verdicts(
    scores: dict[str, list[np.ndarray]],
    pairs: list[tuple[str, str]],
    rng: np.random.Generator,
    delta: float | None = None,
) -> tuple[Comparison, ...]:
    seed = int(rng.integers(2**31))
    return compare_all(scores, pairs, engine=NumpyEngine(DRAWS), permutations=DRAWS, seed=seed, delta=delta)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=table, required=True, help="long table of published scores")
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--only", default="", help="A/A rows that begin like this, such as '| split | 7 | 5,'")
    options = parser.parse_args()
    file, simulations = options.published, options.simulations
    print("claims where there is no difference, percent: mean over populations (highest)")
    print("| A/A | tasks | seeds of A, B | " + " | ".join(RULES) + " |\n|---|---|---|" + "---|" * len(RULES))
    makers = {"split": splits, "drawn": drawn, "spread": lambda _, seeds, tasks: spreads(seeds, tasks)}
    for tasks in (1, 2, 7, 15):
        for kind, make in makers.items():
            for m, n in SEEDS:
                row = f"| {kind} | {tasks} | {m}, {n} |"
                if not row.startswith(options.only) or (kind == "split" and tasks not in (1, 7)):
                    continue
                found = errors(
                    make(file, (m, n), tasks), simulations * (5 if kind == "spread" else 1)
                )  # one population
                if not found:
                    continue
                cells = [f"{100 * np.mean(found[rule]):.1f} ({100 * max(found[rule]):.1f})" for rule in RULES]
                print(f"{row} " + " | ".join(cells) + " |", flush=True)
    if options.only:
        return
    print("\nany wrong claim, percent")
    print("| seeds | among 3 comparisons | the same with delta 0.02 | among 7 tasks | wrongly equivalent |")
    print("|---|---|---|---|---|")
    for seeds in (3, 5, 10):
        rates = (
            family(seeds, simulations),
            family(seeds, simulations, 0.02),
            per_task(seeds, simulations),
            equivalence(seeds, simulations),
        )
        print(f"| {seeds} | " + " | ".join(f"{100 * rate:.1f}" for rate in rates) + " |", flush=True)


if __name__ == "__main__":
    main()
