"""Runs and rows by hand, as training would write them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from dimebench.store import Run, RunWriter

TASK = "dm_control/dog-run"


def make_run(results: Path, variant: str = "dime", seed: int = 0, **changes: Any) -> Run:
    """A finished run of suite `small`, at its place under `results`; nothing is written."""
    folder = results / "small" / variant.replace(":", "@").replace("=", "-") / TASK / f"seed-{seed:03d}"
    run = Run(
        path=folder,
        suite="small",
        algorithm=variant.split(":")[0],
        variant=variant,
        task=TASK,
        seed=seed,
        status="finished",
        reason=None,
        identity={"sha256": "ab" * 32, "of": {"protocol": {"env_steps": 300}, "settings": {"utd": 2}}},
        score={"kind": "final", "lower": 0.0, "upper": 1000.0},
        provenance={"command": "dimebench run suite=small", "started": "2025-01-01T10:00:00+00:00"},
        progress={"env_step": 300, "grad_step": 600, "wall_time_s": 1.5},
        block=f"seed-{seed:03d}",
    )
    return replace(run, **changes)


def episode(number: int, value: float | None, **changes: Any) -> dict[str, Any]:
    """A row of an evaluation."""
    facts = {"episode": number, "return": value, "length": 1000, "success": None, "grad_step": 0, "wall_time_s": 1.0}
    return facts | {"diverged": False} | changes


def written(results: Path, variant: str = "dime", seed: int = 0, **changes: Any) -> Run:
    """A run on disk: two evaluations of two episodes, one logging point."""
    writer = RunWriter(make_run(results, variant, seed, **changes))
    for env_step in (0, 300):
        writer.add_evaluation(env_step, [episode(0, env_step + 10.0), episode(1, env_step + 20.0)])
    writer.add_logging_point(300, {"grad_step": 600, "wall_time_s": 1.5, "critic_loss": 0.25})
    writer.write()
    return writer.run


def content(run: Run) -> dict[str, Any]:
    """What stands in the run's run.json."""
    return json.loads((run.path / "run.json").read_text())


def files(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones included, with its bytes."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}
