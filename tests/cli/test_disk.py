"""What a real run leaves on disk: the layout, the schema, the facts that explain a file alone."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from dimebench.config import identity_hash
from dimebench.store import read_evals, read_run, read_runs, read_train
from tests.cli.calls import TASK, Answer, cell, half_written

ALGORITHMS = ("dime", "crossq", "sac", "random")
COLUMNS = {
    **dict.fromkeys(("suite", "algorithm", "variant", "task"), "object"),
    **dict.fromkeys(("seed", "env_step", "grad_step", "episode"), "int64"),
    "return": "float64",
    "length": "int64",
    "success": "float64",  # null everywhere: these tasks have no notion of success
    "wall_time_s": "float64",
    "diverged": "bool",
}


@pytest.fixture(scope="module")
def made(trained: tuple[Path, Answer]) -> Path:
    return trained[0] / "results"


def test_run_says_what_it_did(trained: tuple[Path, Answer]) -> None:
    answer = trained[1]
    assert answer.trouble == ""
    assert answer.told.startswith("tiny: 8 runs finished, 0 were done already (8 asked for, 0:")
    assert answer.told.endswith("); results in results/")
    for name in ALGORITHMS:
        for seed in ("seed-000", "seed-001"):
            told = [line.removeprefix(f"{name} on {TASK} {seed}: ") for line in answer.lines if f"{name} on" in line]
            assert {"started", "finished"} <= set(told)
    assert "\x1b" not in answer.out, "plain lines where there is no terminal"


def test_the_layout_is_the_documented_one_and_nothing_else(made: Path) -> None:
    found = {str(file.relative_to(made)) for file in made.rglob("*") if file.is_file()}
    expected = set()
    for name in ALGORITHMS:
        for seed in ("seed-000", "seed-001"):
            expected |= {f"tiny/{name}/{TASK}/{seed}/{f}" for f in ("run.json", "evals.parquet", "train.parquet")}
            if name != "random":
                expected.add(f"tiny/{name}/{TASK}/checkpoints/{seed}/policy.safetensors")
            code = json.loads((made / f"tiny/{name}/{TASK}/{seed}/run.json").read_text())["identity"]["of"]["code"]
            expected.add(f".code/{code}.json")
    assert found == expected
    assert half_written(made) == []


@pytest.mark.parametrize("name", ALGORITHMS)
def test_plain_pandas_reads_the_evaluations(name: str, made: Path) -> None:
    for seed in (0, 1):
        evals = pd.read_parquet(cell(made, name) / f"seed-{seed:03d}" / "evals.parquet")
        assert {column: str(kind) for column, kind in evals.dtypes.items()} == COLUMNS
        assert evals["env_step"].tolist() == [0, 30, 60]
        assert evals["episode"].tolist() == [0, 0, 0]
        assert evals["length"].between(1, 20).all()
        assert evals["return"].between(0, 1000).all()
        assert not evals["diverged"].any()
        assert evals["success"].isna().all()
        assert evals["wall_time_s"].is_monotonic_increasing
        keys = evals[["suite", "algorithm", "variant", "task", "seed"]].drop_duplicates().values.tolist()
        assert keys == [["tiny", name, name, TASK, seed]]


@pytest.mark.parametrize(
    ("name", "grad_steps"),
    [("dime", [0, 20, 80]), ("crossq", [0, 10, 40]), ("sac", [0, 10, 40]), ("random", [0, 0, 0])],
)
def test_gradient_steps_are_counted_from_the_random_start_on(name: str, grad_steps: list[int], made: Path) -> None:
    evals = pd.read_parquet(cell(made, name) / "seed-000" / "evals.parquet")
    utd = grad_steps[-1] // 40
    assert evals["grad_step"].tolist() == grad_steps == [0, 10 * utd, 40 * utd]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_table_carries_its_schema_version_and_identity(name: str, made: Path) -> None:
    folder = cell(made, name) / "seed-001"
    identity = json.loads((folder / "run.json").read_text())["identity"]
    for file in ("evals.parquet", "train.parquet"):
        facts = pq.read_schema(folder / file).metadata
        assert facts[b"dimebench.schema"] == b"1"
        assert json.loads(facts[b"dimebench.identity"]) == identity


@pytest.mark.parametrize("name", ALGORITHMS)
def test_run_json_says_what_the_run_is_and_where_it_comes_from(name: str, made: Path) -> None:
    content = json.loads((cell(made, name) / "seed-001" / "run.json").read_text())
    known = {key: content[key] for key in ("schema", "suite", "algorithm", "variant", "task", "seed", "status")}
    assert known == {
        "schema": 1,
        "suite": "tiny",
        "algorithm": name,
        "variant": name,
        "task": TASK,
        "seed": 1,
        "status": "finished",
    }
    assert content["reason"] is None
    assert content["block"] == "seed-001"
    assert content["score"] == {"kind": "final", "lower": 0.0, "upper": 1000.0}
    assert content["progress"]["env_step"] == 60
    told = content["provenance"]
    assert told["command"] == "dimebench run suite=tiny --seeds 2"
    assert datetime.fromisoformat(told["started"]) <= datetime.fromisoformat(told["finished"])
    assert (told["device"], told["seeds_together"], told["resumed"]) == ("cpu", [1], 0)
    assert {"python", "platform", "cpu", "cpus"} <= set(told["machine"])


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_identity_is_the_hash_of_all_that_can_change_numbers(name: str, made: Path) -> None:
    seeds = [cell(made, name) / seed / "run.json" for seed in ("seed-000", "seed-001")]
    identities = [json.loads(file.read_text())["identity"] for file in seeds]
    of = identities[0]["of"]
    assert identities[0] == identities[1], "two seeds of a cell differ in their seed alone"
    assert identities[0]["sha256"] == identity_hash(of)
    assert of["protocol"] == {"env_steps": 60, "action_repeat": 50, "eval_interval": 30, "eval_episodes": 1}
    assert {"settings", "code", "versions", "physics", "execution"} <= set(of)
    assert {"torch", "numpy", "mujoco", "dm-control"} <= set(of["versions"])
    if name == "dime":
        assert of["settings"]["diffusion_steps"] == 1
        assert of["settings"]["score_hidden"] == [16, 16]
    assert str(made) not in json.dumps(identities), "where the results lie changes no number"


def test_the_store_reads_them_all(made: Path) -> None:
    runs = read_runs(made)
    assert [(run.variant, run.seed) for run in runs] == [(name, s) for name in sorted(ALGORITHMS) for s in (0, 1)]
    assert len(read_evals(runs)) == 8 * 3
    train = read_train(runs)
    assert {"critic_loss", "train_return"} <= set(train)
    learning = train[(train["algorithm"] == "dime") & (train["env_step"] > 30)]
    assert learning["critic_loss"].notna().all()


def test_seeds_are_different_runs(made: Path) -> None:
    for name in ALGORITHMS:
        one, other = (pd.read_parquet(cell(made, name) / f"seed-00{seed}" / "evals.parquet") for seed in (0, 1))
        assert one["return"].tolist() != other["return"].tolist()


def test_a_variant_lies_in_a_folder_of_its_own_under_its_own_name(grown: tuple[Path, Answer]) -> None:
    folder = cell(grown[0] / "results", "dime@diffusion_steps-2")
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoints", "seed-000", "seed-001", "seed-002"]
    run = read_run(folder / "seed-002")
    assert run is not None
    assert (run.algorithm, run.variant) == ("dime", "dime:diffusion_steps=2")
    assert run.identity["of"]["settings"]["diffusion_steps"] == 2
    evals = pd.read_parquet(folder / "seed-002" / "evals.parquet")
    assert evals["variant"].unique().tolist() == ["dime:diffusion_steps=2"]
