"""Runs and evaluations by hand: what the report reads, without training anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dimebench.store import Run

PROTOCOL = {"env_steps": 300, "action_repeat": 1, "eval_interval": 100, "eval_episodes": 2}
GRID = (0, 100, 200, 300)


def make_run(variant: str, task: str, seed: int, status: str = "finished", **changes: Any) -> Run:
    """A run of suite `quick`; `of` in changes updates what its identity hashes."""
    of: dict[str, Any] = {
        "protocol": dict(PROTOCOL),
        "settings": {"batch_size": 64, "utd": 1},
        "physics": f"f00d-{task}",
        "code": "0.1.0+abcdef",
        "versions": {"torch": "2.13.0", "mujoco": "3.17.0"},
        "execution": {"device": "cpu", "threads": 1, "mode": "eager", "precision": "float32"},
    } | changes.pop("of", {})
    facts: dict[str, Any] = {
        "suite": "quick",
        "reason": None,
        "identity": {"sha256": f"{seed:064x}", "of": of},
        "score": {"kind": "final", "lower": 0.0, "upper": 1000.0},
        "provenance": {
            "device": "a processor",
            "resumed": 0,
            "machine": {"cpu": "a processor", "cpus": 2},
            "command": "dimebench run suite=quick --seeds 3",
            "started": "2025-01-01T10:00:00+00:00",
            "finished": "2025-01-01T10:05:00+00:00",
            "seeds_together": [seed],
        },
        "progress": {"env_step": 300, "grad_step": 250, "wall_time_s": 12.5},
        "block": "seeds-000",
    } | changes
    path = Path("results") / facts["suite"] / variant.replace(":", "@").replace("=", "-") / task / f"seed-{seed:03d}"
    algorithm = variant.split(":")[0]
    return Run(path=path, algorithm=algorithm, variant=variant, task=task, seed=seed, status=status, **facts)


def rows(
    run: Run, returns: Sequence[float], env_steps: Sequence[int] = GRID, diverged_from: int | None = None
) -> list[dict[str, Any]]:
    """Evaluations of two episodes each, whose means are `returns`."""
    return [
        {
            "suite": run.suite,
            "algorithm": run.algorithm,
            "variant": run.variant,
            "task": run.task,
            "seed": run.seed,
            "env_step": step,
            "grad_step": step,
            "episode": episode,
            "return": float("nan") if lost else value + (5.0 if episode else -5.0),
            "length": 1000,
            "success": None,
            "wall_time_s": step / 100.0,
            "diverged": lost,
        }
        for step, value in zip(env_steps, returns, strict=True)
        for episode in (0, 1)
        for lost in [diverged_from is not None and step >= diverged_from]
    ]


COLUMNS = list(rows(make_run("x", "dm_control/x-y", 0), [0, 0, 0, 0])[0])


@dataclass
class Book:
    """Collects runs with their evaluations."""

    runs: list[Run] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        variant: str,
        task: str,
        seed: int,
        returns: Sequence[float] = (0, 100, 200, 300),
        status: str = "finished",
        env_steps: Sequence[int] = GRID,
        diverged_from: int | None = None,
        **changes: Any,
    ) -> Book:
        run = make_run(variant, task, seed, status, **changes)
        self.runs.append(run)
        self.rows += rows(run, returns, env_steps[: len(returns)], diverged_from)
        return self

    def cell(self, variant: str, task: str, finals: Iterable[float], **changes: Any) -> Book:
        """One run per final return, its curve a straight line from 0."""
        for seed, final in enumerate(finals):
            self.add(variant, task, seed, [final * k / 3 for k in range(4)], **changes)
        return self

    @property
    def evals(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows, columns=COLUMNS)


WALK, RUN = "dm_control/walker-walk", "dm_control/dog-run"


def two_variants(seeds: int = 3) -> Book:
    """dime clearly above sac on two tasks, and the random floor."""
    rng = np.random.default_rng(0)
    book = Book()
    for variant, level in (("dime", 700), ("sac", 400), ("random", 30)):
        for task, ease in ((WALK, 1.2), (RUN, 0.7)):
            book.cell(variant, task, level * ease + rng.normal(0, 20, size=seeds))
    return book


def four_variants() -> Book:
    """dime clearly above sac, crossq clearly below all; dime-wide between dime and sac, told apart from neither."""
    book = Book()
    for variant, lowest, step in (("dime", 700, 2), ("dime-wide", 400, 70), ("sac", 600, 2), ("crossq", 100, 2)):
        for task in (WALK, RUN):
            book.cell(variant, task, [lowest + step * k for k in range(8)])
    return book
