"""Populations of scores to simulate runs from: synthetic ones, and the per-seed scores of published runs.

A population gives `draw(seeds, rng)`: over tasks, an array of so many independent scores. Published scores are drawn
with replacement as they stand, or smoothed by Gaussian noise of 0.4 of the task's spread, reflected at 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HARD = ("dog-run", "dog-stand", "dog-trot", "dog-walk", "humanoid-run", "humanoid-stand", "humanoid-walk")
BUDGET = 1_000_000  # simulator steps
SMOOTHING = 0.4
ALGORITHMS = (
    ("DIME", "ALRhub/DIME"),
    ("XQC", "danielpalenicek/xqc"),
    ("SimBa", "SonyResearch/simba"),
    ("SAC", "SonyResearch/simba"),
    ("BRO", "naumix/BiggerRegularizedOptimistic"),
    ("BRO (Fast)", "naumix/BiggerRegularizedOptimistic"),
    ("WIMLE", "mehranagh20/wimle"),
)


@dataclass(frozen=True)
class Population:
    """Tasks to draw scores from; `big` is a very large sample per task, to take the truth from."""

    name: str
    samplers: tuple[Callable[[int, np.random.Generator], np.ndarray], ...]

    def draw(self, seeds: int, rng: np.random.Generator) -> list[np.ndarray]:
        return [sample(seeds, rng) for sample in self.samplers]

    def big(self, size: int = 40_000) -> list[np.ndarray]:
        return self.draw(size, np.random.default_rng(12345))

    @property
    def tasks(self) -> int:
        return len(self.samplers)


def gaussian(level: float, spread: float = 0.1) -> Callable[[int, np.random.Generator], np.ndarray]:
    return lambda seeds, rng: rng.normal(level, spread, size=seeds)


def skewed(level: float) -> Callable[[int, np.random.Generator], np.ndarray]:
    """One minus a log-normal: most runs near the top, a long tail of bad ones."""
    return lambda seeds, rng: 1 - level / 2 * rng.lognormal(0, 0.8, size=seeds)


def bimodal(share: float) -> Callable[[int, np.random.Generator], np.ndarray]:
    """A run learns (0.85) with this chance, or does not (0.15)."""
    return lambda seeds, rng: np.where(rng.random(seeds) < share, 0.85, 0.15) + 0.05 * rng.normal(size=seeds)


def synthetic(kind: str, tasks: int) -> Population:
    rng = np.random.default_rng(0)
    levels, shares = rng.uniform(0.2, 0.8, tasks), rng.uniform(0.3, 0.9, tasks)
    make = {"gaussian": gaussian, "skewed": skewed, "bimodal": bimodal}[kind]
    return Population(kind, tuple(make(float(x)) for x in (shares if kind == "bimodal" else levels)))


def empirical(scores: np.ndarray, smooth: bool) -> Callable[[int, np.random.Generator], np.ndarray]:
    noise = SMOOTHING * float(scores.std(ddof=1)) if smooth else 0.0

    def sample(seeds: int, rng: np.random.Generator) -> np.ndarray:
        drawn = rng.choice(scores, seeds) + noise * rng.normal(size=seeds)
        return np.where(drawn > 1, 2 - drawn, drawn) if smooth else drawn

    return sample


def table(text: str) -> Path:
    """An existing file, for argparse."""
    path = Path(text)
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"no file at '{path}' (docs/statistics.md says what it holds)")
    return path


def published_scores(file: Path, algorithm: str, repo: str, suite: str = "dmc") -> dict[str, np.ndarray]:
    """Task -> normalised score of each seed at the budget, or its last evaluation before."""
    import pandas as pd

    rows = pd.read_parquet(file)
    rows = rows[(rows.algorithm == algorithm) & (rows.source_repo == repo) & (rows.env_suite == suite)]
    rows = rows[~rows.seed.astype(str).isin(["mean", "iqm"]) & (rows.env_steps <= 1.001 * BUDGET)]
    last = rows.sort_values("env_steps").groupby(["task", "seed"]).score.last()
    upper = 1000.0 if suite == "dmc" else 100.0 if last.max() > 1.5 else 1.0
    return {str(task): scores.to_numpy() / upper for task, scores in last.groupby(level="task")}


def published(
    file: Path, tasks: int, smooth: bool, algorithms: Sequence[tuple[str, str]] = ALGORITHMS
) -> list[Population]:
    """Populations of so many tasks: 1 gives one per task of the hard suite, 15 adds eight tasks of MyoSuite."""
    found = []
    for name, repo in algorithms:
        scores = published_scores(file, name, repo)
        groups = [[task] for task in HARD] if tasks == 1 else [HARD[4:6]] if tasks == 2 else [list(HARD)]
        arrays = [[scores[task] for task in group] for group in groups]
        if tasks == 15:
            more = published_scores(file, name, repo, "myosuite")
            if len(more) < 8:
                continue
            arrays = [[*arrays[0], *list(more.values())[:8]]]
        how = "smoothed" if smooth else "drawn"
        found += [Population(f"{name}, {how}", tuple(empirical(task, smooth) for task in group)) for group in arrays]
    return found
