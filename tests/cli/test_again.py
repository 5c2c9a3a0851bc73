"""The same command again: what is done stays as it is, what is missing is trained, what does not fit is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dimebench.store import read_runs
from dimebench.store.claims import Watch
from tests.cli.calls import TASK, Answer, Call, cell, process, refused, snapshot


def edit(folder: Path, change: dict[str, Any]) -> None:
    """Other values in a run.json."""
    file = folder / "run.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def test_finished_runs_are_skipped_and_not_touched(dimebench: Call, results: Path) -> None:
    before = snapshot(results)
    answer = dimebench("run", "suite=tiny", "--seeds", "2", "--device", "cpu")
    line = "tiny: 0 runs finished, 8 were done already (8 asked for, 0:00); results in results/\n"
    assert (answer.code, answer.out, answer.err) == (0, line, "")
    assert snapshot(results) == before


def test_training_goes_on_where_nobody_reads_the_output(place: Path) -> None:
    command = [sys.executable, "-m", "dimebench.cli.main", "run", "suite=tiny", "algo=random", "--device", "cpu"]
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
    assert (answer.code, answer.err) == (0, "")
    assert "2 were done already" in answer.out


def test_more_seeds_train_only_the_new_ones(trained: tuple[Path, Answer], grown: tuple[Path, Answer]) -> None:
    folder, answer = grown
    old, new = snapshot(trained[0] / "results"), snapshot(folder / "results")
    assert {name: new[name][1] for name in old} == {name: old[name][1] for name in old}
    assert answer.lines[-1].startswith("tiny: 4 runs finished, 2 were done already (6 asked for, ")
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


def test_another_version_of_the_code_is_named(dimebench: Call, results: Path) -> None:
    folder = cell(results, "random") / "seed-001"
    identity = json.loads((folder / "run.json").read_text())["identity"]
    ours = identity["of"]["code"]
    identity["of"]["code"] = "0.0.1+abc"
    edit(folder, {"identity": identity})
    before = snapshot(results)
    answer = dimebench("run", "suite=tiny", "algo=random", "--seeds", "2", "--device", "cpu")
    where = cell(Path("results"), "random") / "seed-001"
    line = f'{where} holds a run of another identity: code: "0.0.1+abc" there, "{ours}" here. {CONFLICT}'
    refused(answer, line, code=4)
    assert snapshot(results) == before


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

    assert (answer.code, answer.err) == (3, "")
    assert answer.lines[-1].startswith("tiny: 1 runs finished, 1 were done already, 1 failed (3 asked for, ")
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
