"""Files that somebody else wrote: one line or an answer, never a traceback, a write elsewhere, or code that runs."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dimebench.store import RunWriter, StoreError, read_curves, read_evals, read_runs, read_train
from dimebench.store.schema import EVALS_SCHEMA
from dimebench.training.checkpoint import CheckpointError, Checkpoints
from tests.cli.calls import TINY, Answer
from tests.store.runs import episode, make_run, written

# Examples of each of the tests below; FUZZ=2000 for more.
FUZZ = settings(
    max_examples=int(os.environ.get("FUZZ", "120")), deadline=None, suppress_health_check=list(HealthCheck)
)


def dimebench(*arguments: str) -> Answer:
    """The command within this process."""
    from dimebench.cli.main import main

    out, err, before = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["dimebench", *arguments]
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as left:
            main()
    finally:
        sys.argv = before
    return Answer(int(left.value.code or 0), out.getvalue(), err.getvalue())


def holds(answer: Answer) -> None:
    """An answer, or one line on standard error with a code that is documented, and not that of an internal error."""
    assert answer.code in (0, 2, 3, 4), answer.err
    assert "Traceback" not in answer.out + answer.err
    assert len(answer.err.splitlines()) == (answer.code != 0), answer.err
    assert answer.err == "" or answer.err.startswith("dimebench: ")


def damaged(data: bytes, draw: Callable[[Any], Any]) -> bytes:
    """The bytes cut short, with some flipped, or with others put in."""
    how = draw(st.sampled_from(["cut", "flip", "insert"]))
    at = draw(st.integers(0, max(0, len(data) - 1)))
    if how == "cut":
        return data[:at]
    if how == "flip":
        changed = bytearray(data)
        for place in [at, *draw(st.lists(st.integers(0, len(data) - 1), max_size=4))]:
            changed[place] ^= 1 << draw(st.integers(0, 7))
        return bytes(changed)
    return data[:at] + draw(st.binary(min_size=1, max_size=40)) + data[at:]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six finished runs."""
    results = tmp_path_factory.mktemp("hostile") / "results"
    for variant in ("dime", "sac"):
        for seed in range(3):
            written(results, variant, seed)
    return results


def with_file(tree: Path, folder: Path, name: str, data: bytes) -> Path:
    """A copy of the tree in which that file of one run holds these bytes."""
    results = folder / "results"
    if not results.exists():
        shutil.copytree(tree, results)
    file = next(results.rglob(f"seed-001/{name}"))
    file.write_bytes(data)
    return results


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
HOSTILE = st.sampled_from(
    ["../../../etc/passwd", "/etc", "a/../../b", "\x1b[2J", "<script>x</script>", "{{7*7}}", ""]
)


@FUZZ
@given(data=st.data())
def test_a_damaged_run_json_is_named_or_read(data: st.DataObject, tree: Path, tmp_path: Path) -> None:
    whole = next(tree.rglob("seed-001/run.json")).read_bytes()
    results = with_file(tree, tmp_path, "run.json", damaged(whole, data.draw))
    answer = dimebench("status", "--results", str(results))
    holds(answer)
    assert answer.code == 0 or "run.json" in answer.err


@FUZZ
@given(data=st.data())
def test_a_run_json_of_other_values_is_named_or_read(data: st.DataObject, tree: Path, tmp_path: Path) -> None:
    content = json.loads(next(tree.rglob("seed-001/run.json")).read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place, key = content, data.draw(st.sampled_from(sorted(content)))
        while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
            place = place[key]
            key = data.draw(st.sampled_from(sorted(place)))
        place[key] = data.draw(JSON | HOSTILE)
    results = with_file(tree, tmp_path, "run.json", json.dumps(content).encode(errors="replace"))
    before = sorted(tmp_path.rglob("*"))
    holds(dimebench("status", "--results", str(results)))
    holds(dimebench("status", "--json", "--results", str(results)))
    assert sorted(tmp_path.rglob("*")) == before


@FUZZ
@given(data=st.data(), name=st.sampled_from(["evals.parquet", "train.parquet"]))
def test_a_damaged_parquet_file_is_named_or_read(data: st.DataObject, name: str, tree: Path, tmp_path: Path) -> None:
    whole = next(tree.rglob(f"seed-001/{name}")).read_bytes()
    results = with_file(tree, tmp_path, name, damaged(whole, data.draw))
    runs = read_runs(results)
    for read in (read_evals, read_curves) if name == "evals.parquet" else (read_train,):
        told = name
        try:
            read(runs)
        except StoreError as error:
            told = str(error)
        assert name in told
        assert len(told.splitlines()) == 1


@pytest.mark.parametrize("names", [["x"], EVALS_SCHEMA.names[:-1], [*EVALS_SCHEMA.names, "seed"]], ids=len)
def test_a_parquet_file_of_another_schema_is_named(names: list[str], tree: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_arrays([pa.array(["x"])] * len(names), names=names), buffer)
    results = with_file(tree, tmp_path, "evals.parquet", buffer.getvalue())
    answer = dimebench("compare", "dime", "sac", "--results", str(results))
    holds(answer)
    assert answer.code == 0, "it costs that run a line, and no other"
    assert "seed-001/evals.parquet: " in answer.out


def test_a_parquet_file_that_unfolds_to_gigabytes_is_refused(tree: Path, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    zeros = pa.repeat(pa.scalar(0, pa.int8()), 6_000_000)
    pq.write_table(pa.table({"x": zeros}), buffer, compression="zstd")
    assert len(buffer.getvalue()) < 100_000
    results = with_file(tree, tmp_path, "evals.parquet", buffer.getvalue())
    with pytest.raises(StoreError, match="more rows or columns than a run has"):
        read_evals(read_runs(results))


@FUZZ
@given(data=st.data())
def test_a_damaged_suite_is_one_line(data: st.DataObject, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(damaged(TINY.encode(), data.draw))
    before = sorted(tmp_path.rglob("*"))
    answer = dimebench("show", str(tmp_path / "x.yaml"))
    holds(answer)
    assert sorted(tmp_path.rglob("*")) == before


LAUGHS = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n"
TAGS = "name: !!python/object/apply:os.system ['touch owned']\n"


@pytest.mark.parametrize("text", [LAUGHS, TAGS, TINY + "name: ../../escaped\n", "a: " + "[" * 50_000, "[" * 1000])
def test_laughs_tags_and_paths_in_a_suite_are_one_line(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("x.yaml").write_text(text.replace("name: tiny\n", "") if "escaped" in text else text)
    for words in (["show", "x.yaml"], ["run", "suite=x.yaml", "--seeds", "1", "--device", "cpu"]):
        answer = dimebench(*words)
        holds(answer)
        assert answer.code == 2
        assert answer.err.startswith("dimebench: x.yaml:")
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


@FUZZ
@given(
    key=st.sampled_from(["suite", "algo", "task", "steps", "dime.utd", "all.batch_size", "evaluation.interval"])
    | st.text(max_size=12),
    value=HOSTILE | st.text(max_size=30),
)
def test_any_word_is_refused_in_one_line(
    key: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`task=` that names nothing keeps a word that happens to be valid from training."""
    monkeypatch.chdir(tmp_path)
    words = ["run", "suite=quick", "task=no-such-task", "--seeds", "1", "--device", "cpu", "--", f"{key}={value}"]
    answer = dimebench(*words)
    holds(answer)
    assert answer.code == 2
    assert list(tmp_path.iterdir()) == []


def saved(folder: Path) -> Checkpoints:
    """Two checkpoints of a block."""
    made = Checkpoints(folder)
    for step in (10, 20):
        state = {"weights": torch.arange(6.0) + step}
        made.save({"env_step": step}, state, step, step, lambda a, b: {"reward": torch.arange(a, b)[None] * 1.0})
    return made


@FUZZ
@given(data=st.data())
def test_a_damaged_checkpoint_is_never_believed(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("checkpoint")
    saved(folder)
    file = data.draw(st.sampled_from(sorted(path for path in folder.rglob("*") if path.is_file())))
    before = file.read_bytes()
    file.write_bytes(damaged(before, data.draw))
    made = Checkpoints(folder)
    found = made.load()
    assert bool(made.problems) <= (file.read_bytes() != before)
    if found is None:
        assert file.name == "000000000-000000010.safetensors", "the one file that both checkpoints need"
        return
    step = found.facts["env_step"]
    assert step in (10, 20)
    assert torch.equal(found.state["weights"], torch.arange(6.0) + step)
    assert torch.cat([chunk["reward"][0] for _, chunk in found.chunks]).tolist() == list(range(step))
    assert step == 20 or "cannot be used: " in made.problems[0]


@pytest.mark.parametrize("file", ["../../secret.safetensors", "/etc/passwd", "000000000-000000010.safetensors/../x"])
def test_a_manifest_cannot_name_files_elsewhere(file: str, tmp_path: Path) -> None:
    from dimebench.training import checkpoint

    saved(tmp_path / "block")
    place = tmp_path / "block" / "000001" / "manifest.json"
    content = json.loads(place.read_text())
    content.pop("sha256")
    content["replay"][0]["file"] = file
    place.write_bytes(checkpoint._manifest(content))  # by somebody who knows how to make the checksum
    made = Checkpoints(tmp_path / "block")
    found = made.load()
    assert found is not None
    assert found.facts["env_step"] == 10
    assert made.problems == [
        "checkpoint 000001 cannot be used: manifest.json names a file that is no replay chunk; 000000 is used"
    ]


def test_a_checkpoint_of_another_meaning_is_one_line(tmp_path: Path) -> None:
    from tests.training.blocks import make_block, train

    block = make_block("sac")
    saved(block.checkpoint_folder(tmp_path))
    with pytest.raises(CheckpointError, match="its checkpoint does not fit this run") as caught:
        train(block, tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_text_from_files_is_escaped_in_the_page(tree: Path, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>{{7*7}}"
    results = tmp_path / "results"
    for seed in range(2):
        written(results, "dime", seed)
        facts = {"command": evil, "started": evil}
        writer = RunWriter(replace(make_run(results, "sac", seed), variant=evil, provenance=facts))
        for env_step in (0, 300):
            writer.add_evaluation(env_step, [episode(0, 10.0), episode(1, 20.0)])
        writer.write()
    lost = written(results, "dime", 7, status="failed", reason=evil)
    assert lost.reason == evil
    answer = dimebench(
        "report", "--html", "--formats", "svg", "--out", str(tmp_path / "out"), "--results", str(results)
    )
    holds(answer)
    assert answer.code == 0
    page = next((tmp_path / "out").rglob("report.html")).read_text()
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "{{7*7}}" in page
