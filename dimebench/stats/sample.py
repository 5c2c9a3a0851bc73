"""One variant's scores, and what follows from them alone: worked out once, whoever they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dimebench.stats.bootstrap import influence
from dimebench.stats.estimators import Array, Scores, as_scores, iqm
from dimebench.stats.intervals import Influence


@dataclass(frozen=True, eq=False)
class Sample:
    """The run scores of one variant: over tasks, each [runs of that task]."""

    tasks: tuple[Array, ...]

    @classmethod
    def of(cls, scores: Scores | Sample) -> Sample:
        """Raises the ValueErrors of `as_scores`."""
        return scores if isinstance(scores, Sample) else cls(tuple(as_scores(scores)))

    @cached_property
    def iqm(self) -> float:
        return iqm(self.tasks)

    @cached_property
    def influence(self) -> Influence:
        """Of each run on the IQM; needs two runs of every task."""
        return influence(self.tasks, "iqm")

    @cached_property
    def each(self) -> tuple[Sample, ...]:
        """The tasks as samples of their own."""
        return tuple(Sample((task,)) for task in self.tasks)
