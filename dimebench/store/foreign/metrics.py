"""A table with one row per metric and evaluation (exp_name, env_name, seed, metric, env_step, value).

Several groups publish this form; its `env_step` counts simulator steps. The rows of the return become the rows that
are read, those of the success their `success`, and the others are left out.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from dimebench.errors import nearest, shorten
from dimebench.store.errors import StoreError
from dimebench.store.foreign.columns import ALIASES, plain
from dimebench.store.foreign.tables import Table

METRIC, VALUE = "metric", "value"
PUBLISHED_FORM = frozenset({"exp_name", "env_name", METRIC, "env_step", VALUE})


def is_long(table: Table) -> bool:
    """Whether each row names its metric."""
    return {METRIC, VALUE} <= set(map(plain, table.columns))


def in_published_form(table: Table) -> bool:
    """Whether it has the columns of the form that counts simulator steps as `env_step`."""
    return set(map(plain, table.columns)) >= PUBLISHED_FORM


def column(table: Table, wanted: str) -> str:
    """The column that is so called, whatever its case."""
    return next(name for name in table.columns if plain(name) == wanted)


def chosen(table: Table, metric: str, success: str) -> tuple[str, str]:
    """The metric that is the score, and that of the success ("" for none).

    metric, success: as the caller names them, "" where not. Raises StoreError for one that is not there, and where
    none or several could be the score.
    """
    names = sorted({name for name in table.texts(column(table, METRIC)).tolist() if name})
    for option, wanted in (("--metric", metric), ("--success", success)):
        if wanted and wanted not in names:
            raise StoreError(f"{option} {shorten(wanted)}: no such metric{nearest(wanted, names)}")
    if not metric:
        returns = [name for name in names if _is(name, "score")]
        if len(returns) != 1:
            problem = "several metrics are returns" if returns else "no metric is a return"
            listed = ", ".join(shorten(name) for name in (returns or names)[:8])
            raise StoreError(f"{problem} ({listed}): choose with --metric NAME")
        (metric,) = returns
    if not success:
        found = [name for name in names if _is(name, "success") and name != metric]
        success = found[0] if len(found) == 1 else next((name for name in found if plain(name) == "avg_success"), "")
    return metric, success


def joined(rows: pd.DataFrame, metrics: np.ndarray, metric: str, success: str) -> tuple[pd.DataFrame, Counter[str]]:
    """The rows of the score with the success beside them, and how many rows of each other metric are left out.

    rows: of one file, with the value of each as `score`. A success where no score is stands alone, without a score;
    so does a last row of each run that has neither.
    """
    key = ["algorithm", "task", "seed", "step"]
    scores = rows[metrics == metric].copy()
    others = Counter(str(name) for name in metrics if name not in (metric, success))
    cells = ["algorithm", "task", "seed"]
    silent = rows[~pd.MultiIndex.from_frame(rows[cells]).isin(pd.MultiIndex.from_frame(scores[cells]))]
    if not success:
        return pd.concat([scores, _without_scores(silent, cells)]).sort_index(), others
    told = rows[metrics == success]
    told = told.assign(success=told["score"], score=np.nan, nth=told.groupby(key).cumcount())
    scores["nth"] = scores.groupby(key).cumcount()
    beside = scores[[*key, "nth"]].merge(told[[*key, "nth", "success"]], how="left", on=[*key, "nth"])
    scores["success"] = beside["success"].to_numpy()
    places = pd.MultiIndex.from_frame(scores[[*key, "nth"]])
    alone = told[~pd.MultiIndex.from_frame(told[[*key, "nth"]]).isin(places)]
    silent = silent[~pd.MultiIndex.from_frame(silent[cells]).isin(pd.MultiIndex.from_frame(alone[cells]))]
    found = pd.concat([scores.drop(columns="nth"), alone.drop(columns="nth"), _without_scores(silent, cells)])
    return found.sort_index(), others


def _without_scores(silent: pd.DataFrame, cells: list[str]) -> pd.DataFrame:
    """A row for each run that has other metrics alone, so that it can be told."""
    return silent.drop_duplicates(cells, keep="last").assign(score=np.nan)


def _is(name: str, key: str) -> bool:
    return plain(name) in ALIASES[key] or plain(name).rpartition("/")[2] in ALIASES[key]
