"""How often a verdict is wrong: A/A comparisons, where A and B are equal by construction.

    python benchmarks/error_rates.py --published published_scores.parquet [--simulations 1000]

"split": the published seeds of one algorithm, split at random into A and B on each task (no seed twice). "drawn":
both drawn with replacement from one algorithm's seeds. "spread": equal IQMs, four times the spread. "shifted": A is
exactly delta better, so that "equivalent" is wrong. Printed: the share of data sets with a claim, by rule.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from populations import ALGORITHMS, HARD, gaussian, published, published_scores, synthetic, table

from dimebench.stats import Comparison, NumpyEngine, compare_all, permutation_test
from dimebench.stats.bootstrap import bootstrap, influence
from dimebench.stats.estimators import iqm
from dimebench.stats.intervals import evidence

ALPHA, DRAWS = 0.05, 1_000
Maker = Callable[[np.random.Generator], tuple[list[np.ndarray], list[np.ndarray]]]
RULES = ("percentile interval", "expanded interval", "permutation test", "verdict")


def judge(a: list[np.ndarray], b: list[np.ndarray], rng: np.random.Generator) -> dict[str, bool]:
    """Which rules find a difference. The verdict needs the expanded interval and the permutation test."""
    draws = bootstrap(a, ["iqm"], DRAWS, rng)["iqm"] - bootstrap(b, ["iqm"], DRAWS, rng)["iqm"]
    point, pulls = iqm(a) - iqm(b), influence(a, "iqm").minus(influence(b, "iqm"))
    percentile, expanded = (evidence(draws, point, pulls, method) <= ALPHA for method in ("percentile", "expanded"))
    permuted = permutation_test(a, b, rng=rng, permutations=DRAWS).p_value <= ALPHA
    return dict(zip(RULES, (percentile, expanded, permuted, expanded and permuted), strict=True))


def splits(file: Path, seeds: int, tasks: int) -> Iterator[tuple[str, Maker]]:
    """Disjoint groups of published seeds, for every algorithm that has enough."""
    for name, repo in ALGORITHMS:
        scores = [published_scores(file, name, repo)[task] for task in (HARD if tasks == 7 else HARD[4 : 4 + tasks])]
        if min(map(len, scores)) >= 2 * seeds:

            def make(rng: np.random.Generator, scores: list[np.ndarray] = scores) -> tuple[list, list]:
                mixed = [rng.permutation(task) for task in scores]
                return [task[:seeds] for task in mixed], [task[seeds : 2 * seeds] for task in mixed]

            yield name, make


def drawn(file: Path, seeds: int, tasks: int) -> Iterator[tuple[str, Maker]]:
    for population in published(file, tasks, smooth=True):
        if tasks > 1 or population.name.startswith(("DIME", "SAC")):
            yield population.name, lambda rng, one=population: (one.draw(seeds, rng), one.draw(seeds, rng))


def spreads(seeds: int, tasks: int) -> Iterator[tuple[str, Maker]]:
    levels = np.linspace(0.3, 0.7, tasks)

    def make(rng: np.random.Generator, more: int = 1) -> tuple[list, list]:
        return [gaussian(x, 0.2)(seeds, rng) for x in levels], [gaussian(x, 0.05)(more * seeds, rng) for x in levels]

    yield "equal numbers", make
    yield "twice the seeds for the narrow one", lambda rng: make(rng, 2)


def errors(makers: Iterator[tuple[str, Maker]], simulations: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = defaultdict(list)
    for _, make in makers:
        rng = np.random.default_rng(1)
        claims = [judge(*make(rng), rng) for _ in range(simulations)]
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
    parser.add_argument("--only", default="", help="A/A rows that begin like this, such as '| split | 7 | 5 |'")
    options = parser.parse_args()
    file, simulations = options.published, options.simulations
    print("claims where there is no difference, percent: mean over populations (highest)")
    print("| A/A | tasks | seeds | " + " | ".join(RULES) + " |\n|---|---|---|" + "---|" * len(RULES))
    cases: list[tuple[str, int, int, Iterator[tuple[str, Maker]]]] = []
    for tasks in (1, 7):
        cases += [("split", tasks, n, splits(file, n, tasks)) for n in (3, 4, 5, 7)]
        cases += [("drawn", tasks, n, drawn(file, n, tasks)) for n in (3, 5, 10, 20)]
        cases += [("spread", tasks, n, spreads(n, tasks)) for n in (5, 10)]
    for kind, tasks, seeds, makers in cases:
        if not f"| {kind} | {tasks} | {seeds} |".startswith(options.only):
            continue
        found = errors(makers, simulations)
        cells = [f"{100 * np.mean(found[rule]):.1f} ({100 * max(found[rule]):.1f})" for rule in RULES]
        print(f"| {kind} | {tasks} | {seeds} | " + " | ".join(cells) + " |", flush=True)
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
