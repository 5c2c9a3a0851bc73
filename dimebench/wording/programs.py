"""A summary for programs, with the sentences that people read."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from dimebench.analysis.summary import Summary
from dimebench.wording.notes import note, reason
from dimebench.wording.terms import TEST, method
from dimebench.wording.verdict import sentences

# Rises by one when a key goes, or changes its meaning, type or unit; not when a key is added.
SCHEMA = 1


def to_json(summary: Summary) -> str:
    """The summary as JSON, its notes and reasons in words; docs/reference/json.md has every key."""
    found = (
        {"schema": SCHEMA}
        | asdict(summary)
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
