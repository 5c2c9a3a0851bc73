"""Curves of other tools as runs: four kinds of files, units, refusals, and the whole published file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import trim_mean

from dimebench.analysis import read_summary
from dimebench.analysis.curves import curves
from dimebench.store import StoreError, read_evals, read_runs
from dimebench.store.importers import (
    ImportConflictError,
    Origin,
    Target,
    external,
    external_runs,
    folder_name,
    read_files,
    write_external,
)
from dimebench.wording.notes import remarks

SHARED = Path(__file__).parents[2].parent / "shared" / "reference"
RUN = "dm_control/dog-run"
ORIGIN = Origin("a paper", "MIT", "env steps", 1, published=False)
TARGET = Target("small", 1, {RUN: {"kind": "final", "lower": 0.0, "upper": 1000.0}})
GIVEN = {"algorithm": "sac", "task": RUN, "source": "", "licence": ""}


def sb3(file: Path, **changes) -> Path:
    arrays = {"timesteps": np.array([0, 100]), "results": np.array([[1.0, 3.0], [10.0, 30.0]])}
    np.savez(file, **arrays | {"ep_lengths": np.array([[5, 6], [7, 8]])} | changes)
    return file


def stored(results: Path, frame: pd.DataFrame, origin: Origin = ORIGIN, target: Target = TARGET) -> list:
    for run, evals in external_runs(frame, origin, target):
        write_external(results, run, evals)
    return read_runs(results)


def test_sb3_evaluations_are_one_run_with_all_their_episodes(tmp_path: Path) -> None:
    frame, lost = read_files([sb3(tmp_path / "a.npz"), sb3(tmp_path / "b.npz")], GIVEN, first_seed=4)
    runs = stored(tmp_path / "results", frame)
    assert lost == 0
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


@pytest.mark.parametrize("turned", [False, True])
def test_npy_pair_holds_a_run_per_row_or_per_column(turned: bool, tmp_path: Path) -> None:
    returns = np.arange(6.0).reshape(2, 3)
    np.save(tmp_path / "env_interacts.npy", [0, 10, 20])
    np.save(tmp_path / "mean_return.npy", returns.T if turned else returns)
    frame, _ = read_files([tmp_path], GIVEN)
    assert frame.groupby("seed")["score"].apply(list).to_dict() == {0: [0, 1, 2], 1: [3, 4, 5]}


def test_long_csv_is_read_by_the_usual_names_of_its_columns(tmp_path: Path) -> None:
    file = tmp_path / "long.csv"
    file.write_text(
        "Algo,env_id,Seed,global_step,episodic_return\nppo,dm_control/dog-run,3,10,1.5\nppo,dm_control/dog-run,3,20,\n"
    )
    frame, lost = read_files([file], {})
    assert (len(frame), lost) == (1, 1)
    assert frame.loc[0, ["algorithm", "task", "seed", "step", "score"]].tolist() == ["ppo", RUN, 3, 10, 1.5]


def test_frames_of_a_source_become_the_suites_env_steps(tmp_path: Path) -> None:
    frame, _ = read_files([sb3(tmp_path / "a.npz")], GIVEN)
    source = Origin("x", "MIT", "env steps", 4, published=True)  # 100 env steps are 400 frames
    (run,) = stored(tmp_path / "results", frame, source, Target("small", 2, TARGET.score))
    assert run.variant == "paper:sac"
    assert sorted(set(read_evals([run])["env_step"])) == [0, 200]


def test_a_run_is_written_once_and_never_over_another(tmp_path: Path) -> None:
    frame, _ = read_files([sb3(tmp_path / "a.npz")], GIVEN)
    ((run, evals),) = external_runs(frame, ORIGIN, TARGET)
    assert write_external(tmp_path / "results", run, evals)
    assert not write_external(tmp_path / "results", run, evals)
    ((other, rows),) = external_runs(frame.assign(score=0.0), ORIGIN, TARGET)
    with pytest.raises(ImportConflictError, match=r"holds another run \(imported from a paper\)"):
        write_external(tmp_path / "results", other, rows)


def test_sources_of_one_algorithm_on_one_task_are_told_apart() -> None:
    rows = [("sac", RUN, 0, s, 1.0, 0, source, "") for s in (0, 1) for source in ("a/x", "b/y")]
    frame = pd.DataFrame(rows, columns=["algorithm", "task", "seed", "step", "score", "length", "source", "licence"])
    assert [run.variant for run, _ in external_runs(frame, ORIGIN, TARGET)] == ["ext:sac@x", "ext:sac@y"]


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


def test_a_pickle_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("evil.npz", timesteps=np.array([Bomb()], dtype=object), results=np.zeros(1))
    with pytest.raises(StoreError, match=r"evil.npz: cannot be read: .*pickle"):
        read_files([Path("evil.npz")], GIVEN)
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("a.csv", "step,seed\n1,2\n", "no column for the score (one of score, return"),
        ("a.csv", "step,seed,score\n1,2,high\n", "row 1: score 'high' is no number"),
        ("a.csv", "step,seed,score\n,2,1\n", "row 1: column 'step' is empty"),
        ("a.csv", "step,seed,score\n1,two,1\n", "seed 'two' is no whole number from 0 (nor mean, median, iqm)"),
        ("a.csv", "step,seed,score\n1,2,inf\n", "the scores are not all finite"),
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
        read_files([tmp_path / name], GIVEN)
    assert str(caught.value).startswith(f"{tmp_path / name}: {line}")
    assert "\n" not in str(caught.value)


def test_folders_of_variants_are_safe_and_differ() -> None:
    names = ["paper:DIME", "paper:BRO (Fast)", "paper:BRO [Fast]", "ext:../../etc", "ext:a/b"]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    assert folders[0] == "paper@DIME"
    assert not any("/" in folder or folder.startswith(".") for folder in folders)


def test_external_curves_are_read_between_their_evaluations_and_never_beyond(tmp_path: Path) -> None:
    frame, _ = read_files([sb3(tmp_path / "a.npz", timesteps=np.array([1, 100]))], GIVEN)
    runs = stored(tmp_path / "results", frame)
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
