"""What the caller says of files, beside what they tell themselves."""

from __future__ import annotations

from dataclasses import dataclass

from dimebench.store.errors import StoreError
from dimebench.store.foreign.columns import OPTIONS


@dataclass(frozen=True)
class Choices:
    """ "" where the files are to tell it themselves.

    `step` to `task_column` name columns, `metric` the metric that is the score in a table of metrics. `unit` is
    columns.ENV_STEPS or columns.FRAMES.
    """

    algorithm: str = ""
    task: str = ""
    source: str = ""
    licence: str = ""
    unit: str = ""
    step: str = ""
    score: str = ""
    success: str = ""
    seed_column: str = ""
    episode_column: str = ""
    algorithm_column: str = ""
    task_column: str = ""
    metric: str = ""
    runs_in: str = ""  # of arrays.RUNS_IN
    uneven: bool = False  # evaluations may differ in their episodes

    @property
    def columns(self) -> dict[str, str]:
        """By the keys of `columns.ALIASES`."""
        found = {"step": self.step, "score": self.score, "success": self.success, "seed": self.seed_column}
        found |= {"episode": self.episode_column, "algorithm": self.algorithm_column, "task": self.task_column}
        return {key: name for key, name in found.items() if name}

    def check_for_arrays(self, pair: bool) -> None:
        """Raises StoreError for a choice that arrays leave nothing to choose for."""
        for option, given in {
            **{OPTIONS[key]: name for key, name in self.columns.items()},
            "--metric": self.metric,
        }.items():
            if given:
                raise StoreError(f"{option} {given}: names something in a table; this is none")
        if self.runs_in and not pair:
            raise StoreError(f"--runs-in {self.runs_in}: is for a pair of .npy files; this is none")

    def check_for_table(self) -> None:
        """Raises StoreError for a choice that a table leaves nothing to choose for."""
        if self.runs_in:
            raise StoreError(f"--runs-in {self.runs_in}: is for a pair of .npy files; this is none")
