"""What a suite says: tasks, algorithms, budget, evaluation protocol, score and settings.

Units: an env step is one `env.step` of the control problem, frames = env steps x action
repeat. Every budget and interval counts env steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from dimebench.config.names import SHARED, check_algorithm, check_setting, check_suite
from dimebench.config.resources import Resources
from dimebench.config.section import Count, Section, Task, checked, rule
from dimebench.config.variant import parse_variant
from dimebench.errors import nearest
from dimebench.numbers import LARGEST, NARROWEST


def _unique(items: list[str]) -> list[str]:
    for index, item in enumerate(items):
        if item in items[:index]:
            raise rule(f"{item} stands twice", at=(index,))
    return items


def _settings_owner(name: str) -> str:
    return name if name == SHARED else check_algorithm(name)


Settings = dict[Annotated[str, checked(check_setting)], Any]
SettingsByAlgorithm = dict[Annotated[str, checked(_settings_owner)], Settings]


class Budget(Section):
    """How long every run trains."""

    env_steps: Count = 1_000_000
    action_repeat: Count = 1  # frames per env step


class Evaluation(Section):
    """When a policy is evaluated, and on how many episodes of separate environments."""

    interval: Count = 25_000  # env steps from one evaluation to the next
    episodes: Count = 10  # per evaluation


def _check_order(section: Any) -> Any:
    for key in ("lower", "upper"):
        if not abs(getattr(section, key)) <= LARGEST:
            raise rule(f"must be from -{LARGEST:g} to {LARGEST:g}", at=(key,))
    if section.upper - section.lower < NARROWEST:
        raise rule(f"must be more than lower, {section.lower:g}", at=("upper",))
    return section


class Bounds(Section):
    """Returns that score 0 and 1."""

    lower: float
    upper: float
    _ordered = model_validator(mode="after")(_check_order)


class Score(Section):
    """How a run's evaluations become one number, and the fixed returns that it is normalised by."""

    kind: Literal["final", "auc"] = "final"  # mean return of the last evaluation, or mean over the curve
    lower: float = 0.0
    upper: float = 1000.0  # where rewards lie in [0, 1] and episodes last 1,000 env steps
    tasks: dict[Task, Bounds] = Field(default={})  # for tasks with bounds of their own
    _ordered = model_validator(mode="after")(_check_order)


class Suite(Section):
    """One suite, as its file and the words on the command line make it."""

    name: Annotated[str, checked(check_suite)]
    description: str = ""
    tasks: Annotated[list[Task], Field(min_length=1), AfterValidator(_unique)]
    algorithms: Annotated[
        list[Annotated[str, checked(lambda text: parse_variant(text).name)]],  # canonical names
        Field(min_length=1),
        AfterValidator(_unique),
    ]
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    score: Score = Score()
    settings: SettingsByAlgorithm = Field(default={})  # algorithm or "all" -> settings
    task_settings: dict[Task, SettingsByAlgorithm] = Field(default={})  # task -> algorithm or "all" -> settings
    resources: Resources = Resources()  # what runs ask of a cluster; no part of their identity

    @model_validator(mode="after")
    def _only_own_tasks(self) -> Suite:
        named: dict[tuple[str, ...], Iterable[str]] = {
            ("score", "tasks"): self.score.tasks,
            ("task_settings",): self.task_settings,
            ("resources", "tasks"): self.resources.tasks,
        }
        for at, tasks in named.items():
            for task in tasks:
                if task not in self.tasks:
                    raise rule("is no task of this suite" + nearest(task, self.tasks), at=(*at, task))
        return self

    def bounds(self, task: str) -> Bounds:
        """The returns that score 0 and 1 on `task`."""
        return self.score.tasks.get(task) or Bounds(lower=self.score.lower, upper=self.score.upper)
