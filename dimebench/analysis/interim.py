"""Interim analyses of a group-sequential comparison: the scores of finished runs, and the record of what was seen."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dimebench.analysis.errors import ReportError
from dimebench.analysis.question import Question
from dimebench.analysis.select import select
from dimebench.stats import Monitoring, monitor
from dimebench.stats.bootstrap import stream
from dimebench.store import atomic_write, read_curves, read_runs

ALPHA = 0.05
Pair = tuple[str, str]
Scores = dict[tuple[str, str], dict[int, float]]  # (variant, task) -> seed -> normalised score


def final_scores(results: Path, suite: str, variants: Sequence[str], tasks: Sequence[str], most: int) -> Scores:
    """Scores of the ended runs with seeds below `most`, as the suite declares them, at the whole budget.

    Raises the errors of `analysis.errors`.
    """
    runs = [
        run
        for run in read_runs(results, suite)
        if run.variant in variants and run.task in tasks and run.seed < most and run.done
    ]
    chosen = select(runs, read_curves(runs), variants, None)
    metric = Question().metric_of(chosen.compared[0])
    return {
        key: {curve.run.seed: metric.normalised(curve, chosen.env_steps) for curve in cell}
        for key, cell in chosen.cells.items()
    }


def analyse(scores: Scores, pair: Pair, planned: Sequence[int], taken: int, alpha: float) -> Monitoring:
    """The first `taken` of the planned interim analyses of a pair."""
    tasks = sorted({task for _, task in scores})

    def block(variant: str, first: int, last: int) -> list[np.ndarray]:
        return [
            np.array([s for seed, s in sorted(scores[variant, task].items()) if first <= seed < last])
            for task in tasks
        ]

    a, b = pair
    ends = itertools.pairwise([0, *planned[:taken]])
    blocks = [(block(a, first, last), block(b, first, last)) for first, last in ends]
    return monitor(blocks, planned, rng=stream(0, "looks", a, b), alpha=alpha)


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


def other_plan(
    record: Record, pairs: Sequence[Pair], tasks: Sequence[str], planned: Sequence[int], alpha: float
) -> str:
    """How a pair was analysed by another plan, so that one more analysis would break the error rate; else ""."""
    for entry in record:
        names = entry["a"], entry["b"]
        if set(names) not in [set(pair) for pair in pairs]:
            continue
        asked = [("seeds", list(planned), entry["planned"]), ("tasks", list(tasks), entry["tasks"])]
        for what, new, old in [*asked, ("alpha", alpha, entry["alpha"])]:
            if new != old:
                return f"{names[0]} and {names[1]} were looked at with {what} {_listed(old)}, not {_listed(new)}"
    return ""


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value:.3g}"


def write_record(file: Path, found: Mapping[Pair, Monitoring], tasks: Sequence[str]) -> None:
    """Add the plan and every interim analysis to the JSON file with those of other pairs.

    Raises OSError, and ReportError where the file holds something else.
    """
    record = [entry for entry in read_record(file) if {entry["a"], entry["b"]} not in [set(pair) for pair in found]]
    for (a, b), monitoring in found.items():
        facts = asdict(monitoring)
        record.append({"a": a, "b": b, "tasks": list(tasks), "looks": facts.pop("analyses"), **facts})
    atomic_write(file, (json.dumps(record, indent=1, allow_nan=False) + "\n").encode())
