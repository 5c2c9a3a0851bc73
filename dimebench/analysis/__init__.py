"""From runs on disk to a summary and a verdict, as data. `summary` first; the rest draws it."""

from dimebench.analysis.errors import (
    NoRunsError,
    NotComparableError,
    ReportError,
    SuiteChoiceError,
    UnknownSuiteError,
    UnknownVariantError,
)
from dimebench.analysis.summary import Summary, summarise, summary

__all__ = [
    "NoRunsError",
    "NotComparableError",
    "ReportError",
    "SuiteChoiceError",
    "Summary",
    "UnknownSuiteError",
    "UnknownVariantError",
    "summarise",
    "summary",
]
