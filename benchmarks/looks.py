"""The group-sequential test, the anytime test and the verdict's test once, by simulation, on the same runs.

    python benchmarks/looks.py [--published published_scores.parquet] [--simulations 200]

The group-sequential test looks after every block of 2 up to 10 seeds per task and variant, or of 5 up to 20; "fixed"
is the verdict's test once, with all of these. The anytime test looks after the same blocks, and goes on to 40 seeds.
"equal": A and B come from one population; "equal IQM": A and B differ in spread (0.2 against 0.05) or in shape
(skewed against Gaussian). Otherwise A is shifted by a difference. Claims in percent; mean seeds per task and variant,
with the most for runs that end undecided; "until claim": mean seeds of the runs that claim by 40.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from populations import Population, gaussian, published, skewed, synthetic, table

from dimebench.stats import Arrangements, difference_test, monitor, planned_analyses
from dimebench.stats.estimators import iqm
from dimebench.stats.looks.anytime import monitor_anytime

SHUFFLES = 2_000  # of the group-sequential test, over all looks
FIXED = Arrangements(0, 1_000)
BLOCK_SHUFFLES = 500  # of the anytime test, in each block
DESIGNS = ((10, 2), (20, 5))
SHIFTS = (0.0, 0.05, 0.1, 0.2)
LONGEST = 40


class Case(NamedTuple):
    name: str
    a: Population
    b: Population
    shift: float  # of A
    label: str


Run = tuple[bool, int, int | None, int | None]


def once(case: Case, most: int, block: int, rng: np.random.Generator) -> Run:
    """Whether the fixed test claims; seeds of the group-sequential one, and at its and the anytime one's claim."""
    a, b = [task + case.shift for task in case.a.draw(LONGEST, rng)], case.b.draw(LONGEST, rng)
    starts = range(0, LONGEST, block)
    blocks = [([x[i : i + block] for x in a], [x[i : i + block] for x in b]) for i in starts]
    planned = planned_analyses(most, block)
    grouped = monitor(blocks[: len(planned)], planned, rng=rng.spawn(1)[0], shuffles=SHUFFLES)
    anytime = monitor_anytime(blocks, rng=rng.spawn(1)[0], shuffles=BLOCK_SHUFFLES)
    seeds = grouped.analyses[-1].seeds
    claims = [found.verdict != "undecided" for found in (grouped, anytime)]
    fixed = difference_test([x[:most] for x in a], [x[:most] for x in b], FIXED).rejects(0.05)
    return fixed, seeds, seeds if claims[0] else None, anytime.looks[-1].seeds if claims[1] else None


def summary(runs: list[Run], most: int) -> str:
    """The figures of a row."""
    fixed = np.mean([claim for claim, *_ in runs])
    spent = np.mean([seeds for _, seeds, _, _ in runs])
    grouped = np.mean([claim is not None for *_, claim, _ in runs])
    ends = np.array([claim or LONGEST + 1 for *_, claim in runs])
    claimed = ends[ends <= LONGEST]
    until = f"{claimed.mean():.1f}" if claimed.size else "-"
    by_most, by_longest = (np.minimum(ends, end).mean() for end in (most, LONGEST))
    early = (ends <= most).mean()
    return (
        f"{100 * fixed:.1f} | {100 * grouped:.1f} | {100 * early:.1f} | {spent:.1f} | {by_most:.1f} | "
        f"{100 * (ends <= LONGEST).mean():.1f} | {by_longest:.1f} | {until} |"
    )


def cases(tasks: int, options: argparse.Namespace) -> Iterator[Case]:
    """The rows of so many tasks."""
    made = [synthetic(kind, tasks) for kind in ("gaussian", "bimodal")]
    if options.published:
        names = ("DIME", "SimBa") if tasks == 7 else ("DIME",)
        found = [one for one in published(options.published, tasks, smooth=False) if one.name.startswith(names)]
        made += found if tasks == 7 else found[4:5]  # humanoid-run
    for one in made:
        yield from (Case(one.name, one, one, shift, str(shift or "equal")) for shift in SHIFTS)
    levels = np.linspace(0.3, 0.7, tasks)
    wide, narrow = (Population("", tuple(gaussian(x, spread) for x in levels)) for spread in (0.2, 0.05))
    yield Case("spreads, equal IQM", wide, narrow, 0.0, "equal")
    tailed = Population("", tuple(skewed(x) for x in levels))
    yield Case("shapes, equal IQM", tailed, wide, iqm(wide.big()) - iqm(tailed.big()), "equal")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=table, help="long table of published scores")
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--only", default="", help="rows that begin like this, such as '| bimodal | 7'")
    parser.add_argument("--equal", action="store_true", help="only the rows with nothing to find")
    options = parser.parse_args()
    print(
        "| population | tasks | difference | most, block | claims: fixed | grouped | anytime | seeds: grouped", end=""
    )
    print(f" | anytime | claims by {LONGEST} | seeds by {LONGEST} | until claim |")
    print("|" + "---|" * 12)
    for tasks in (1, 7):
        for most, block in DESIGNS:
            for case in cases(tasks, options):
                row = f"| {case.name} | {tasks} | {case.label} | {most}, {block} |"
                if not row.startswith(options.only) or (options.equal and case.label != "equal"):
                    continue
                rng = np.random.default_rng(7)
                runs = [once(case, most, block, rng) for _ in range(options.simulations)]
                print(f"{row} {summary(runs, most)}", flush=True)


if __name__ == "__main__":
    main()
