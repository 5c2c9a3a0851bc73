"""The same command again: what is done stays as it is, what is missing is trained, what does not fit is refused."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dimebench.store import read_runs
from dimebench.store.claims import Watch
from tests.cli.calls import COMMAND, TASK, Answer, Call, cell, process, refused, snapshot
from tests.processes import wait_until


def edit(folder: Path, change: dict[str, Any]) -> None:
    """Other values in a run.json."""
    file = folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def test_finished_runs_are_skipped_and_not_touched(dimebench: Call, results: Path) -> None:
    before = snapshot(results)
    answer = dimebench("run", "suite=tiny", "--seeds", "2", "--device", "cpu")
    line = "tiny: 0 runs finished, 8 were done already (8 asked for, 0:00); results in results/\n"
    then = "next: dimebench compare dime crossq sac suite=tiny\n"
    assert (answer.code, answer.out, answer.err) == (0, line + then, "")
    assert snapshot(results) == before


def test_training_goes_on_where_nobody_reads_the_output(place: Path) -> None:
    command = [*COMMAND, "run", "suite=tiny", "algo=random", "--device", "cpu"]
    started = subprocess.Popen(
        [*command, "--seeds", "3"], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    assert started.stderr is not None
    assert "started" in started.stdout.readline()
    started.stdout.close()
    assert started.wait(timeout=300) == 0
    assert started.stderr.read() == "dimebench: nobody reads the output any more; training goes on\n"
    started.stderr.close()
    assert [run.status for run in read_runs(place / "results")] == ["finished"] * 3


def test_fewer_seeds_or_algorithms_of_the_same_are_done_as_well(dimebench: Call, results: Path) -> None:
    before = snapshot(results)
    answer = dimebench("run", "suite=tiny", "algo=sac,dime", "--seeds", "1-1", "--device", "cpu")
    assert "tiny: 0 runs finished, 2 were done already (2 asked for, " in answer.out
    assert answer.code == 0
    assert snapshot(results) == before


def test_a_default_written_out_is_the_same_run(dimebench: Call, results: Path) -> None:
    answer = dimebench("run", "suite=tiny", "algo=dime", "all.utd=2", "--seeds", "2", "--device", "cpu")
    assert (answer.code, answer.trouble) == (0, "")
    assert "2 were done already" in answer.out


def test_more_seeds_train_only_the_new_ones(trained: tuple[Path, Answer], grown: tuple[Path, Answer]) -> None:
    folder, answer = grown
    old, new = snapshot(trained[0] / "results"), snapshot(folder / "results")
    assert {name: new[name][1] for name in old} == {name: old[name][1] for name in old}
    assert answer.told.startswith("tiny: 4 runs finished, 2 were done already (6 asked for, ")
    added = {Path(name).parent.name for name in set(new) - set(old) if "/dime/" in name}
    assert added == {"seed-002"}
    assert not any(line.startswith(f"dime on {TASK} seed-000") for line in answer.lines)


CONFLICT = "Nothing was changed; use another --results folder, or move that run away"


@pytest.mark.parametrize(
    ("words", "differing"),
    [
        (["steps=90"], "protocol.env_steps: 60 there, 90 here"),
        (["evaluation.interval=20"], "protocol.eval_interval: 30 there, 20 here"),
        (["dime.gamma=0.9"], "settings.gamma: 0.99 there, 0.9 here"),
        (["all.critic_hidden=[8,8]"], "settings.critic_hidden: [16,16] there, [8,8] here"),
        (
            ["steps=90", "dime.gamma=0.9"],
            "protocol.env_steps: 60 there, 90 here; settings.gamma: 0.99 there, 0.9 here",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_another_identity_is_refused_with_what_differs(
    words: list[str], differing: str, dimebench: Call, results: Path
) -> None:
    before = snapshot(results)
    answer = dimebench("run", "suite=tiny", *words, "--seeds", "2", "--device", "cpu")
    where = cell(Path("results"), "dime") / "seed-000"
    refused(answer, f"{where} holds a run of another identity: {differing}. {CONFLICT}", code=4)
    assert snapshot(results) == before


def other_code(results: Path, variant: str, seed: int, code: str, definitions: dict[str, str] | None = None) -> Path:
    """Has a run come from other code: its own with these definitions changed, or one of which no more is known."""
    folder = cell(results, variant) / f"seed-{seed:03d}"
    identity = json.loads((folder / "run.json").read_text())["identity"]
    if definitions is not None:
        stored = json.loads((results / ".code" / f"{identity['of']['code']}.json").read_text())
        (results / ".code" / f"{code}.json").write_text(json.dumps(stored | definitions))
    identity["of"]["code"] = code
    edit(folder, {"identity": identity})
    return folder


ALLOW = (
    "Nothing was changed; run --allow code trains what is missing with today's code, recorded in the runs on both "
    "sides and shown in every report"
)


def test_other_code_is_refused_and_the_functions_that_differ_are_named(dimebench: Call, results: Path) -> None:
    changed = dict.fromkeys(("Random", "Trainer.train", "Evaluator.evaluate", "prepare"), "0" * 12)
    other_code(results, "random", 0, "a" * 12, changed)
    before = snapshot(results)
    for command in ("run", "plan"):
        answer = dimebench(command, "suite=tiny", "algo=random", "--seeds", "3", "--device", "cpu")
        where = cell(Path("results"), "random") / "seed-000"
        functions = "Evaluator.evaluate, Random, Trainer.train and 1 more differ"
        refused(answer, f"{where} holds a run of other code: {functions}. {ALLOW}", code=4)
    assert snapshot(results) == before


def test_code_of_which_no_more_is_known_is_told_by_its_name(dimebench: Call, results: Path) -> None:
    folder = cell(results, "random") / "seed-001"
    ours = json.loads((folder / "run.json").read_text())["identity"]["of"]["code"]
    other_code(results, "random", 1, "0.0.1+abc")
    before = snapshot(results)
    answer = dimebench("run", "suite=tiny", "algo=random", "--seeds", "2", "--device", "cpu")
    where = cell(Path("results"), "random") / "seed-001"
    refused(answer, f"{where} holds a run of other code: 0.0.1+abc there, {ours} here. {ALLOW}", code=4)
    assert snapshot(results) == before


def test_allowing_other_code_allows_nothing_else(dimebench: Call, results: Path) -> None:
    folder = other_code(results, "random", 0, "0.0.1+abc")
    ours = json.loads((folder.parent / "seed-001" / "run.json").read_text())["identity"]["of"]["code"]
    words = ["suite=tiny", "algo=random", "steps=90", "--seeds", "2", "--device", "cpu", "--allow", "code"]
    where = cell(Path("results"), "random") / "seed-000"
    differing = f'protocol.env_steps: 60 there, 90 here; code: "0.0.1+abc" there, "{ours}" here'
    refused(dimebench("run", *words), f"{where} holds a run of another identity: {differing}. {CONFLICT}", code=4)
    hint = "unknown difference 'kode' (nearest: code)"
    refused(dimebench("run", *words[:-1], "kode"), f"--allow kode: {hint}")
    refused(dimebench("plan", *words[:-1], "kode"), f"--allow kode: {hint}")


def test_allowed_code_trains_what_is_missing_and_every_report_says_so(
    dimebench: Call, results: Path, place: Path
) -> None:
    """Seed 0 of `random` is done by other code, seed 1 was cut off by it, seed 2 is new."""
    old = "b" * 12
    done = other_code(results, "random", 0, old, {"Random.act": "0" * 12})
    cut_off = other_code(results, "random", 1, old)
    edit(cut_off, {"status": "interrupted"})
    evaluations = (done / "evals.parquet").read_bytes()

    words = ["suite=tiny", "algo=random", "--seeds", "3", "--allow", "code"]
    plan = dimebench("plan", *words, "--device", "cpu", "--no-probe", "--json")
    assert plan.code == 0
    answer = process("run", *words, "--workers", "1", cwd=place)

    assert (answer.code, answer.trouble) == (0, "")
    assert answer.told.startswith("tiny: 2 runs finished, 1 were done already (3 asked for, ")
    runs = {run.seed: run for run in read_runs(results) if run.variant == "random"}
    new = runs[2].identity["of"]["code"]
    assert [runs[seed].identity["of"]["code"] for seed in range(3)] == [old, new, new]
    assert [runs[seed].provenance["code_allowed"] for seed in range(3)] == [[new], [old], [old]]
    assert (done / "evals.parquet").read_bytes() == evaluations
    assert not list(done.glob("claim-*"))
    before = snapshot(results)
    again = dimebench("run", *words, "--device", "cpu")
    assert (again.code, snapshot(results)) == (0, before), "recorded once"

    what = "the random runs on dm_control come from 2 states of the code (Random.act differs)"
    note = f"allowed by run --allow code: {what}"
    assert any(note in line for line in dimebench("compare", "sac", "random", "suite=tiny").lines)
    assert dimebench("report", "sac", "random", "suite=tiny", "--html", "--formats", "svg").code == 0
    assert note in next(place.rglob("report/**/*.html")).read_text()
    assert dimebench("export", "sac", "random", "suite=tiny", "--format", "zip").code == 0
    with zipfile.ZipFile(next(place.rglob("*.zip"))) as archive:
        assert note in archive.read("README.md").decode()
        assert {f"results/.code/{code}.json" for code in (old, new)} <= set(archive.namelist())


def test_a_run_that_goes_on_with_other_code_says_from_where(results: Path, place: Path) -> None:
    words = ["suite=tiny", "algo=sac", "steps=2000", "evaluation.interval=1000", "--seeds", "1", "--workers", "1"]
    started = subprocess.Popen(
        [*COMMAND, "run", *words, "--results", "cut", "--checkpoint-every", "0.01"],
        cwd=place, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    folder = cell(place / "cut", "sac") / "seed-000"
    wait_until(lambda: any((folder.parent / "checkpoints").rglob("manifest.json")), "a checkpoint", started)
    started.send_signal(signal.SIGINT)
    assert started.wait(timeout=300) == 130
    started.communicate()
    reached = json.loads((folder / "run.json").read_text())["progress"]["env_step"]
    assert 0 < reached < 2000
    other_code(place / "cut", "sac", 0, "c" * 12, {"SAC.act": "0" * 12})

    answer = process("run", *words, "--results", "cut", "--allow", "code", cwd=place)

    assert answer.code == 0
    run = json.loads((folder / "run.json").read_text())
    assert run["status"] == "finished"
    assert run["provenance"]["code_allowed"] == ["c" * 12]
    events = [event["what"] for event in run["provenance"]["events"]]
    assert f"other code from env step {reached:,} on ({'c' * 12} before; SAC.act differs)" in events


def test_runs_that_failed_go_on_where_they_can_and_the_others_stay(results: Path, place: Path) -> None:
    """Three things at once, for a process costs seconds.

    Seed 0 is finished. Seed 1 failed, and nothing of it is left but run.json: it is trained again. Seed 2 is cut off
    within its evaluations: it fails in one line, and its files stay for whoever wants to look at them.
    """
    folder = cell(results, "random")
    untrained = folder / "seed-001"
    edit(untrained, {"status": "failed", "reason": "RuntimeError: boom"})
    for name in ("evals.parquet", "train.parquet"):
        (untrained / name).unlink()
    torn = folder / "seed-002"
    shutil.copytree(folder / "seed-000", torn)
    edit(torn, {"seed": 2, "status": "interrupted", "block": "seed-002"})
    (torn / "evals.parquet").write_bytes((torn / "evals.parquet").read_bytes()[:500])
    before = snapshot(results)

    answer = process("run", "suite=tiny", "algo=random", "--seeds", "3", "--workers", "1", cwd=place)

    assert (answer.code, answer.trouble) == (3, "")
    assert answer.told.startswith("tiny: 1 run finished, 1 were done already, 1 failed (3 asked for, ")
    failed = [line for line in answer.lines if line.startswith("failed: ")]
    assert len(failed) == 1
    assert failed[0].startswith(f"failed: random on {TASK}, seed-002: ")
    assert f"{cell(Path('results'), 'random')}/seed-002/evals.parquet: not a readable Parquet file (" in failed[0]
    assert "Traceback" not in answer.out
    after = snapshot(results)
    kept = [f"{torn.relative_to(results)}/{name}" for name in ("evals.parquet", "train.parquet")]
    kept += [name for name in before if "seed-000" in name]
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert json.loads((torn / "run.json").read_text())["status"] == "failed"
    again = json.loads((untrained / "run.json").read_text())
    assert (again["status"], again["reason"]) == ("finished", None)


def test_status_says_who_holds_what_and_what_was_cut_off(dimebench: Call, results: Path) -> None:
    held, cut_off = cell(results, "sac") / "seed-000", cell(results, "sac") / "seed-001"
    for folder in (held, cut_off):
        edit(folder, {"status": "running"})
    claim = Watch().acquire(held)
    assert claim is not None
    told = dimebench("status")
    assert any("1 cut off, 1 running" in line for line in told.lines)
    assert told.lines[-1].startswith(f"held: sac on {TASK} seed 0: process {os.getpid()} on ")
    plain = {row["path"]: row["held_by"] for row in json.loads(dimebench("status", "--json").out)}
    assert plain[str(held.relative_to(results.parent))]["processes"] == [os.getpid()]
    assert plain[str(cut_off.relative_to(results.parent))] is None
    claim.release(finished=True)


def test_what_a_killed_process_left_of_a_finished_run_is_tidied_away(dimebench: Call, results: Path) -> None:
    """Killed between the last line of run.json and the removal of its checkpoints."""
    before = snapshot(results)
    folder = cell(results, "sac") / "checkpoints" / "seed-000"
    (folder / "000003").mkdir()
    (folder / "000003" / "manifest.json").write_text("{}")
    (folder / "replay").mkdir()
    (cell(results, "sac") / "seed-000" / "claim-000002.json").write_text("{}")
    assert dimebench("run", "suite=tiny", "--seeds", "2", "--device", "cpu").code == 0
    assert snapshot(results) == before
