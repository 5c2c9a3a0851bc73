"""A summary for programs, with the sentences that people read."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from dimebench.analysis.summary import Summary
from dimebench.wording.notes import note, reason
from dimebench.wording.terms import TEST, method
from dimebench.wording.verdict import sentences

# Rises by one when a key goes, or changes its meaning, type or unit; not when a key is added.
SCHEMA = 1


FOR_FIGURES = {"full_curve", "full_run_curves", "stored_names"}  # what is in no score, verdict or table


def _for_programs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in FOR_FIGURES}


def to_json(summary: Summary) -> str:
    """The summary as JSON, its notes and reasons in words; docs/reference/json.md has every key."""
    found = (
        {"schema": SCHEMA}
        | asdict(summary, dict_factory=_for_programs)
        | {
            "notes": [note(one) for one in summary.notes],
            "left_out": [
                {key: getattr(lost, key) for key in ("variant", "task", "seed", "status")} | {"reason": reason(lost)}
                for lost in summary.left_out
            ],
            "left_out_tasks": [{"task": lost.task, "reason": lost.reason} for lost in summary.left_out_tasks],
            "method": method(summary),
            "ranking": [asdict(row) for row in summary.ranking],
            "test": TEST,
            "sentences": sentences(summary),
        }
    )
    return json.dumps(found, indent=1, allow_nan=False, default=np.generic.item)
