"""Makes dimebench/reference/*.csv from the collected files: python -m tests.reference.make_published FOLDER

Kept are aggregates alone, with their source. MR.Q's are left out: their licence (CC BY-NC 4.0) forbids some uses
of this package. Beside the anchors near 500k, 1M and 3M env steps stand a few earlier ones of the sources that
published curves per seed, computed here in the same way, so that short runs have something to stand beside.

`more_figures.csv` and `more_sources.csv` are a second collection, of which single figures alone are known. A name
that the first collection has given stays: what is collected later never renames it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from scipy.stats import trim_mean

from dimebench.reference import PREFIX
from dimebench.stats import estimate
from dimebench.stats.bootstrap import stream

HERE = Path(__file__).parent
ROOT = HERE.parents[1] / "dimebench" / "reference"
FORBIDDEN = ("MR.Q",)
EARLIER = (50_000, 100_000, 150_000, 250_000, 750_000)  # env steps
NEAR = 0.041  # how far, relative to it, a source's evaluation may lie from one of these
FAMILIES = {"dmc": "dm_control", "gym": "gymnasium", "myosuite": "myosuite"}
KEYS = ["source_repo", "algorithm", "env_suite", "task"]
FIGURES = ["mean", "median", "iqm", "iqm_ci95_lo", "iqm_ci95_hi"]
FACTS = ["path", "licence", "seeds", "action_repeat", "updates", "note"]
AFTERTHOUGHTS = {  # what the second collection says of a source of the first one
    (
        "ALRhub/DIME",
        "DIME",
    ): "acrobot-swingup and finger-turn_hard are inferred: the files say acrobot and finger_turn",
    ("DAVIAN-Robotics/SimbaV2", "BRO (Fast)"): "later eight more dm_control tasks, of 5 seeds",
    ("SonyResearch/simba", "SAC"): "the file ends at 500k frames on the tasks without dog and humanoid",
}


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
            drawn = estimate(
                [at], ("iqm",), rng=stream(0, *map(str, key), str(step)), resamples=5_000, method="percentile"
            )["iqm"]
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
        facts = named.iloc[0].fillna("").to_dict()
        if more := AFTERTHOUGHTS.get((source, algorithm)):
            facts["note"] = "; ".join(filter(None, [facts["note"], more]))
        rows.append([source, algorithm, *(facts[name] for name in FACTS)])
    return pd.DataFrame(rows, columns=["source", "algorithm", *FACTS]).sort_values(["source", "algorithm"])


def named(first: pd.DataFrame, table: pd.DataFrame) -> list[str]:
    """The name of each row of the table of sources.

    In the first collection `@source` follows where several sources have the algorithm on the same task; elsewhere the
    plain name is that of the source whose library of tasks comes first. Later sources take what is free.
    """
    tasks = first.groupby(["source_repo", "algorithm"])["task"].apply(set)
    library = first.groupby(["source_repo", "algorithm"])["env_suite"].apply(lambda own: min(own.map(FAMILIES)))
    names: dict[tuple[str, str], str] = {}
    for key in [
        *sorted(tasks.index, key=lambda key: library[key]),
        *map(tuple, table[["source", "algorithm"]].values),
    ]:
        if key in names:
            continue
        alike = [tasks[other] for other in tasks.index if other[1] == key[1]] if key in tasks.index else []
        shared = sum(map(len, alike)) > len(set().union(*alike))
        plain = f"{PREFIX}{key[1]}"
        names[key] = f"{plain}@{key[0].split('/')[-1]}" if shared or plain in names.values() else plain
    assert len(set(names.values())) == len(names), "two sources of one name"
    return [names[key] for key in map(tuple, table[["source", "algorithm"]].values)]


def _names(text: str) -> list[str]:
    return [name.strip() for part in text.split(" / ") for name in part.split(";")]


def main(folder: Path, out: Path = ROOT) -> None:
    anchors = pd.read_csv(folder / "published_anchors.csv")
    scores = pd.read_parquet(folder / "published_scores.parquet")
    meta = pd.read_csv(folder / "published_meta.csv")
    runs = scores[~scores["seed"].isin(["mean", "iqm"]) & scores["env_suite"].isin(["dmc", "gym"])]
    first = pd.concat([anchors, earlier(runs)], ignore_index=True)
    first = first[~first["algorithm"].isin(FORBIDDEN)]
    table = pd.concat([sources(meta, first), pd.read_csv(HERE / "more_sources.csv", dtype=str).fillna("")])
    table = table.sort_values(["source", "algorithm"])
    table.insert(0, "name", named(first, table))
    points = first.copy()
    for kind, figure in (("iqm", "iqm"), ("mean", "mean")):  # the one figure that such a source gives
        others = ["n", *(name for name in FIGURES if name != figure)]
        points.loc[points["kind"] == kind, others] = None
    points = points.assign(
        task=points["env_suite"].map(FAMILIES) + "/" + points["task"],
        kind=points["kind"].replace("iqm", "figure"),  # the only ones of it were read off figures
        **{name: points[name].round(3) for name in FIGURES},
    ).rename(columns={"source_repo": "source", "iqm_ci95_lo": "iqm_low", "iqm_ci95_hi": "iqm_high", "n": "seeds"})
    order = ["source", "algorithm", "task", "nominal_env_steps"]
    columns = [*order, "actual_env_steps", "kind", "seeds", "mean", "median", "iqm", "iqm_low", "iqm_high"]
    points = pd.concat([points[columns], pd.read_csv(HERE / "more_figures.csv")[columns]], ignore_index=True)
    points = points.sort_values([*order, "actual_env_steps"])
    assert not points.duplicated([*order, "actual_env_steps"]).any(), "a figure stands in both collections"
    out.mkdir(exist_ok=True)
    points["seeds"] = points["seeds"].astype("Int64")
    points.to_csv(out / "published.csv", index=False)
    table.to_csv(out / "sources.csv", index=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
