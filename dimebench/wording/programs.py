"""A summary for programs: plain dicts, lists, numbers and strings, with the sentences that people read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from dimebench.analysis.summary import Summary
from dimebench.wording.notes import note, reason
from dimebench.wording.terms import method
from dimebench.wording.verdict import sentences


def as_json(summary: Summary) -> dict[str, Any]:
    """The summary as `json.dumps` takes it, with its sentences, notes and reasons in words."""
    found = asdict(summary) | {
        "notes": [note(one) for one in summary.notes],
        "left_out": [vars(lost) | {"reason": reason(lost)} for lost in summary.left_out],
        "left_out_tasks": [{"task": lost.task, "reason": lost.reason} for lost in summary.left_out_tasks],
        "method": method(summary),
        "sentences": sentences(summary),
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
