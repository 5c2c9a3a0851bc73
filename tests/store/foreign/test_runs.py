"""Which rows are one run: repeats are told from episodes, and what could be either is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dimebench.store import StoreError
from dimebench.store.foreign.arrays import RETURNS_FILE, STEPS_FILE
from dimebench.store.foreign.choices import Choices
from dimebench.store.foreign.read import read_files
from dimebench.store.foreign.runs import Runs, as_runs, free_seeds

RUN = "dm_control/dog-run"


def runs(*files: Path, split: bool = False, uneven: bool = False, **choices: str) -> Runs:
    given = Choices(algorithm="sac", task=RUN, **choices)
    rows = [each.rows.assign(file=i) for i, each in enumerate(read_files(files, given))]
    table = pd.concat(rows, ignore_index=True)
    return as_runs(table.assign(variant="ext:" + table["algorithm"]), files, split, uneven)


def csv(file: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def curve(score: float = 1.0, steps: tuple[int, ...] = (1000, 2000), **columns: Any) -> list[dict[str, Any]]:
    return [{**columns, "step": k, "score": score + k} for k in steps]


def sb3(file: Path, steps: list[int], **arrays: Any) -> Path:
    np.savez(file, **{"timesteps": steps, "results": np.arange(2.0 * len(steps)).reshape(-1, 2), **arrays})
    return file


def pair(folder: Path, steps: list[int], returns: Any) -> Path:
    folder.mkdir()
    np.save(folder / STEPS_FILE, steps)
    np.save(folder / RETURNS_FILE, returns)
    return folder


def told(found: Runs) -> list[list[float]]:
    """Per run: seed, steps and scores."""
    return [[int(r["seed"].iloc[0]), *r["step"], *r["score"]] for _, r in found.rows.groupby("run")]


def refusal(*files: Path, **options: Any) -> str:
    with pytest.raises(StoreError) as caught:
        runs(*files, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_two_files_of_one_seed_are_refused_by_name(tmp_path: Path) -> None:
    a, b = csv(tmp_path / "a.csv", curve(seed=0)), csv(tmp_path / "b.csv", curve(9.0, seed=0))
    assert refusal(a, b) == f"{a} and {b}: both hold ext:sac on {RUN} seed 0"
    assert refusal(a, a) == f"{a}: is named twice"
    assert refusal(a, tmp_path / "x" / ".." / "a.csv").endswith("a.csv: is named twice")


@pytest.mark.parametrize("by_step", [False, True])
@pytest.mark.parametrize("names", [("SAC x", "SAC\u00a0x"), ("SAC", "SAC\u200b"), ("SAC2", "SAC\u00b2")])
def test_names_that_become_one_make_one_run_twice(names: tuple[str, str], by_step: bool, tmp_path: Path) -> None:
    rows = [{"algo": name, "env": RUN, **row} for name in names for row in curve(seed=0)]
    file = csv(tmp_path / "a.csv", sorted(rows, key=lambda row: row["step"]) if by_step else rows)
    table = read_files([file], Choices())[0].rows.assign(file=0)
    with pytest.raises(StoreError, match=r"are both SAC.* on dm_control/dog-run seed 0: two runs in one"):
        as_runs(table.assign(variant=table["algorithm"]), [file])


def test_seeds_that_are_written_in_two_ways_are_refused(tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", [{"seed": s, "step": k, "score": k} for k in (1, 2) for s in ("0", "00")])
    assert "'0' and '00' are both ext:sac on" in refusal(file)


def test_a_file_without_seeds_is_a_run_of_its_own(tmp_path: Path) -> None:
    a, b = csv(tmp_path / "a.csv", curve(9.0)), csv(tmp_path / "b.csv", curve(seed=0))
    assert told(runs(a, b)) == [[-1, 1000, 2000, 1009, 2009], [0, 1000, 2000, 1001, 2001]]
    assert free_seeds({0, 2}, 3) == [1, 3, 4]
    assert free_seeds((), 2, first=5) == [5, 6]


def test_a_copy_without_a_seed_is_refused_and_equal_numbers_by_chance_are_not(tmp_path: Path) -> None:
    a, b = sb3(tmp_path / "a.npz", [1, 2, 3]), sb3(tmp_path / "b.npz", [1, 2, 3])
    assert refusal(a, b) == f"{a} and {b}: both hold one run of ext:sac on {RUN}, number for number"
    for number, value in enumerate((300.0, 0.0)):
        same = [sb3(tmp_path / f"{number}-{i}.npz", [1, 2], results=np.full((2, 3), value)) for i in range(3)]
        assert len(told(runs(*same))) == 3


def test_a_row_without_a_seed_among_others_is_named(tmp_path: Path) -> None:
    a = csv(tmp_path / "a.csv", [*curve(seed=0), *curve(seed=None)])
    assert refusal(a) == f"{a}: row 3: has no seed, as other rows do"


@pytest.mark.parametrize("seed", ["-1", "1.5", "two", "seed_3"])
def test_a_seed_among_numbers_is_a_whole_number(seed: str, tmp_path: Path) -> None:
    a = csv(tmp_path / "a.csv", [*curve(seed=seed), *curve(seed=4)])
    assert refusal(a) == f"{a}: row 1: seed {seed!r} is no whole number from 0"


def test_a_seed_has_an_end(tmp_path: Path) -> None:
    a = csv(tmp_path / "a.csv", curve(seed=2**31))
    assert refusal(a) == f"{a}: row 1: seed '2147483648' is beyond 2147483647"


def test_runs_that_have_names_for_seeds_are_numbered_by_them_or_in_order(tmp_path: Path) -> None:
    a = csv(tmp_path / "a.csv", [*curve(seed="seed_3"), *curve(5.0, seed="seed_7")])
    assert [run[0] for run in told(runs(a))] == [3, 7]
    b = csv(tmp_path / "b.csv", [*curve(run_id="a1x"), *curve(5.0, run_id="9zq"), *curve(7.0, run_id="k2")])
    assert [run[0] for run in told(runs(b))] == [-1, -1, -1]
    c = csv(tmp_path / "c.csv", [*curve(run="a1"), *curve(5.0, run="b1")])
    assert [run[0] for run in told(runs(c))] == [-1, -1], "1 twice is no number for either"


def test_steps_that_begin_again_are_refused_in_every_kind_of_file(tmp_path: Path) -> None:
    again = [1000, 2000, 1000, 2000]
    for file, first in (
        (csv(tmp_path / "a.csv", [*curve(seed=0), *curve(9.0, seed=0)]), "row 3"),
        (csv(tmp_path / "b.csv", [*curve(), *curve(9.0)]), "row 3"),
        (sb3(tmp_path / "c.npz", again), "row 5"),
        (pair(tmp_path / "d", again, np.arange(8.0).reshape(2, 4)), "row 3"),
        (sb3(tmp_path / "e.npz", [1000, 3000, 2000, 4000]), "row 5"),
        (csv(tmp_path / "f.csv", [*curve(seed=0), *curve(seed=0, steps=(1500, 2500))]), "row 3"),
    ):
        assert refusal(file).startswith(f"{file}: {first}: the steps of ext:sac on {RUN}")
        assert "begin again" in refusal(file)


def test_one_step_twice_in_a_row_is_no_array_of_evaluations(tmp_path: Path) -> None:
    file = sb3(tmp_path / "a.npz", [1000, 1000])
    assert refusal(file) == f"{file}: timesteps: 1,000 stands there twice"
    folder = pair(tmp_path / "b", [5, 5, 6], np.zeros((2, 3)))
    assert refusal(folder) == f"{folder}: {STEPS_FILE}: 5 stands there twice"


def test_what_begins_again_can_be_made_runs_of_its_own(tmp_path: Path) -> None:
    a = csv(tmp_path / "a.csv", [*curve(seed=0), *curve(9.0, seed=0), *curve(seed=0), *curve(5.0, seed=1)])
    found = runs(a, split=True)
    assert told(found) == [[0, 1000, 2000, 1001, 2001], [-1, 1000, 2000, 1009, 2009], [1, 1000, 2000, 1005, 2005]]
    assert (found.split, found.copies) == (1, 1), "the third repeats the first number for number"
    rows = [*curve(seed=0), *curve(9.0, seed=1), *curve(9.0, seed=0)]  # the runs once more under other seeds
    found = runs(csv(tmp_path / "b.csv", rows), split=True)
    assert [run[0] for run in told(found)] == [0, 1]
    assert (found.split, found.copies) == (0, 1)


def test_rows_of_one_step_are_the_episodes_of_an_evaluation(tmp_path: Path) -> None:
    rows = [{"seed": s, "step": k, "score": s + k + e} for s in (0, 1) for k in (1, 2) for e in (0, 10, 20)]
    found = runs(csv(tmp_path / "a.csv", rows))
    assert found.episodes == {("ext:sac", RUN): 3}
    assert found.rows["episode"].tolist() == [0, 1, 2] * 4


def test_numbered_episodes_may_come_in_any_order(tmp_path: Path) -> None:
    rows = [{"seed": 0, "episode": e, "step": k, "score": k + e} for e in (0, 1) for k in (1, 2)]
    found = runs(csv(tmp_path / "a.csv", rows))
    assert told(found) == [[0, 1, 1, 2, 2, 1, 2, 2, 3]]
    assert found.episodes == {("ext:sac", RUN): 2}
    counted = [{**row, "episode": i} for i, row in enumerate(rows)]  # a counter says nothing of evaluations
    assert "begin again" in refusal(csv(tmp_path / "b.csv", counted))


@pytest.mark.parametrize(
    "rows",
    [
        [*curve(seed=0), *curve(seed=0, steps=(2000,))],
        [*curve(seed=0), *curve(seed=1, steps=(1000, 1000, 2000, 2000))],
    ],
    ids=["within a run", "between runs"],
)
def test_uneven_numbers_of_rows_are_refused(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", rows)
    assert refusal(file).endswith(": two runs in one, or episodes (--uneven-episodes)?")
    assert len(runs(file, uneven=True).rows) == len(rows)


def test_uneven_numbers_over_files_are_refused_for_tables_alone(tmp_path: Path) -> None:
    a = csv(tmp_path / "a.csv", curve(seed=0, steps=(1000, 1000, 2000, 2000)))
    b = csv(tmp_path / "b.csv", curve(seed=1))
    assert "two runs in one, or episodes" in refusal(a, b)
    arrays = [sb3(tmp_path / "c.npz", [1, 2]), sb3(tmp_path / "d.npz", [1, 2], results=[[1.0], [2.0]])]
    assert runs(*arrays).episodes == {("ext:sac", RUN): 2}


def test_a_missing_score_in_a_table_is_told_and_in_arrays_means_diverged(tmp_path: Path) -> None:
    late = [*curve(seed=0), *curve(seed=1)]
    late[3]["score"] = None
    found = runs(csv(tmp_path / "a.csv", late))
    assert (found.unscored, len(found.rows)) == (1, 3)
    assert [(each.seeds, each.at, each.of) for each in found.ended] == [((1,), 1000, 2000)]
    lost = runs(sb3(tmp_path / "b.npz", [1000, 2000], results=[[1.0, 2.0], [3.0, np.nan]]))
    assert lost.rows["diverged"].tolist() == [False, False, False, True]
    assert (lost.unscored, lost.ended) == (0, ())


def test_a_run_without_any_score_is_told(tmp_path: Path) -> None:
    rows = [*curve(seed=0), *[{**row, "score": None} for row in curve(seed=1)]]
    found = runs(csv(tmp_path / "a.csv", rows))
    assert [(each.seeds, each.at) for each in found.ended] == [((1,), None)]
    file = csv(tmp_path / "b.csv", rows[2:])
    assert refusal(file) == f"{file}: no row has a score"


def test_the_two_files_of_a_pair_are_one(tmp_path: Path) -> None:
    folder = pair(tmp_path / "a", [1, 2, 3], np.zeros((2, 3)))
    assert len(read_files(sorted(folder.glob("*.npy")), Choices(algorithm="sac", task=RUN))) == 1
    assert refusal(folder / STEPS_FILE, folder / STEPS_FILE).endswith(f"{STEPS_FILE}: is named twice")


def test_as_many_runs_as_evaluations_are_asked_for(tmp_path: Path) -> None:
    folder = pair(tmp_path / "a", [1, 2], [[1.0, 2.0], [3.0, 4.0]])
    assert "say with --runs-in rows or columns" in refusal(folder)
    assert told(runs(folder, runs_in="rows")) == [[0, 1, 2, 1, 2], [1, 1, 2, 3, 4]]
    assert told(runs(folder, runs_in="columns")) == [[0, 1, 2, 1, 3], [1, 1, 2, 2, 4]]


def test_successes_and_lengths_of_sb3_are_read(tmp_path: Path) -> None:
    arrays = {"ep_lengths": [[5, np.nan]], "successes": np.array([[True, False]])}
    rows = runs(sb3(tmp_path / "a.npz", [10], **arrays)).rows
    assert rows["success"].tolist() == [1.0, 0.0]
    assert rows["length"].fillna(-1).tolist() == [5, -1]
