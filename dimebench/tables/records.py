"""The report's tables for programs: one value per cell, numbers in full."""

from __future__ import annotations

import csv
import io
from typing import Any

from dimebench.analysis.cost import costs
from dimebench.analysis.rows import CellRow
from dimebench.analysis.summary import Summary
from dimebench.stats import Estimate
from dimebench.tables.content import AGGREGATE_WORDS

Records = tuple[tuple[str, ...], list[tuple[Any, ...]]]  # header and rows


def records(summary: Summary) -> dict[str, Records]:
    """The tables for programs: one value per cell, numbers in full."""
    ends = ("point", "low", "high")

    def normalised(cell: CellRow, score: float) -> float:
        if summary.threshold:  # the share of the budget that was left
            return 1 - score / summary.budget
        return (score - cell.lower) / (cell.upper - cell.lower)

    mean_ends, iqm_ends, difference_ends, chance_ends = (
        tuple(f"{name}_{end}" for end in ends) for name in ("mean", "iqm", "iqm_difference", "improvement")
    )
    scored = f"{summary.axis}_to_{summary.threshold}" if summary.threshold else "return"
    aggregates = [
        (row.variant, name, *_ends(row.estimates[name]), row.fewest_seeds, row.most_seeds, row.runs, row.diverged)
        for row in summary.aggregates
        for name in AGGREGATE_WORDS
    ]
    tasks = [
        (c.task, c.variant, len(c.seeds), len(c.diverged), *_ends(c.mean), *_ends(c.iqm), c.lower, c.upper)
        for c in summary.cells
    ]
    seeds = [
        (c.task, c.variant, seed, score, normalised(c, score), seed in c.diverged)
        for c in summary.cells
        for seed, score in zip(c.seeds, c.scores, strict=True)
    ]
    comparisons = [
        (c.a, c.b, *_ends(c.difference), *_ends(c.improvement), c.verdict, c.judged and c.judged.confidence)
        for c in summary.comparisons
    ]
    curves = [
        (c.task, c.variant, int(x), y, c.curve.low and c.curve.low[k], c.curve.high and c.curve.high[k])
        for c in summary.cells
        for k, (x, y) in enumerate(zip(c.curve.x, c.curve.point, strict=True))
    ]
    found: dict[str, Records] = {
        "aggregates": (("variant", "statistic", *ends, "fewest_seeds", "most_seeds", "runs", "diverged"), aggregates),
        "tasks": (
            ("task", "variant", "seeds", "diverged", *mean_ends, *iqm_ends, "lower_bound", "upper_bound"),
            tasks,
        ),
        "seeds": (("task", "variant", "seed", scored, "normalised", "diverged"), seeds),
        "curves": (("task", "variant", summary.axis, "iqm", "low", "high"), curves),
        "comparisons": (
            ("a", "b", *difference_ends, *chance_ends, "verdict", "judged_at"),
            comparisons,
        ),
        "cost": (
            ("variant", "seconds", "env_steps_per_s", "grad_steps", "energy_kwh", "devices"),
            [
                (r.variant, r.seconds, r.env_steps_per_s, r.grad_steps, r.energy_kwh, "; ".join(r.devices))
                for r in costs(summary)
            ],
        ),
        "runs": (
            ("variant", "task", "seed", "status", "counted", "reason", "identity"),
            [
                (r.variant, r.task, r.seed, r.status, r.counted, r.reason, r.identity.get("sha256"))
                for r in summary.runs
            ],
        ),
    }
    if summary.published:
        found["published"] = (
            (
                "reference",
                "task",
                "env_steps",
                "kind",
                "seeds",
                "mean",
                "iqm",
                "iqm_low",
                "iqm_high",
                "source",
                "licence",
            ),
            [
                (
                    c.variant,
                    task,
                    p.env_steps,
                    p.kind,
                    p.seeds,
                    p.mean,
                    p.iqm,
                    p.iqm_low,
                    p.iqm_high,
                    c.source,
                    c.licence,
                )
                for c in summary.published
                for task, p in c.matched.items()
            ],
        )
    return found


def csv_text(found: Records) -> str:
    header, rows = found
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if value is None else value for value in row] for row in rows])
    return buffer.getvalue()


def _ends(estimate: Estimate) -> tuple[float, float | None, float | None]:
    interval = estimate.interval
    return (estimate.point, None, None) if interval is None else (estimate.point, interval.low, interval.high)
