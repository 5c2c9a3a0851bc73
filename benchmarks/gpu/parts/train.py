"""A real training: DIME at full size, several seeds together, as far as the time goes.

`dimebench run` itself, stopped in time with its state saved: the next campaign with the same scratch folder goes on.
What it has found so far is packed small (checkpoints stay where they are), and stands beside the published curve.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.gpu.predictions import PUBLISHED_AT_96K
from benchmarks.gpu.session import Case, Session
from dimebench.planning.code.closure import code_version
from dimebench.reference import references

ROOT = Path(__file__).resolve().parents[3]
EVALUATIONS, EPISODES = 16, 5  # over the whole training
FOR_SAVING, FOR_SAVING_ON_CPU = 25.0, 15.0  # seconds: the state of four seeds is about half a gigabyte
SAVED_EVERY = 200  # seconds
LEAST = 45.0  # seconds: less would go into compiling alone
LOOK_EVERY_S = 1.0
INTERRUPTED = 130


def run(session: Session) -> None:
    task, seeds, steps = (session.options[key] for key in ("task", "seeds", "steps"))
    name = f"dime {task} seeds={seeds} env_steps={steps}"
    session.do(name, _train, session, task, seeds, steps, needs=LEAST if session.on_gpu else 0.0)


def _train(case: Case, session: Session, task: str, seeds: int, steps: int) -> None:
    results = Path(session.options["kept"]) / "training" / code_version()  # runs of other code do not go on
    interval = max(1, steps // EVALUATIONS)
    words = ["algo=dime", f"task={task}", f"steps={steps}", f"evaluation.interval={interval}"]
    words += [f"evaluation.episodes={EPISODES}"]
    words += ["suite=dmc-full"] if session.on_gpu else ["suite=quick"]
    command = [sys.executable, "-m", "dimebench.cli.main", "run", *words, "--seeds", str(seeds)]
    command += ["--device", session.device, "--checkpoint-every", str(SAVED_EVERY), "--results", str(results)]
    code = _run_until(session, command)
    done = _evaluations(results)
    case.values |= {"exit_code": code, **_found(done, task, steps)}
    case.check(f"`dimebench run` ends well, not with {code}", code in (0, INTERRUPTED))
    case.note = "to its end" if code == 0 else "to be gone on with" if code == INTERRUPTED else ""
    if done is not None:
        _pack(results, Path(session.orders.out) / "training.tar.gz")


def _run_until(session: Session, command: list[str]) -> int:
    """Run the command; it is told to save and leave while there is time for that."""
    saving = FOR_SAVING if session.on_gpu else FOR_SAVING_ON_CPU
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": _path()})
    told = False
    while process.poll() is None:
        if session.left() < saving and not told:
            told = True
            process.send_signal(signal.SIGTERM)
        time.sleep(LOOK_EVERY_S)
    return process.returncode


def _path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def _evaluations(results: Path) -> pd.DataFrame | None:
    """All evaluation episodes so far; None where there are none."""
    tables = [pd.read_parquet(path) for path in sorted(results.rglob("evals.parquet"))]
    return pd.concat(tables) if tables else None


def _found(evals: pd.DataFrame | None, task: str, steps: int) -> dict[str, Any]:
    """IQM over seeds at each evaluation, and what was published near the last one."""
    if evals is None:
        return {}
    evals = evals[evals["task"].str.endswith(task)]
    scores = evals.groupby(["env_step", "seed"])["return"].mean().unstack("seed").dropna()
    if scores.empty:
        return {}
    curve = {int(step): _iqm(row) for step, row in zip(scores.index, scores.to_numpy(), strict=True)}
    last = max(curve)
    found: dict[str, Any] = {"env_step": last, "iqm": curve[last], "curve": curve}
    found |= {"by_seed": [float(score) for score in scores.loc[last]], "of_budget": last / steps}
    at_last = evals[evals["env_step"] == last]
    if last and "wall_time_s" in at_last:
        found["ms_per_step_overall"] = 1e3 * float(np.max(at_last["wall_time_s"])) / last
    published = _published(f"dm_control/{task}", last)
    if published:
        found |= dict(zip(("published_iqm", "published_low", "published_high"), published, strict=True))
        found["within_published"] = bool(published[1] <= curve[last] <= published[2])
    return found


def _iqm(scores: np.ndarray) -> float:
    """The mean of the middle half of the seeds."""
    cut = len(scores) // 4
    return float(np.sort(scores)[cut : len(scores) - cut].mean())


def _published(task: str, env_step: int) -> tuple[float, float, float] | None:
    """The authors' IQM and its interval at about this env step (their action repeat is 1)."""
    point = references()["paper:DIME"].at(task, env_step)
    if point is not None and None not in (point.iqm, point.iqm_low, point.iqm_high):
        return point.iqm, point.iqm_low, point.iqm_high
    return PUBLISHED_AT_96K.get(task) if abs(env_step - 96_000) <= 2_000 else None


def _pack(results: Path, archive: Path) -> None:
    """All but checkpoints; the policies of finished seeds come along."""
    with tarfile.open(archive, "w:gz") as packed:
        for path in sorted(results.rglob("*")):
            if path.is_file() and ("checkpoints" not in path.parts or path.name == "policy.safetensors"):
                packed.add(path, Path("results") / path.relative_to(results))
