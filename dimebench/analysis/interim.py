"""Looks at a comparison while seeds are trained: after which seeds, at which scores; and the record of them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dimebench.analysis.errors import ReportError
from dimebench.analysis.question import Question
from dimebench.analysis.select import require_left, select
from dimebench.stats import AnytimeMonitoring, Monitoring, monitor, monitor_anytime, planned_analyses
from dimebench.stats.bootstrap import stream
from dimebench.stats.looks.sequential import Block
from dimebench.store import StoreError, atomic_write, read_curves, read_runs
from dimebench.store.places import Place

ALPHA = 0.05
Pair = tuple[str, str]
Scores = dict[tuple[str, str], dict[int, float]]  # (variant, task) -> seed -> normalised score
Found = Monitoring | AnytimeMonitoring


@dataclass(frozen=True)
class Looks:
    """When to look: after blocks of so many seeds up to `most`, by a plan that is fixed; or anytime, without one."""

    block: int
    most: int | None  # None, for anytime alone: until decided
    anytime: bool = False

    @property
    def planned(self) -> tuple[int, ...]:
        """Seeds at each look of the plan; none for anytime."""
        return () if self.anytime or self.most is None else planned_analyses(self.most, self.block)

    def ends(self, seen: Sequence[int]) -> Iterator[int]:
        """Seeds at each look: those of the record first, as a block stays what it was when it was looked at."""
        if not self.anytime:
            yield from self.planned
            return
        yield from seen
        for end in itertools.count(max(seen, default=0) + self.block, self.block):
            if self.most is not None and end - self.block >= self.most:
                return
            yield end if self.most is None else min(end, self.most)

    def analyse(self, scores: Scores, pair: Pair, ends: Sequence[int], alpha: float) -> Found:
        """What the looks after `ends` seeds say of a pair."""
        rng, blocks = stream(0, "looks", *pair), _blocks(scores, pair, ends)
        if self.anytime:
            return monitor_anytime(blocks, rng=rng, alpha=alpha)
        return monitor(blocks, self.planned, rng=rng, alpha=alpha)


def final_scores(
    results: Path, suite: str, variants: Sequence[str], tasks: Sequence[str], most: int, broken: list[StoreError]
) -> Scores:
    """Scores of the ended runs with seeds below `most`, as the suite declares them, at the whole budget.

    broken: collects what keeps single runs from being read; the others count.
    Raises the errors of `analysis.errors`, and StoreError where nothing is left of a variant.
    """
    runs = [
        run
        for run in read_runs(results, suite, broken)
        if run.variant in variants and run.task in tasks and run.seed < most and run.done
    ]
    lost: dict[Place, StoreError] = {}
    evals = read_curves(runs, lost)
    broken += lost.values()
    chosen = select(require_left(runs, lost, variants), evals, variants, None)
    metric = Question().metric_of(chosen.compared[0])
    return {
        key: {curve.run.seed: metric.normalised(curve, chosen.env_steps) for curve in cell}
        for key, cell in chosen.cells.items()
    }


def _blocks(scores: Scores, pair: Pair, ends: Sequence[int]) -> list[Block]:
    """The scores of the two, over tasks, of the seeds of each block."""
    tasks = sorted({task for _, task in scores})

    def block(variant: str, first: int, last: int) -> list[np.ndarray]:
        return [
            np.array([s for seed, s in sorted(scores[variant, task].items()) if first <= seed < last])
            for task in tasks
        ]

    a, b = pair
    return [(block(a, first, last), block(b, first, last)) for first, last in itertools.pairwise([0, *ends])]


Record = list[dict[str, Any]]


def read_record(file: Path) -> Record:
    """What `write_record` has kept; empty where there is nothing yet. Raises ReportError for anything else there."""
    try:
        record = json.loads(file.read_bytes())
        if all({"a", "b", "tasks", "planned", "alpha", "looks"} <= set(entry) for entry in record):
            return list(record)
    except FileNotFoundError:
        return []
    except (ValueError, TypeError):
        pass
    raise ReportError(f"{file}: not a record of looks")


def seen_ends(record: Record, pairs: Sequence[Pair]) -> list[int]:
    """Seeds at the looks that any of the pairs has had."""
    ours = [set(pair) for pair in pairs]
    planned = [entry["planned"][: len(entry["looks"])] for entry in record if {entry["a"], entry["b"]} in ours]
    return max(planned, key=len, default=[])


def other_plan(record: Record, pairs: Sequence[Pair], tasks: Sequence[str], looks: Looks, alpha: float) -> str:
    """How a pair was looked at by another test, so that one more look would break the error rate; else ""."""
    for entry in record:
        names = entry["a"], entry["b"]
        if set(names) not in [set(pair) for pair in pairs]:
            continue
        if entry.get("anytime", False) != looks.anytime:
            way = "without a plan (--anytime)" if not looks.anytime else "by a plan, without --anytime"
            return f"{names[0]} and {names[1]} were looked at {way}"
        planned = entry["planned"] if looks.anytime else list(looks.planned)
        asked = [("seeds", planned, entry["planned"]), ("tasks", list(tasks), entry["tasks"])]
        for what, new, old in [*asked, ("alpha", alpha, entry["alpha"])]:
            if new != old:
                return f"{names[0]} and {names[1]} were looked at with {what} {_listed(old)}, not {_listed(new)}"
    return ""


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value:.3g}"


def write_record(file: Path, found: Mapping[Pair, Found], tasks: Sequence[str], ends: Sequence[int] = ()) -> None:
    """Add the plan and every look to the JSON file with those of other pairs. ends: seeds at the looks of anytime.

    Raises OSError, and ReportError where the file holds something else.
    """
    record = [entry for entry in read_record(file) if {entry["a"], entry["b"]} not in [set(pair) for pair in found]]
    for (a, b), monitoring in found.items():
        facts = {
            key: value for key, value in asdict(monitoring).items() if key not in ("analyses", "looks", "planned")
        }
        anytime = isinstance(monitoring, AnytimeMonitoring)
        looks = monitoring.looks if isinstance(monitoring, AnytimeMonitoring) else monitoring.analyses
        planned = ends[: len(looks)] if isinstance(monitoring, AnytimeMonitoring) else monitoring.planned
        entry = {"a": a, "b": b, "tasks": list(tasks), "looks": [asdict(look) for look in looks]}
        record.append(entry | {"planned": list(planned), "anytime": anytime, **facts})
    atomic_write(file, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
