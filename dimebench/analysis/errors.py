"""What can keep a report from being made. Every message is one complete line."""

from __future__ import annotations

from dimebench.errors import NOT_COMPARABLE, DimebenchError


class ReportError(DimebenchError):
    """Any of the errors here."""


class NoRunsError(ReportError):
    """There is nothing to report on."""


class UnknownSuiteError(ReportError):
    """No run of that suite in the results folder."""


class SuiteChoiceError(ReportError):
    """Several suites in the results folder, and none chosen."""


class UnknownVariantError(ReportError):
    """No run of that variant in the suite."""


class AmbiguousVariantError(ReportError):
    """A name that several variants carry after their prefixes."""


class NotComparableError(ReportError):
    """Runs whose scores must not be set against each other, and why."""

    exit_code = NOT_COMPARABLE
