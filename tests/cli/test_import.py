"""`import` as one types it: what it takes, what it says that it took, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.cli.calls import TASK, Call, refused

OWN = "dm_control/cartpole-swingup"


def sb3(place: Path, name: str = "evaluations.npz", more: float = 0.0) -> None:
    results = np.array([[10.0, 12.0], [20.0, 22.0], [30.0, 32.0]]) + more
    np.savez(place / name, timesteps=[0, 30, 60], results=results)


def curves(
    place: Path, name: str, algorithm: str, seeds: tuple[int, ...] = (0, 1), steps: int = 2, **more: object
) -> None:
    rows = [
        {"algorithm": algorithm, "task": OWN, "seed": s, "step": 1000 * k, "score": 100.0 + s + k, **more}
        for s in seeds
        for k in range(1, steps + 1)
    ]
    pd.DataFrame(rows).to_csv(place / name, index=False)


def test_imported_runs_work_in_every_command(dimebench: Call, results: Path, place: Path) -> None:
    sb3(place)
    sb3(place, "b.npz", 5.0)
    words = ["evaluations.npz", "b.npz", "suite=tiny", "--algorithm", "sb3-sac", "--task", TASK]
    words += ["--action-repeat", "50"]  # what its env steps are worth in frames, as those of suite tiny
    answer = dimebench("import", *words, "--source", "our cluster", "--licence", "MIT")
    assert (answer.code, answer.err) == (0, "")
    assert answer.lines[0] == "2 runs of 1 variant imported into results/tiny"
    assert any(line.split()[0] == "ext:sb3-sac" for line in dimebench("status").lines)
    compared = dimebench("compare", "dime", "ext:sb3-sac")
    assert compared.code == 0
    assert any("ext:sb3-sac: curves of another tool from our cluster (licence: MIT" in x for x in compared.lines)
    assert "ext:sb3-sac" not in dimebench("compare", "dime", "sac").out
    assert dimebench("report", "dime", "ext:sb3-sac", "--html", "--formats", "svg").code == 0
    assert dimebench("export", "dime", "ext:sb3-sac", "--format", "csv").code == 0
    again = json.loads(dimebench("import", *words, "--source", "our cluster", "--licence", "MIT", "--json").out)
    assert (again["written"], again["already_there"]) == (0, 2)


def test_import_says_what_is_wrong_in_one_line(dimebench: Call, place: Path) -> None:
    sb3(place)
    refused(dimebench("import", "nothing.csv"), "nothing.csv: no such file")
    refused(
        dimebench("import", "evaluations.npz", "--task", TASK),
        "evaluations.npz: names no algorithm: add --algorithm NAME",
    )
    words = ["evaluations.npz", "--algorithm", "x"]
    refused(
        dimebench("import", *words, "--task", TASK, "--unit", "hours"),
        "--unit hours: unknown unit (known: env-steps, frames)",
    )
    refused(
        dimebench("import", *words, "--task", "dog-run", "suite=tiny"),
        "suite=tiny: has none of the file's tasks (dm_control/dog-run)",
    )
    refused(
        dimebench("import", *words, "--task", "other/thing"),
        "other/thing: which returns score 0 and 1 is not known: add --bounds LOWER,UPPER",
    )
    assert not (place / "results").exists()


def test_import_knows_short_names_of_tasks(dimebench: Call, place: Path) -> None:
    table = "algorithm,task,seed,env_steps,score\n" + "".join(f"x,{{}},0,{step},3\n" for step in (0, 30, 60))
    (place / "short.csv").write_text(table.format(*3 * ["cartpole-swingup"]))
    (place / "old.csv").write_text(table.format(*3 * ["Ant-v4"]))
    assert dimebench("import", "short.csv").code == dimebench("import", "old.csv").code == 0
    assert (place / "results/external-dm_control/ext@x/dm_control/cartpole-swingup").is_dir()
    assert (place / "results/external-gymnasium/ext@x/gymnasium/Ant-v4").is_dir()
    (place / "wrong.csv").write_text(table.format(*3 * ["cartpole-swngup"]))
    refused(
        dimebench("import", "wrong.csv"),
        "wrong.csv: unknown task 'cartpole-swngup' (nearest: cartpole-swingup)",
    )
    sb3(place)
    words = ["import", "evaluations.npz", "--algorithm", "x", "--task"]
    refused(dimebench(*words, "walker-stnd"), "--task walker-stnd: unknown task (nearest: walker-stand)")
    refused(
        dimebench(*words, "dm_control/walker-stnd"),
        "--task dm_control/walker-stnd: unknown task (nearest: dm_control/walker-stand)",
    )


def test_import_refuses_a_misspelt_suite_and_takes_a_new_one(dimebench: Call, place: Path) -> None:
    sb3(place)
    words = ["import", "evaluations.npz", "--algorithm", "x", "--task", TASK]
    refused(
        dimebench(*words, "suite=tinny"),
        "suite=tinny: unknown suite (nearest: tiny); call a new one external-NAME",
    )
    refused(dimebench(*words, "suite=tinny.yaml"), "tinny.yaml: no such file (nearest: tiny)")
    assert not (place / "results").exists()
    for suite in ("external-tinny", "our-lab"):
        assert dimebench(*words, f"suite={suite}").code == 0
        assert (place / "results" / suite).is_dir()


def test_it_says_which_columns_it_took_and_what_steps_became(dimebench: Call, place: Path) -> None:
    curves(place, "a.csv", "A")
    answer = dimebench("import", "a.csv", "suite=quick", "--action-repeat", "8")
    assert answer.lines[2] == (
        "a.csv: algorithm from 'algorithm', task from 'task', seed from 'seed', step from 'step', "
        "score from 'score'; steps count env steps of 8 frames (column 'step'): 2,000 source steps = "
        "4,000 env steps of 4 frames"
    )
    told = json.loads(dimebench("import", "a.csv", "suite=quick", "--unit", "frames", "--results", "b", "--json").out)
    assert told["files"] == [
        {
            "file": "a.csv",
            "columns": {key: key for key in ("algorithm", "task", "seed", "step", "score")},
            "unit": "frames",
            "unit_from": "--unit",
            "last_step": 2000.0,
            "env_steps": 500,
            "left_out": {},
        }
    ]


def test_the_columns_that_are_meant_can_be_named(dimebench: Call, place: Path) -> None:
    table = pd.DataFrame({"algo": "x", "env": OWN, "Step": [0, 1], "global_step": [500, 1000], "reward": 1.0})
    table.assign(score=[5.0, 6.0], run=[7, 7], seed=[0, 1]).to_csv(place / "a.csv", index=False)
    refused(
        dimebench("import", "a.csv"), "a.csv: several columns could be the seed ('seed', 'run'): "
        "choose with --seed-column COLUMN",
    )  # fmt: skip
    words = ["import", "a.csv", "--seed-column", "run", "--step", "global_step", "--score", "score"]
    assert dimebench(*words).code == 0
    evals = pd.read_parquet(next((place / "results").rglob("seed-007/evals.parquet")))
    assert evals[["env_step", "return"]].to_numpy().tolist() == [[500, 5], [1000, 6]]


@pytest.mark.parametrize("name", ["SAC\u00a0(ours)", "agent\u200dx", "S\u00adAC", "SAC\tx", "SAC\nx", "ΔSAC"])
def test_a_name_that_is_written_is_read_by_every_command(name: str, dimebench: Call, place: Path) -> None:
    for other in ("A", "B", name):
        curves(place, "a.csv", other)
        assert dimebench("import", "a.csv").code == 0
    for words in (["compare", "ext:A", "ext:B"], ["status"], ["report", "--formats", "svg"], ["export"]):
        answer = dimebench(*words)
        assert (answer.code, answer.err) == (0, ""), words


def test_a_name_that_nobody_could_read_is_refused_and_nothing_written(dimebench: Call, place: Path) -> None:
    curves(place, "a.csv", "A\x1bB")
    refused(dimebench("import", "a.csv"), "a.csv: algorithm 'A\\x1bB' holds characters that cannot be shown")
    assert not (place / "results").exists()


def test_nothing_is_written_where_one_of_several_cannot_be(dimebench: Call, place: Path) -> None:
    curves(place, "a.csv", "A")
    assert dimebench("import", "a.csv").code == 0
    curves(place, "b.csv", "A", seeds=(5, 0), more=1)
    other = pd.read_csv(place / "b.csv").assign(score=7.0)
    other.to_csv(place / "b.csv", index=False)
    answer = dimebench("import", "b.csv")
    assert (answer.code, answer.out) == (4, "")
    assert not list((place / "results").rglob("seed-005")), "the check comes before the first byte"


def test_scores_that_no_statistics_can_use_are_refused(dimebench: Call, place: Path) -> None:
    curves(place, "a.csv", "A")
    pd.read_csv(place / "a.csv").assign(score=1e100).to_csv(place / "b.csv", index=False)
    refused(dimebench("import", "b.csv"), "b.csv: row 1: score 1e+100 is beyond 1e+15")
    for bounds in ("0,1e300", "0,1e-12", "0,inf", "nan,1", "1,0"):
        refused(
            dimebench("import", "a.csv", "--bounds", bounds),
            f"--bounds {bounds}: write two numbers, the lower one first",
        )


def test_where_scores_end_is_said_and_who_limits_the_budget(dimebench: Call, place: Path) -> None:
    curves(place, "a.csv", "A", steps=3)
    table = pd.read_csv(place / "a.csv")
    table.loc[2, "score"] = None
    table.to_csv(place / "a.csv", index=False)
    curves(place, "b.csv", "B", steps=3)
    answer = dimebench("import", "a.csv")
    assert f"ext:A on {OWN} seed 0: scores end at env step 2,000 of 3,000" in answer.lines
    assert "left out: 1 row without a score" in answer.lines
    assert dimebench("import", "b.csv").code == 0
    for words, where in (([], "scored at 2,000 env steps"), (["--budget", "3000"], "scored at 2,000 env steps")):
        compared = dimebench("compare", "ext:A", "ext:B", *words)
        assert f"{where}, budget limited by ext:A)" in compared.lines[0]
        limited = f"budget limited by ext:A: its run on {OWN} seed 0 ends at 2,000 env steps; others reach 3,000"
        assert limited in compared.lines
    assert "limited" not in dimebench("compare", "ext:A", "ext:B", "--budget", "1000").out


def test_a_run_without_run_json_is_named_and_the_others_count(dimebench: Call, place: Path) -> None:
    for name in "AB":
        curves(place, "a.csv", name, seeds=(0, 1, 2))
        assert dimebench("import", "a.csv").code == 0
    lost = next((place / "results").rglob("ext@A/*/*/seed-001/run.json"))
    lost.unlink()
    file = lost.relative_to(place).with_name("evals.parquet")
    line = f"not read, so not counted: {file}: evaluations without a run.json beside them"
    compared = dimebench("compare", "ext:A", "ext:B")
    assert compared.code == 0
    assert line in compared.lines
    assert "Left out: 1 run that cannot be read." in compared.lines[0]
    assert f"dimebench: {file}: evaluations without a run.json beside them" in dimebench("status").err
    assert f"dimebench: {line}\n" == dimebench("export", "--format", "zip").err
    assert dimebench("import", "a.csv").code == 0


def test_power_reads_what_import_reads(dimebench: Call, place: Path) -> None:
    rows = [
        {"algorithm": a, "task": t, "env_steps": k, "seed": s, "score": 100.0 * (s + 1) + 7 * (a == "B") + k / 10}
        for a in "AB"
        for t in ("dog-run", "dog-walk")
        for s in range(5 if a == "A" else 3)
        for k in (10, 20)
    ]
    table = pd.DataFrame(rows)
    table.to_csv(place / "plain.csv", index=False)
    table.astype({"algorithm": "category", "task": "category"}).to_parquet(place / "categories.parquet")
    table.set_index("seed").to_parquet(place / "index.parquet")
    words = ["power", "A", "B", "--difference", "0.3", "--simulations", "20", "--json", "--from"]
    answers = [
        json.loads(dimebench(*words, name).out) for name in ("plain.csv", "categories.parquet", "index.parquet")
    ]
    assert answers[0] == answers[1] | {"source": "plain.csv"} == answers[2] | {"source": "plain.csv"}
    cut = table[(table["algorithm"] == "A") | (table["env_steps"] == 10)]
    cut.to_csv(place / "cut.csv", index=False)
    told = json.loads(dimebench(*words, "cut.csv").out)["notes"]
    assert told == ["budget limited by B: its run on dog-run seed 0 ends at 10 env steps; others reach 20"]
    pd.concat([table, table.assign(score=1.0)]).to_csv(place / "twice.csv", index=False)
    assert "begin again" in dimebench(*words, "twice.csv").err
    refused(
        dimebench("power", "A", "B", "--step", "k"),
        "--step k: works with --from FILE; a results folder brings its suite's own",
    )


def test_the_form_that_several_groups_publish(dimebench: Call, place: Path) -> None:
    rows = [
        {"exp_name": "x", "env_name": task, "seed": s, "metric": metric, "env_step": float(k), "value": value}
        for task in ("cartpole_swingup", "Ant-v4", "myo-pose", "h1-run-v0")
        for metric, value in (("avg_return", 0.5), ("avg_success", 0.25))
        for s in (0, 1000)
        for k in (0, 4000)
    ]
    pd.DataFrame(rows).to_csv(place / "x.csv")
    answer = dimebench("import", "x.csv")
    assert answer.code == 0
    runs = sorted(str(path.relative_to(place / "results").parent) for path in (place / "results").rglob("run.json"))
    assert runs == [
        f"external-{family}/ext@x/{family}/{task}/seed-{seed:03d}"
        for family, task in (("dm_control", "cartpole-swingup"), ("gymnasium", "Ant-v4"), ("myosuite", "myo-pose"))
        for seed in (0, 1000)
    ]
    assert answer.lines[-1].endswith("(--bounds LOWER,UPPER does): humanoid_bench/h1-run-v0")
    assert dimebench("import", "x.csv", "suite=quick", "--results", "q").code == 0
    evals = pd.concat(map(pd.read_parquet, (place / "q").rglob("evals.parquet")))
    assert sorted(set(evals["env_step"])) == [0, 1000]
    assert set(evals["success"]) == {0.25}
