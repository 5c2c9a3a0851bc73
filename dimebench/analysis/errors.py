"""What can keep a report from being made. Every message is one complete line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ReportError(Exception):
    """Any of the errors here."""


class NoRunsError(ReportError):
    """There is nothing to report on."""


class UnknownSuiteError(ReportError):
    """No run of that suite in the results folder."""


class SuiteChoiceError(ReportError):
    """Several suites in the results folder, and none chosen."""


class UnknownVariantError(ReportError):
    """No run of that variant in the suite."""


class NotComparableError(ReportError):
    """Runs whose scores must not be set against each other, and why."""


def nearest(name: str, known: Iterable[str]) -> str:
    """ " (nearest: a, b)", or what there is (at most 8 names) where nothing comes close."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f" (nearest: {', '.join(close)})"
    more = ", ..." if len(names) > 8 else ""
    return f" (known: {', '.join(names[:8])}{more})" if names else ""
