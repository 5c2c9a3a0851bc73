"""How often 95% intervals hold the truth, by simulation.

    python benchmarks/coverage.py [--published published_scores.parquet] [--simulations 1000] [--json FILE]
    python benchmarks/coverage.py --only difference ...

Every number is the share of simulated data sets whose interval holds the population's value. The IQM of N runs cuts
int(N/4) runs at each end, as scipy does; "its own trimming" is the population's mean trimmed by that share, "25%" by
a quarter. Populations: synthetic ones, and published runs resampled (`benchmarks/populations.py`). "difference": of
two IQMs, by the test, by the former expanded bootstrap, and by the test where A is 0.3 better.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from populations import ALGORITHMS, Population, published, synthetic, table

from dimebench.stats import Arrangements, difference_test
from dimebench.stats.bootstrap import bootstrap, draw_counts, influence, iqm_of_counts
from dimebench.stats.estimators import AGGREGATES, iqm, run_mass, trimmed_mass
from dimebench.stats.intervals import METHODS, bounds, improvement_interval

SEEDS, TASKS, RESAMPLES = (3, 5, 10, 20), (1, 2, 7, 15), 1_000


def trimmed(tasks: list[np.ndarray], share: float) -> float:
    """Mean of the equal mixture of the tasks, without `share` at each end."""
    values = np.sort(np.concatenate(tasks))
    cut = round(share * values.size)
    return float(values[cut : values.size - cut].mean())


def above(x: np.ndarray, y: np.ndarray) -> float:
    """P(x > y) + P(x = y) / 2."""
    y = np.sort(y)
    return float((np.searchsorted(y, x).mean() + np.searchsorted(y, x, "right").mean()) / 2 / y.size)


def bootstrap_t(tasks: list[np.ndarray], rng: np.random.Generator) -> tuple[float, float]:
    """The bootstrap-t interval of the IQM (Efron 1982), studentised by the winsorised variance within tasks."""
    sizes = [task.size for task in tasks]
    values, mass = np.concatenate(tasks), run_mass(sizes)
    task = np.zeros((values.size, len(sizes)))
    task[np.arange(values.size), np.repeat(np.arange(len(sizes)), sizes)] = 1
    order = np.argsort(values, kind="stable")
    ordered, n = values[order], np.asarray(sizes, dtype=np.float64)
    cut, total = trimmed_mass(values.size), values.size

    def error(counts: np.ndarray) -> np.ndarray:
        ends = np.cumsum(counts[:, order] * mass[order], axis=1)
        low = ordered[np.minimum((ends <= cut + 1e-9).sum(axis=1), total - 1)]
        high = ordered[np.minimum((ends < total - cut - 1e-9).sum(axis=1), total - 1)]
        clipped = np.clip(values, low[:, None], high[:, None])
        sums, squares = (counts * clipped) @ task, (counts * clipped**2) @ task
        variances = np.maximum(squares - sums**2 / n, 0) / (n - 1) / n
        return np.sqrt(variances.sum(axis=1)) / len(sizes) / ((total - 2 * cut) / total)

    counts = np.concatenate(list(draw_counts(sizes, RESAMPLES, rng)))
    point, own = iqm(tasks), float(error(np.ones((1, total)))[0])
    errors = error(counts)
    usable = errors > 1e-9
    if not usable.any():
        return point, point
    low, high = np.quantile((iqm_of_counts(counts, values, mass)[usable] - point) / errors[usable], [0.025, 0.975])
    return point - high * own, point - low * own


def cover_differences(population: Population, seeds: int, simulations: int) -> dict[str, float]:
    """The same for the difference of two IQMs."""
    rng, arrangements = np.random.default_rng(seeds), Arrangements(seeds, RESAMPLES)
    hits: dict[str, int] = dict.fromkeys(("difference, test", "difference, test, A better", "difference, former"), 0)
    for _ in range(simulations):
        a, b = population.draw(seeds, rng), population.draw(seeds, rng)
        for key, shift in (("difference, test", 0.0), ("difference, test, A better", 0.3)):
            found = difference_test([task + shift for task in a], b, arrangements).interval(0.05)
            hits[key] += found is None or found.low - 1e-9 <= shift <= found.high + 1e-9
        draws = bootstrap(a, ["iqm"], RESAMPLES, rng)["iqm"] - bootstrap(b, ["iqm"], RESAMPLES, rng)["iqm"]
        pulls = influence(a, "iqm").minus(influence(b, "iqm"))
        low, high = bounds(draws, np.asarray(iqm(a) - iqm(b)), pulls)
        hits["difference, former"] += bool(low - 1e-9 <= 0 <= high + 1e-9)
    return {key: value / simulations for key, value in hits.items()}


def cover(population: Population, seeds: int, simulations: int) -> dict[str, float]:
    """Share of simulated data sets whose interval holds the truth, by quantity and method."""
    rng = np.random.default_rng(seeds)
    big, other = population.big(), population.draw(40_000, np.random.default_rng(54321))
    total = seeds * population.tasks
    own, quarter = trimmed(big, trimmed_mass(total) / total), trimmed(big, 0.25)
    truth = {name: AGGREGATES[name](big) for name in ("mean", "median", "optimality_gap")}
    chance = float(np.mean([above(x, y) for x, y in zip(big, other, strict=True)]))
    hits: dict[str, int] = defaultdict(int)

    def count(key: str, ends: tuple[float, float], value: float) -> None:
        hits[key] += bool(ends[0] - 1e-9 <= value <= ends[1] + 1e-9)

    for _ in range(simulations):
        a, b = population.draw(seeds, rng), population.draw(seeds, rng)
        draws = bootstrap(a, ["iqm", *truth], RESAMPLES, rng)
        pulls, point = influence(a, "iqm"), np.asarray(iqm(a))
        for method in METHODS:
            ends = bounds(draws["iqm"], point, pulls, method=method)
            count(f"iqm {method}", ends, own)
            if method in ("percentile", "expanded"):
                count(f"iqm25 {method}", ends, quarter)
        count("iqm bootstrap-t", bootstrap_t(a, rng), own)
        for name, value in truth.items():
            at, pull = np.asarray(AGGREGATES[name](a)), influence(a, name)
            for method in ("percentile", "expanded"):
                count(f"{name} {method}", bounds(draws[name], at, pull, method=method), value)
        found = improvement_interval(a, b)
        count("improvement score", (found.low, found.high), chance)
    return {key: value / simulations for key, value in hits.items()}


def populations(tasks: int, file: Path | None) -> list[Population]:
    made = [synthetic(kind, tasks) for kind in ("gaussian", "skewed", "bimodal")]
    if file is not None:
        # One task gives a population per task, and fifteen tasks take long: fewer algorithms there.
        chosen = {1: ALGORITHMS[:3], 15: ALGORITHMS[2:5]}.get(tasks, ALGORITHMS)
        made += [one for smooth in (False, True) for one in published(file, tasks, smooth, chosen)]
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=table, help="long table of published scores")
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--only", choices=["difference", "levels"], help="these quantities alone")
    parser.add_argument("--json", type=Path, help="write every population's coverage here")
    options = parser.parse_args()
    rows = []
    for tasks in TASKS:
        for seeds in SEEDS:
            for population in populations(tasks, options.published):
                row = {"tasks": tasks, "seeds": seeds, "population": population.name}
                for kind, measure in (("levels", cover), ("difference", cover_differences)):
                    if options.only in (None, kind):
                        row |= measure(population, seeds, options.simulations)
                rows.append(row)
                if options.json:
                    options.json.write_text(json.dumps(rows))
    print("mean over populations, percent (lowest to highest)")
    keys = [key for key in rows[0] if key not in ("tasks", "seeds", "population")]
    for key in keys:
        print(f"\n{key}\n| tasks | " + " | ".join(f"{n} seeds" for n in SEEDS) + " |\n|---|" + "---|" * len(SEEDS))
        for tasks in TASKS:
            cells = []
            for seeds in SEEDS:
                found = [100 * row[key] for row in rows if (row["tasks"], row["seeds"]) == (tasks, seeds)]
                cells.append(f"{np.mean(found):.1f} ({min(found):.0f} to {max(found):.0f})")
            print(f"| {tasks} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
