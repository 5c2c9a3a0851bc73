"""Verdicts on published seeds: every pair of algorithms on the seven tasks of dmc-hard, and halves of each.

    python benchmarks/published_pairs.py --published published_scores.parquet [--repeats 20]

First all seeds, as one family of pairs: claims, and verdicts at odds with the interval they were judged by. Then
3, 4 and 5 of the seeds of each, drawn anew `--repeats` times: the share of pairs that is decided, by today's test and
by the former one, and how many of these decisions the runs of all seeds contradict. Then A/A: the seeds of every
algorithm that has enough, of all suites, split at random into two halves, task by task.
"""

from __future__ import annotations

import argparse
import itertools

import numpy as np
import pandas as pd
from former import former
from populations import BUDGET, HARD, published_scores, table

from dimebench.stats import Arrangements, compare_all, difference_test

ALPHA, DRAWS = 0.05, 2_000
SUITES = ("dmc", "gym", "myosuite")


def sources(file: str, suite: str) -> list[tuple[str, str]]:
    """Algorithms and the repositories that publish their seeds at the budget."""
    rows = pd.read_parquet(file)
    rows = rows[(rows.env_suite == suite) & ~rows.seed.astype(str).isin(["mean", "iqm"])]
    found = rows[rows.env_steps <= 1.001 * BUDGET].groupby(["algorithm", "source_repo"]).size()
    return [(str(name), str(repo)) for name, repo in found.index]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=table, required=True, help="long table of published scores")
    parser.add_argument("--repeats", type=int, default=20)
    options = parser.parse_args()
    scores = {}
    for name, repo in sources(options.published, "dmc"):
        found = published_scores(options.published, name, repo)
        if all(len(found.get(task, ())) >= 3 for task in HARD):
            scores[f"{name} ({repo.split('/')[0]})"] = [found[task] for task in HARD]
    pairs = list(itertools.combinations(scores, 2))
    judged = compare_all(scores, pairs, permutations=DRAWS * 10, resamples=DRAWS)
    odd = sum(("better" in c.verdict) != (c.judged is not None and c.judged.excludes(0.0)) for c in judged)
    claims = sum("better" in c.verdict for c in judged)
    print(
        f"{len(scores)} algorithms, {len(pairs)} pairs, all seeds: {claims} claims, {odd} at odds with the interval"
    )
    print("\n| seeds | decided | former | against all seeds |\n|---|---|---|---|")
    rng, arrangements = np.random.default_rng(8), Arrangements(8, DRAWS)
    truth = {(c.a, c.b): c.difference for c in judged}
    for seeds in (3, 4, 5):
        counts, tried = np.zeros(3), 0
        for pair in pairs:
            for _ in range(options.repeats):
                a, b = ([rng.permutation(task)[:seeds] for task in scores[name]] for name in pair)
                test = difference_test(a, b, arrangements)
                whole = truth[pair].interval
                sure = whole is not None and whole.excludes(0.0)
                against = test.rejects(ALPHA) and sure and test.point * truth[pair].point < 0
                counts += (test.rejects(ALPHA), former(a, b, arrangements, rng) <= ALPHA, against)
                tried += 1
        cells = [f"{100 * count / tried:.1f}" for count in counts]
        print(f"| {seeds} | " + " | ".join(cells) + " |", flush=True)
    print("\n| A/A halves of | seeds each | splits | claims | former |\n|---|---|---|---|---|")
    for suite, seeds in itertools.product(SUITES, (3, 4, 5)):
        counts, tried = np.zeros(2), 0
        for name, repo in sources(options.published, suite):
            tasks = published_scores(options.published, name, repo, suite).values()
            enough = [task for task in tasks if len(task) >= 2 * seeds]
            for _ in range(10 * options.repeats if len(enough) > 1 else 0):
                mixed = [rng.permutation(task) for task in enough]
                a, b = [task[:seeds] for task in mixed], [task[seeds : 2 * seeds] for task in mixed]
                counts += (
                    difference_test(a, b, arrangements).rejects(ALPHA),
                    former(a, b, arrangements, rng) <= ALPHA,
                )
                tried += 1
        if tried:
            cells = [f"{100 * count / tried:.1f}" for count in counts]
            print(f"| {suite} | {seeds} | {tried} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
