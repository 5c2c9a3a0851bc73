"""Statistics of runs: estimators, stratified bootstrap, intervals, tests, curves, comparisons, rankings,
power, and group-sequential monitoring.

Scores everywhere are a list over tasks of 1-D arrays, one normalised score per run; tasks may have
different numbers of runs. The replication unit is the run (one seed), never the episode or the env step.
What each estimator and test is, and how often it errs: docs/statistics.md.
"""

from dimebench.stats.bootstrap import estimate
from dimebench.stats.cells import Cell, CellEstimates, estimate_cells
from dimebench.stats.compare import Comparison, compare, compare_all
from dimebench.stats.curves import Band, auc, iqm_band, performance_profile, time_to_threshold
from dimebench.stats.engine import Engine, NumpyEngine, Side
from dimebench.stats.estimators import AGGREGATES, Scores, probability_of_improvement
from dimebench.stats.intervals import METHODS, Estimate, Interval, Method, percentile_interval
from dimebench.stats.looks.anytime import AnytimeMonitoring, monitor_anytime
from dimebench.stats.looks.sequential import Monitoring, monitor, planned_analyses
from dimebench.stats.power import PowerAnswer, how_many_seeds
from dimebench.stats.ranking import Ranked, claimed, ranked
from dimebench.stats.rliable_engine import RaggedError, RliableEngine
from dimebench.stats.tasks import TaskRow, Verdict
from dimebench.stats.testing.multiplicity import fewest_seeds
from dimebench.stats.testing.permutation import Arrangements, DifferenceTest, difference_test
from dimebench.stats.threads import in_threads

__all__ = [
    "AGGREGATES",
    "METHODS",
    "AnytimeMonitoring",
    "Arrangements",
    "Band",
    "Cell",
    "CellEstimates",
    "Comparison",
    "DifferenceTest",
    "Engine",
    "Estimate",
    "Interval",
    "Method",
    "Monitoring",
    "NumpyEngine",
    "PowerAnswer",
    "RaggedError",
    "Ranked",
    "RliableEngine",
    "Scores",
    "Side",
    "TaskRow",
    "Verdict",
    "auc",
    "claimed",
    "compare",
    "compare_all",
    "difference_test",
    "estimate",
    "estimate_cells",
    "fewest_seeds",
    "how_many_seeds",
    "in_threads",
    "iqm_band",
    "monitor",
    "monitor_anytime",
    "percentile_interval",
    "performance_profile",
    "planned_analyses",
    "probability_of_improvement",
    "ranked",
    "time_to_threshold",
]
