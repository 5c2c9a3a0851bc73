"""Statistics of runs: estimators, stratified bootstrap, curves, comparisons.

Scores everywhere are a list over tasks of 1-D arrays, one normalised score per run; tasks may have
different numbers of runs. The replication unit is the run (one seed), never the episode or the env step.
"""

from dimebench.stats.bootstrap import Estimate, Interval, estimate, percentile_interval
from dimebench.stats.compare import Comparison, TaskRow, compare, compare_all
from dimebench.stats.curves import Band, auc, iqm_band, performance_profile
from dimebench.stats.estimators import AGGREGATES, Scores, probability_of_improvement

__all__ = [
    "AGGREGATES",
    "Band",
    "Comparison",
    "Estimate",
    "Interval",
    "Scores",
    "TaskRow",
    "auc",
    "compare",
    "compare_all",
    "estimate",
    "iqm_band",
    "percentile_interval",
    "performance_profile",
    "probability_of_improvement",
]
