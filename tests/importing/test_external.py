"""Curves of other tools as runs in a results folder: units, numbers, refusals, and the whole published file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import trim_mean

from dimebench.analysis import read_summary
from dimebench.analysis.curves import curves
from dimebench.errors import UsageError
from dimebench.importing.gather import Gathered, Wish, gather
from dimebench.store import Run, StoreError, read_evals, read_runs
from dimebench.store.external import ImportConflictError, external, folder_name, write_external
from dimebench.store.foreign.choices import Choices
from dimebench.wording.notes import remarks

SHARED = Path(__file__).parents[2].parent / "shared" / "reference"
RUN = "dm_control/dog-run"
WISH = Wish(Choices(algorithm="sac", task=RUN), bounds={"lower": 0.0, "upper": 1000.0})


def sb3(file: Path, **changes) -> Path:
    arrays = {"timesteps": np.array([0, 100]), "results": np.array([[1.0, 3.0], [10.0, 30.0]])}
    np.savez(file, **arrays | {"ep_lengths": np.array([[5, 6], [7, 8]])} | changes)
    return file


def csv(file: Path, rows: list[dict[str, object]]) -> Path:
    pd.DataFrame(rows).to_csv(file, index=False)
    return file


def stored(results: Path, *files: Path, **wishes) -> list[Run]:
    """The runs in the results after importing the files."""
    for both in gather(files, replace(WISH, **wishes), results).runs:
        write_external(results, *both)
    return read_runs(results, broken=[])


def gathered(tmp_path: Path, *files: Path, **wishes) -> Gathered:
    return gather(files, replace(WISH, **wishes), tmp_path / "results")


def test_sb3_evaluations_are_one_run_with_all_their_episodes(tmp_path: Path) -> None:
    files = [sb3(tmp_path / "a.npz"), sb3(tmp_path / "b.npz", results=np.ones((2, 2)))]
    runs = stored(tmp_path / "results", *files, first_seed=4)
    assert [(run.variant, run.task, run.seed, run.status) for run in runs] == [
        ("ext:sac", RUN, 4, "finished"),
        ("ext:sac", RUN, 5, "finished"),
    ]
    evals = read_evals(runs[:1])
    assert evals[["env_step", "episode", "return", "length"]].to_numpy().tolist() == [
        [0, 0, 1, 5],
        [0, 1, 3, 6],
        [100, 0, 10, 7],
        [100, 1, 30, 8],
    ]
    assert external(runs[0])["unit"] == "env steps"
    assert external(runs[1])["source"] == "b.npz"


@pytest.mark.parametrize("turned", [False, True])
def test_npy_pair_holds_a_run_per_row_or_per_column(turned: bool, tmp_path: Path) -> None:
    returns = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "env_interacts.npy", [0, 10, 20])
    np.save(tmp_path / "mean_return.npy", returns.T if turned else returns)
    evals = read_evals(stored(tmp_path / "results", tmp_path))
    assert evals.groupby("seed")["return"].apply(list).to_dict() == {0: [0, 1, 2], 1: [3, 4, 5]}


def test_steps_and_lengths_of_a_source_become_the_suites_env_steps(tmp_path: Path) -> None:
    found = gathered(tmp_path, sb3(tmp_path / "a.npz"), suite="quick", action_repeat=8, bounds=None, choices=CHOICES)
    ((run, table),) = found.runs  # 100 env steps of 8 frames are 200 of suite quick's 4
    assert run.suite == "quick"
    assert table["env_step"].to_pylist() == [0, 0, 200, 200]
    assert table["length"].to_pylist() == [10, 12, 14, 16]
    frames = replace(CHOICES, unit="frames")
    found = gathered(tmp_path, sb3(tmp_path / "a.npz"), suite="quick", action_repeat=8, bounds=None, choices=frames)
    assert found.runs[0][1]["env_step"].to_pylist() == [0, 0, 25, 25]


CHOICES = Choices(algorithm="sac", task="cartpole-swingup")


def test_steps_that_would_be_one_env_step_are_refused(tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", [{"Step": k, "score": k} for k in range(4)])
    with pytest.raises(StoreError) as caught:
        gathered(tmp_path, file, suite="quick", bounds=None, choices=CHOICES)
    assert str(caught.value) == (
        "ext:sac on dm_control/cartpole-swingup: steps 0 and 1 would both be env step 0 of suite quick "
        "(action repeat 4): --unit or --step says what steps count"
    )


def test_a_run_is_written_once_and_never_over_another(tmp_path: Path) -> None:
    results = tmp_path / "results"
    one = csv(tmp_path / "a.csv", [{"seed": 0, "step": k, "score": 1.0} for k in (1, 2)])
    other = csv(tmp_path / "b.csv", [{"seed": 0, "step": k, "score": 2.0} for k in (1, 2)])
    stored(results, one)
    ((run, evals),) = gathered(tmp_path, one).runs
    assert not write_external(results, run, evals)
    assert gathered(tmp_path, one).already == {run.folder}
    with pytest.raises(ImportConflictError, match=r"holds another run \(imported from a\.csv\)"):
        gathered(tmp_path, other)


def test_a_file_without_seeds_takes_a_free_number_and_keeps_it(tmp_path: Path) -> None:
    results = tmp_path / "results"
    told = csv(tmp_path / "told.csv", [{"seed": 0, "step": 1, "score": 5.0}])
    a, b = sb3(tmp_path / "a.npz"), sb3(tmp_path / "b.npz", results=np.ones((2, 2)))
    assert [run.seed for run in stored(results, a, told)] == [0, 1]
    assert [run.seed for run in stored(results, b)] == [0, 1, 2]
    assert [run.seed for run in stored(results, b, a)] == [0, 1, 2], "they are there already"
    with pytest.raises(ImportConflictError, match="seed-000: holds another run"):
        gathered(tmp_path, b, first_seed=0)
    assert [run.seed for run in gathered(tmp_path, a, b).numbered] == [1, 2]


def test_sources_of_one_algorithm_on_one_task_are_told_apart(tmp_path: Path) -> None:
    rows = [{"seed": s, "step": 1, "score": 1.0, "source": source} for s in (0, 1) for source in ("a/x", "b/y")]
    found = gathered(tmp_path, csv(tmp_path / "a.csv", rows))
    assert sorted({run.variant for run, _ in found.runs}) == ["ext:sac@x", "ext:sac@y"]
    rows = [row | {"source": str(row["source"]).replace("y", "x")} for row in rows]
    found = gathered(tmp_path, csv(tmp_path / "b.csv", rows))
    assert sorted({run.variant for run, _ in found.runs}) == ["ext:sac@a/x", "ext:sac@b/x"]


def test_what_diverged_counts_with_the_lower_bound_and_keeps_the_budget(tmp_path: Path) -> None:
    files = []
    for seed in range(3):
        returns = np.full((4, 2), 100.0 + seed)
        returns[2:, 1] = np.nan if seed == 1 else 100.0
        files.append(
            sb3(tmp_path / f"{seed}.npz", timesteps=[1, 2, 3, 4], results=returns, ep_lengths=returns * 0 + 9)
        )
    runs = stored(tmp_path / "results", *files)
    assert [(run.status, run.reason) for run in runs] == [
        ("finished", None),
        ("diverged", "no return (NaN) from env step 3 on"),
        ("finished", None),
    ]
    found = read_summary(tmp_path / "results", ["ext:sac"], resamples=100)
    assert (found.budget, found.cells[0].scores, found.cells[0].diverged) == (4, (100.0, 0.0, 101.0), (1,))


def test_a_length_that_is_not_known_is_0(tmp_path: Path) -> None:
    lengths = np.array([[np.nan, 5.0], [7.0, np.nan]])
    evals = read_evals(stored(tmp_path / "results", sb3(tmp_path / "a.npz", ep_lengths=lengths)))
    assert evals["length"].tolist() == [0, 5, 7, 0]


def test_tasks_of_myosuite_are_scored_by_their_successes(tmp_path: Path) -> None:
    form = {"exp_name": "x", "seed": 0, "env_step": 5}
    both = [("avg_return", 300.0), ("avg_success", 0.7)]
    rows = [form | {"env_name": "myo-pose-hard", "metric": metric, "value": value} for metric, value in both]
    rows += [form | {"env_name": "dog_run", "metric": metric, "value": value} for metric, value in both]
    wish = {"bounds": None, "choices": Choices()}
    found = gathered(tmp_path, csv(tmp_path / "a.csv", rows), **wish)
    told = {run.task: (table["return"].to_pylist(), table["success"].to_pylist()) for run, table in found.runs}
    assert told == {"myosuite/myo-pose-hard": ([0.7], [0.7]), RUN: ([300.0], [0.7])}
    assert found.by_success == ("myosuite/myo-pose-hard",)
    with pytest.raises(UsageError, match="is scored by the share of successes, from 0 to 1, and has returns of 300"):
        gathered(tmp_path, csv(tmp_path / "b.csv", rows[:1]), **wish)


def test_runs_with_the_same_numbers_are_told(tmp_path: Path) -> None:
    rows = [{"seed": s, "step": k, "score": 100.5 + k} for s in (3, 7) for k in range(5)]
    (alike,) = gathered(tmp_path, csv(tmp_path / "a.csv", rows)).alike
    assert [run.seed for run in alike] == [3, 7]
    assert gathered(tmp_path, csv(tmp_path / "b.csv", [row | {"score": 0.0} for row in rows])).alike == ()


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("evil.npz", timesteps=np.array([Bomb()], dtype=object), results=np.zeros(1))
    with pytest.raises(StoreError, match=r"evil.npz: cannot be read: .*pickle"):
        gathered(tmp_path, Path("evil.npz"))
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.csv", "step,seed,score\n1,2,high\n", "row 1: score 'high' is no number"),
        ("a.csv", "step,seed,score\n,2,1\n", "row 1: step is empty"),
        ("a.csv", "step,seed,score\n1,two,1\n1,2,1\n", "row 1: seed 'two' is no whole number from 0"),
        ("a.csv", "step,seed,score\n1,mean,1\n", "holds no run: its rows are aggregates over seeds"),
        ("a.npz", "not a zip", "cannot be read: "),
        ("a.parquet", "PAR", "cannot be read: "),
        ("a.xyz", "", "'.xyz' is no format to import"),
        ("mean_return.npy", "", "no env_interacts.npy there"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_that_names_it(
    name: str, text: str, line: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(StoreError) as caught:
        gathered(tmp_path, tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}: {line}")
    assert "\n" not in str(caught.value)


def test_folders_of_variants_are_safe_and_differ() -> None:
    names = ["paper:DIME", "paper:BRO (Fast)", "paper:BRO [Fast]", "ext:../../etc", "ext:a/b"]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert folders[0] == "paper@DIME"
    assert not any("/" in folder or folder.startswith(".") for folder in folders)


def test_external_curves_are_read_between_their_evaluations_and_never_beyond(tmp_path: Path) -> None:
    runs = stored(tmp_path / "results", sb3(tmp_path / "a.npz", timesteps=np.array([1, 100])))
    (curve,) = curves(runs, read_evals(runs))
    assert curve.covers(0), "an evaluation after one env step is one before training"
    assert curve.covers(50)
    assert not curve.covers(101)
    assert curve.values([1, 50, 100]).tolist() == pytest.approx([2, 2 + 18 * 49 / 99, 20])


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared/reference with the collected files")
def test_the_whole_published_file_reproduces_its_aggregates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dimebench.cli.import_ import import_

    monkeypatch.setattr("os.fsync", lambda _: None)  # 5,000 files that nobody needs tomorrow
    assert import_([str(SHARED / "published_scores.parquet")], results=tmp_path) == 0
    runs = read_runs(tmp_path)
    assert len(runs) == 2531
    by_key = {(run.suite, run.variant, run.task): [] for run in runs}
    for run in runs:
        by_key[run.suite, run.variant, run.task].append(run)
    anchors = pd.read_csv(SHARED / "published_anchors.csv")
    anchors = anchors[(anchors["env_suite"] == "dmc") & anchors["algorithm"].isin(["DIME", "BRO", "FlashSAC"])]
    checked = 0
    for row in anchors.itertuples():
        of = by_key["external-dm_control", f"paper:{row.algorithm}", f"dm_control/{row.task}"]
        found = curves(of, read_evals(of))
        scores = [c.values([row.actual_env_steps])[0] for c in found if c.covers(row.actual_env_steps)]
        assert len(scores) == row.n
        assert np.mean(scores) == pytest.approx(row.mean, abs=1e-3)
        assert trim_mean(scores, 0.25) == pytest.approx(row.iqm, abs=1e-3)
        checked += 1
    assert checked >= 40
    compared = read_summary(tmp_path, ["paper:DIME", "paper:BRO"], suite="external-dm_control", resamples=500)
    assert compared.budget == 984_000
    assert any("paper:BRO: published curves from naumix" in line for line in remarks(compared))


def test_bounds_of_a_suite_that_has_its_own_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--bounds: suite quick has bounds of its own"):
        gathered(tmp_path, sb3(tmp_path / "a.npz"), suite="quick", choices=CHOICES)


def test_what_was_said_of_a_run_is_not_changed_in_silence(tmp_path: Path) -> None:
    results, file = tmp_path / "results", sb3(tmp_path / "a.npz")
    stored(results, file)
    for wishes, line in (
        (
            {"bounds": {"lower": 0.0, "upper": 500.0}},
            r"with score \('final', 0.0, 1000.0\), not \('final', 0.0, 500.0\)",
        ),
        ({"action_repeat": 2, "choices": replace(WISH.choices, unit="frames")}, "holds this run with unit env steps"),
        ({"choices": replace(WISH.choices, source="a paper")}, r"with source a\.npz, not a paper"),
    ):
        with pytest.raises(ImportConflictError, match=line):
            gathered(tmp_path, file, **wishes)


def test_a_copy_in_a_later_command_is_there_already(tmp_path: Path) -> None:
    results = tmp_path / "results"
    stored(results, sb3(tmp_path / "a.npz"))
    copy = sb3(tmp_path / "copy.npz")
    assert len(gathered(tmp_path, copy).already) == 1
    with pytest.raises(StoreError, match="this run is there already, as seed 0"):
        gathered(tmp_path, copy, first_seed=9)


def test_sources_are_kept_apart_in_later_commands_too(tmp_path: Path) -> None:
    results = tmp_path / "results"
    rows = [{"seed": 0, "step": k, "score": 1.5 * k, "source": "me/one"} for k in range(5)]
    stored(results, csv(tmp_path / "a.csv", rows))
    other = csv(tmp_path / "b.csv", [row | {"seed": 1, "score": 9.0, "source": "you/two"} for row in rows])
    with pytest.raises(ImportConflictError, match="the runs there are from me/one, these from you/two"):
        gathered(tmp_path, other)
    again = csv(tmp_path / "c.csv", [row | {"algorithm": "ppo"} for row in rows])
    (pair,) = gathered(tmp_path, again, choices=Choices(task=RUN)).elsewhere
    assert [run.variant for run in pair] == ["ext:ppo", "ext:sac"]


def test_evaluations_without_a_run_json_are_not_written_over_by_another_run(tmp_path: Path) -> None:
    results = tmp_path / "results"
    rows = [{"seed": s, "step": k, "score": 1.5 * k + s} for s in (0, 1) for k in range(5)]
    stored(results, csv(tmp_path / "a.csv", rows))
    (results / "external-dm_control/ext@sac" / RUN / "seed-001/run.json").unlink()
    assert [run.seed for run in stored(results, csv(tmp_path / "b.csv", rows[:5]))] == [0]
    seedless = csv(tmp_path / "c.csv", [{"step": k, "score": 7.5 * k} for k in range(5)])
    assert [run.seed for run, _ in gathered(tmp_path, seedless).runs] == [2], "1 is taken by what is left there"
    other = csv(tmp_path / "d.csv", [row | {"score": 3.0} for row in rows[5:]])
    with pytest.raises(ImportConflictError, match=r"seed-001: holds evaluations without a run\.json"):
        gathered(tmp_path, other)
    assert [run.seed for run in stored(results, tmp_path / "a.csv")] == [0, 1], "the same run heals it"


def test_ones_own_runs_are_read_as_they_are(tmp_path: Path) -> None:
    recorded = sorted(Path("results/recorded/learns/random").rglob("evals.parquet"))
    if not recorded:
        pytest.skip("no recorded runs beside the tests")
    own = pd.read_parquet(recorded[0])
    ((run, table),) = gathered(tmp_path, recorded[0], suite="learns", choices=Choices(), bounds=None).runs
    assert run.variant == "ext:random"
    assert table["env_step"].to_pylist() == own["env_step"].tolist()
    assert table["return"].to_pylist() == own["return"].tolist()
    with pytest.raises(UsageError, match=r"--action-repeat 2: .* says that it is"):
        gathered(tmp_path, recorded[0], suite="learns", choices=Choices(), bounds=None, action_repeat=2)


def test_a_variant_and_a_divergence_of_ones_own_are_kept(tmp_path: Path) -> None:
    rows = [
        {"algorithm": "sac", "variant": variant, "seed": 0, "env_step": k, "return": r, "diverged": r is None}
        for variant in ("sac", "sac:utd=2")
        for k, r in ((1, 5.0), (2, None if variant == "sac" else 6.0))
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    found = gathered(tmp_path, tmp_path / "a.parquet", choices=Choices(task=RUN, algorithm_column="variant")).runs
    assert {run.variant: run.status for run, _ in found} == {"ext:sac": "diverged", "ext:sac:utd=2": "finished"}


def test_options_that_the_files_leave_nothing_to_choose_for_are_refused(tmp_path: Path) -> None:
    arrays = sb3(tmp_path / "a.npz")
    table = csv(tmp_path / "a.csv", [{"seed": 0, "step": 1, "score": 2.0}])
    for choices in ({"step": "x"}, {"metric": "x"}, {"seed_column": "x"}, {"success": "x"}, {"runs_in": "rows"}):
        with pytest.raises(StoreError, match=r"a\.npz: --.*: (names something in a table|is for a pair)"):
            gathered(tmp_path, arrays, choices=replace(WISH.choices, **choices))
    with pytest.raises(StoreError, match="--runs-in rows: is for a pair"):
        gathered(tmp_path, table, choices=replace(WISH.choices, runs_in="rows"))
    with pytest.raises(UsageError, match="--seed 5: numbers runs without a seed; these files tell theirs"):
        gathered(tmp_path, table, first_seed=5)


def test_a_file_of_another_task_is_not_called_by_the_one_that_is_given(tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", [{"task": "dog_walk", "seed": 0, "step": 1, "score": 2.0}])
    with pytest.raises(
        UsageError, match=r"is of task 'dog_walk', not --task dm_control/dog-run: --rename-task dog_walk="
    ):
        gathered(tmp_path, file)
    assert gathered(tmp_path, file, choices=Choices(algorithm="x", task="dog-walk")).runs


def test_nothing_left_is_said(tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", [{"task": "dog-run", "algo": "x", "seed": 0, "step": 1, "score": 2.0}])
    for suite in (None, "dmc-hard"):
        with pytest.raises(UsageError, match="no task is left to import"):
            gathered(tmp_path, file, suite=suite, choices=Choices(), bounds=None, renamed={"dog-run": ""})


def test_a_name_that_says_it_is_published_needs_the_option(tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", [{"algo": "paper:X", "seed": 0, "step": 1, "score": 2.0}])
    with pytest.raises(StoreError, match="'paper:X': says that it is published: add --published"):
        gathered(tmp_path, file, choices=Choices(task=RUN))
    assert gathered(tmp_path, file, choices=Choices(task=RUN), published=True).runs[0][0].variant == "paper:X"
    with pytest.raises(StoreError, match="'ext:': has no name after its prefix"):
        gathered(tmp_path, file, choices=Choices(task=RUN, algorithm="ext:"))


def test_a_success_that_is_missing_is_not_a_return(tmp_path: Path) -> None:
    rows = [{"seed": 0, "step": k, "score": 0.2, "success": s} for k, s in ((1, 0.5), (2, None))]
    choices = Choices(algorithm="x", task="myo-pose-hard")
    found = gathered(tmp_path, csv(tmp_path / "a.csv", rows), bounds=None, choices=choices)
    assert found.runs[0][1]["return"].to_pylist() == [0.5]
    assert found.told.unscored == 1


def test_a_folder_is_all_that_can_be_read_in_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for seed in range(3):
        csv(tmp_path / "in" / f"{seed}.csv", [{"seed": seed, "step": 1, "score": 2.0 + seed}])
    (tmp_path / "in" / "notes.txt").write_text("not this")
    assert [run.seed for run, _ in gathered(tmp_path, tmp_path / "in").runs] == [0, 1, 2]
    (tmp_path / "none").mkdir()
    with pytest.raises(StoreError, match="none: a folder without anything to import"):
        gathered(tmp_path, tmp_path / "none")
