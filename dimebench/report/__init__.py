"""From runs on disk to a verdict, tables, figures and a page. `summary` first; the rest draws it.

Figures and pages live in `report.figures` and `report.html` and are imported where they are needed:
matplotlib is slow to load.
"""

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
