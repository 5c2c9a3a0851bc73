"""A table of runs, written in any form and read back, gives the same runs or a refusal: never other numbers."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dimebench.importing.gather import Wish, gather
from dimebench.store.errors import StoreError
from dimebench.store.foreign.arrays import RETURNS_FILE, STEPS_FILE
from dimebench.store.foreign.choices import Choices
from tests.faults.test_hostile import FUZZ

RUN = "dm_control/dog-run"
Runs = dict[tuple[str, int], dict[int, list[float]]]  # (variant, seed) -> env step -> returns of the episodes

# Examples of each of the tests below; FUZZ=2000 for more.
TRIPS = settings(FUZZ, max_examples=int(os.environ.get("FUZZ", "40")))

SCORES = st.floats(-1e6, 1e6, allow_nan=False)
GRIDS = st.lists(st.integers(0, 10**7), min_size=1, max_size=5, unique=True).map(sorted)
DTYPES: dict[str, list[Any]] = {
    "algorithm": [object, "category", "string"],
    "task": [object, "category"],
    "seed": ["int64", "int16", "float64", "category", str, "Int64"],
    "step": ["int64", "float64", "category", "uint32"],
    "score": ["float64", "category", "Float64"],
}


@st.composite
def studies(draw: st.DrawFn) -> pd.DataFrame:
    """One row per episode of a few runs."""
    rows = []
    episodes = draw(st.integers(1, 3))
    for name in draw(st.lists(st.sampled_from(["A", "B β", "mine (v2)", "NA"]), min_size=1, max_size=2, unique=True)):
        for seed in draw(st.lists(st.integers(0, 30), min_size=1, max_size=3, unique=True)):
            for step in draw(GRIDS):
                scores = draw(st.lists(SCORES, min_size=episodes, max_size=episodes))
                rows += [{"algorithm": name, "task": RUN, "seed": seed, "step": step, "score": s} for s in scores]
    return pd.DataFrame(rows)


def expected(table: pd.DataFrame) -> Runs:
    found: Runs = {}
    for row in table.itertuples():
        found.setdefault((f"ext:{row.algorithm}", row.seed), {}).setdefault(row.step, []).append(row.score)
    return found


def imported(place: Path, *files: Path, **choices: str) -> Runs | None:
    """The runs of the files; None where they are refused."""
    try:
        runs = gather(files, Wish(Choices(**choices)), place / "results").runs
    except StoreError:
        return None
    found: Runs = {}
    for run, evals in runs:
        assert (run.variant, run.seed) not in found
        own = found.setdefault((run.variant, run.seed), {})
        for row in evals.to_pylist():
            own.setdefault(row["env_step"], []).append(row["return"])
    return found


@TRIPS
@given(table=studies(), data=st.data())
def test_a_table_in_any_form_is_the_same_runs(
    table: pd.DataFrame, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("trip")
    form = data.draw(st.sampled_from(["csv", "csv.gz", "tsv", "parquet", "parquet", "parquet"]))
    index = data.draw(st.lists(st.sampled_from(list(table)), max_size=4, unique=True))
    shaped = table
    if form == "parquet":
        shaped = table.astype({name: data.draw(st.sampled_from(DTYPES[name])) for name in table})
    shaped = shaped.set_index(index) if index else shaped
    file = place / f"a.{form}"
    if form == "parquet":
        shaped.to_parquet(file)
    else:
        text = shaped.to_csv(sep="\t" if form == "tsv" else ",").encode()
        file.write_bytes(gzip.compress(text) if form.endswith("gz") else text)
    assert imported(place, file) == expected(table)


@TRIPS
@given(table=studies(), data=st.data())
def test_rows_in_another_order_are_the_same_runs_or_refused(
    table: pd.DataFrame, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("trip")
    order = data.draw(st.permutations(range(len(table))))
    table.iloc[list(order)].to_csv(place / "a.csv", index=False)
    found = imported(place, place / "a.csv")
    if found is not None:
        same = {key: {step: sorted(each) for step, each in run.items()} for key, run in found.items()}
        assert same == {k: {step: sorted(each) for step, each in run.items()} for k, run in expected(table).items()}


@TRIPS
@given(table=studies(), data=st.data())
def test_runs_over_several_files_are_the_same_runs_or_refused(
    table: pd.DataFrame, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("trip")
    cut = data.draw(st.integers(1, len(table)))
    parts = [table.iloc[:cut], table.iloc[cut:]]
    files = [place / f"{number}.csv" for number, part in enumerate(parts) if len(part)]
    for file, part in zip(files, parts, strict=False):
        part.to_csv(file, index=False)
    found = imported(place, *files)
    assert found is None or found == expected(table), "a run that is cut in two is refused"


@TRIPS
@given(table=studies(), data=st.data())
def test_a_repeat_is_never_averaged(
    table: pd.DataFrame, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Some run's rows once more, with other scores: appended, or in a file of their own, with or without its seed."""
    place = tmp_path_factory.mktemp("trip")
    first = table.iloc[0]
    again = table[(table["algorithm"] == first["algorithm"]) & (table["seed"] == first["seed"])].copy()
    again["score"] += 1.0
    if data.draw(st.booleans()):
        pd.concat([table, again]).to_csv(place / "a.csv", index=False)
        several = again["step"].nunique() > 1
        found = imported(place, place / "a.csv")
        assert found is None or not several
        return
    seedless = data.draw(st.booleans())
    table.to_csv(place / "a.csv", index=False)
    (again.drop(columns="seed") if seedless else again).to_csv(place / "b.csv", index=False)
    found = imported(place, place / "a.csv", place / "b.csv")
    if not seedless:
        assert found is None
        return
    assert found is not None
    assert len(found) == len(expected(table)) + 1
    assert expected(table).items() <= found.items()


@TRIPS
@given(
    steps=GRIDS,
    episodes=st.integers(1, 4),
    data=st.data(),
    lost=st.booleans(),
)
def test_arrays_are_the_same_run(
    steps: list[int], episodes: int, data: st.DataObject, lost: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("trip")
    rows = st.lists(SCORES, min_size=episodes, max_size=episodes)
    results = np.array(data.draw(st.lists(rows, min_size=len(steps), max_size=len(steps))))
    if lost:
        results[data.draw(st.integers(0, len(steps) - 1)) :] = np.nan
    np.savez(place / "a.npz", timesteps=steps, results=results)
    found = imported(place, place / "a.npz", algorithm="A", task=RUN)
    shown = [[None if np.isnan(score) else score for score in row] for row in results.tolist()]
    assert found == {("ext:A", 0): dict(zip(steps, shown, strict=True))}


@TRIPS
@given(steps=GRIDS, seeds=st.integers(1, 4), data=st.data(), turned=st.booleans())
def test_a_pair_of_arrays_is_the_same_runs(
    steps: list[int], seeds: int, data: st.DataObject, turned: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assume(seeds != len(steps) or seeds == 1)
    place = tmp_path_factory.mktemp("trip")
    row = st.lists(SCORES, min_size=len(steps), max_size=len(steps))
    returns = np.array(data.draw(st.lists(row, min_size=seeds, max_size=seeds)))
    (place / "in").mkdir()
    np.save(place / "in" / STEPS_FILE, steps)
    np.save(place / "in" / RETURNS_FILE, returns.T if turned else returns)
    found = imported(place, place / "in", algorithm="A", task=RUN)
    runs = {
        ("ext:A", i): {k: [s] for k, s in zip(steps, each, strict=True)} for i, each in enumerate(returns.tolist())
    }
    assert found == runs
