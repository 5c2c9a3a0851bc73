"""From runs on disk to a summary, as data: which runs, are they comparable, at which budget, what they show.

`read_summary` comes first. `dimebench.wording` puts a summary into words; tables, figures and the page draw it.
"""

from dimebench.analysis.build import read_summary, summarise
from dimebench.analysis.errors import NoRunsError, NotComparableError
from dimebench.analysis.summary import Summary

__all__ = ["NoRunsError", "NotComparableError", "Summary", "read_summary", "summarise"]
