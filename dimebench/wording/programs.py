"""A summary for programs, with the sentences that people read."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from dimebench.analysis.summary import Summary
from dimebench.wording.notes import note, reason
from dimebench.wording.terms import method
from dimebench.wording.verdict import sentences


def to_json(summary: Summary) -> str:
    """The summary as JSON; its notes and reasons in words."""
    found = asdict(summary) | {
        "notes": [note(one) for one in summary.notes],
        "left_out": [
            {key: getattr(lost, key) for key in ("variant", "task", "seed", "status")} | {"reason": reason(lost)}
            for lost in summary.left_out
        ],
        "left_out_tasks": [{"task": lost.task, "reason": lost.reason} for lost in summary.left_out_tasks],
        "method": method(summary),
        "ranking": [asdict(row) for row in summary.ranking],
        "sentences": sentences(summary),
    }
    return json.dumps(found, indent=1, allow_nan=False, default=np.generic.item)
