"""Makes dimebench/reference/*.csv from the collected files: python -m tests.reference.make_published FOLDER

Kept are aggregates alone, with their source. MR.Q's are left out: their licence (CC BY-NC 4.0) forbids some uses
of this package. Beside the anchors near 500k, 1M and 3M env steps stand a few earlier ones of the sources that
published curves per seed, computed here in the same way, so that short runs have something to stand beside.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from scipy.stats import trim_mean

from dimebench.stats import estimate
from dimebench.stats.bootstrap import stream

ROOT = Path(__file__).parents[2] / "dimebench" / "reference"
FORBIDDEN = ("MR.Q",)
EARLIER = (50_000, 100_000, 150_000, 250_000, 750_000)  # env steps
NEAR = 0.041  # how far, relative to it, a source's evaluation may lie from one of these
FAMILIES = {"dmc": "dm_control", "gym": "gymnasium", "myosuite": "myosuite"}
KEYS = ["source_repo", "algorithm", "env_suite", "task"]
FIGURES = ["mean", "median", "iqm", "iqm_ci95_lo", "iqm_ci95_hi"]


def earlier(scores: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for key, group in scores.groupby(KEYS, sort=True):
        steps = group["env_steps"].unique()
        for nominal in EARLIER:
            step = min(steps, key=lambda at: abs(at - nominal))
            if abs(step - nominal) > NEAR * nominal:
                continue
            at = group[group["env_steps"] == step].groupby("seed")["score"].mean().to_numpy()
            if len(at) < 3:
                continue
            drawn = estimate([at], ("iqm",), rng=stream(0, *map(str, key), str(step)), resamples=5_000)["iqm"]
            figures = [at.mean(), float(pd.Series(at).median()), float(trim_mean(at, 0.25))]
            ends = [drawn.interval.low, drawn.interval.high] if drawn.interval else [None, None]
            rows.append([*key, nominal, int(step), "per-seed", len(at), *figures, *ends])
    return pd.DataFrame(rows, columns=[*KEYS, "nominal_env_steps", "actual_env_steps", "kind", "n", *FIGURES])


def sources(meta: pd.DataFrame, anchors: pd.DataFrame) -> pd.DataFrame:
    """One row per source and algorithm: the file of facts joins several algorithms of a source in one."""
    rows = []
    for source, algorithm in anchors[["source_repo", "algorithm"]].drop_duplicates().itertuples(index=False):
        of = meta[meta["source_repo"] == source]
        named = of[of["algorithm"].map(lambda text, a=algorithm: a in _names(text))]
        if named.empty:
            named = of[of["algorithm"].str.contains("diffusion baselines", regex=False)]
        assert len(named) >= 1, (source, algorithm)
        first = named.iloc[0]
        columns = ("licence", "seeds", "action_repeat", "updates", "note")
        rows.append([source, algorithm, *(first[c] for c in columns)])
    names = ["source", "algorithm", "licence", "seeds", "action_repeat", "updates", "note"]
    return pd.DataFrame(rows, columns=names).sort_values(["source", "algorithm"])


def _names(text: str) -> list[str]:
    return [name.strip() for part in text.split(" / ") for name in part.split(";")]


def main(folder: Path) -> None:
    anchors = pd.read_csv(folder / "published_anchors.csv")
    scores = pd.read_parquet(folder / "published_scores.parquet")
    meta = pd.read_csv(folder / "published_meta.csv")
    runs = scores[~scores["seed"].isin(["mean", "iqm"]) & scores["env_suite"].isin(["dmc", "gym"])]
    points = pd.concat([anchors, earlier(runs)], ignore_index=True)
    points = points[~points["algorithm"].isin(FORBIDDEN)]
    table = sources(meta, points)
    for kind, figure in (("iqm", "iqm"), ("mean", "mean")):  # the one figure that such a source gives
        others = ["n", *(name for name in FIGURES if name != figure)]
        points.loc[points["kind"] == kind, others] = None
    points = points.assign(
        task=points["env_suite"].map(FAMILIES) + "/" + points["task"],
        **{name: points[name].round(3) for name in FIGURES},
    ).rename(columns={"source_repo": "source", "iqm_ci95_lo": "iqm_low", "iqm_ci95_hi": "iqm_high", "n": "seeds"})
    order = ["source", "algorithm", "task", "nominal_env_steps"]
    points = points.sort_values([*order, "actual_env_steps"])
    columns = [*order, "actual_env_steps", "kind", "seeds", "mean", "median", "iqm", "iqm_low", "iqm_high"]
    ROOT.mkdir(exist_ok=True)
    points["seeds"] = points["seeds"].astype("Int64")
    points[columns].to_csv(ROOT / "published.csv", index=False)
    table.to_csv(ROOT / "sources.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
