"""What a variant's runs cost: time, gradient steps, and energy where the device reports it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from dimebench.analysis.summary import RunRow, Summary

JOULES_PER_KWH = 3.6e6


@dataclass(frozen=True)
class CostRow:
    """Medians over the runs of a variant that count; None where no run recorded it."""

    variant: str
    seconds: float | None  # of training and evaluation, up to the budget
    env_steps_per_s: float | None  # of one run, up to the budget
    grad_steps: float | None  # critic updates of the whole run
    energy_kwh: float | None  # of the whole run; seeds that train together share it
    devices: tuple[str, ...]


def costs(summary: Summary) -> list[CostRow]:
    """One row per variant of the summary, in its order."""
    found = []
    for row in summary.aggregates:
        runs = [run for run in summary.runs if run.variant == row.variant and run.counted]
        seconds = row.median_wall_time_s or None
        found.append(
            CostRow(
                variant=row.variant,
                seconds=seconds,
                env_steps_per_s=summary.budget / seconds if seconds and summary.axis == "env_step" else None,
                grad_steps=_median(run.progress.get("grad_step") for run in runs),
                energy_kwh=_median(map(_energy, runs)),
                devices=tuple(
                    sorted({str(run.provenance["device"]) for run in runs if run.provenance.get("device")})
                ),
            )
        )
    return found


def _energy(run: RunRow) -> float | None:
    """Kilowatt hours of a run, from the joules that a trainer with a GPU's meter writes down."""
    joules: Any = run.progress.get("energy_j", run.provenance.get("energy_j"))
    return float(joules) / JOULES_PER_KWH if _positive(joules) else None


def _median(values: Iterable[Any]) -> float | None:
    known = [float(value) for value in values if _positive(value)]
    return float(median(known)) if known else None


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value > 0
