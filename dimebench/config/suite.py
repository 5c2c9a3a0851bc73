"""What a suite says: tasks, algorithms, budget, evaluation protocol, score and settings.

The units stand once, here: an env step is one `env.step` of the control problem, frames = env steps x action
repeat. Every budget and interval counts env steps.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from dimebench.config.errors import ConfigError, nearest
from dimebench.config.names import SHARED, check_algorithm, check_setting, check_suite, check_task
from dimebench.config.variant import parse_variant

MOST = 10**12  # no count in a suite is larger; env steps are stored as int64


def _rule(text: str, at: tuple[str | int, ...] = ()) -> PydanticCustomError:
    """A broken rule as pydantic carries it; `at` is the path from the validated value to the culprit."""
    return PydanticCustomError("rule", "{text}", {"text": text, "at": at})


def _named(check: Any) -> AfterValidator:
    """A name check of `names.py` as a pydantic validator."""

    def validate(value: str) -> str:
        try:
            return check(value)
        except ConfigError as error:
            raise _rule(str(error)) from None

    return AfterValidator(validate)


def _whole(value: Any) -> Any:
    """1e6 is a count that researchers type; 1.5 is left for pydantic to refuse."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _unique(items: list[str]) -> list[str]:
    for index, item in enumerate(items):
        if item in items[:index]:
            raise _rule(f"{item} stands twice", at=(index,))
    return items


def _settings_owner(name: str) -> str:
    return name if name == SHARED else check_algorithm(name)


Count = Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole)]
Task = Annotated[str, _named(check_task)]
Settings = dict[Annotated[str, _named(check_setting)], Any]
SettingsByAlgorithm = dict[Annotated[str, _named(_settings_owner)], Settings]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Budget(_Section):
    """How long every run trains."""

    env_steps: Count = 1_000_000
    action_repeat: Count = 1  # frames per env step


class Evaluation(_Section):
    """When a policy is evaluated, and on how many episodes of its own environments."""

    interval: Count = 25_000  # env steps from one evaluation to the next
    episodes: Count = 10  # per evaluation


class Bounds(_Section):
    """Returns that score 0 and 1."""

    lower: float
    upper: float

    @model_validator(mode="after")
    def _ordered(self) -> Bounds:
        if self.upper <= self.lower:
            raise _rule(f"must be more than lower, {self.lower:g}", at=("upper",))
        return self


class Score(_Section):
    """How a run's evaluations become one number, and the fixed returns that it is normalised by."""

    kind: Literal["final", "auc"] = "final"  # mean return of the last evaluation, or mean over the curve
    lower: float = 0.0
    upper: float = 1000.0  # dm_control: rewards lie in [0, 1], episodes last 1,000 env steps
    tasks: dict[Task, Bounds] = {}  # for tasks with bounds of their own

    @model_validator(mode="after")
    def _ordered(self) -> Score:
        if self.upper <= self.lower:
            raise _rule(f"must be more than lower, {self.lower:g}", at=("upper",))
        return self


class Suite(_Section):
    """One suite, as its file and the words on the command line make it."""

    name: Annotated[str, _named(check_suite)]
    description: str = ""
    tasks: Annotated[list[Task], Field(min_length=1), AfterValidator(_unique)]
    algorithms: Annotated[
        list[Annotated[str, _named(lambda text: parse_variant(text).name)]],  # canonical names
        Field(min_length=1),
        AfterValidator(_unique),
    ]
    budget: Budget = Budget()
    evaluation: Evaluation = Evaluation()
    score: Score = Score()
    settings: SettingsByAlgorithm = {}  # algorithm or "all" -> settings
    task_settings: dict[Task, SettingsByAlgorithm] = {}  # task -> algorithm or "all" -> settings

    @model_validator(mode="after")
    def _only_own_tasks(self) -> Suite:
        self._refuse_foreign(self.score.tasks, ("score", "tasks"))
        self._refuse_foreign(self.task_settings, ("task_settings",))
        return self

    def _refuse_foreign(self, tasks: Iterable[str], at: tuple[str, ...]) -> None:
        for task in tasks:
            if task not in self.tasks:
                raise _rule("is no task of this suite" + nearest(task, self.tasks), at=(*at, task))

    def bounds(self, task: str) -> Bounds:
        """The returns that score 0 and 1 on `task`."""
        return self.score.tasks.get(task) or Bounds(lower=self.score.lower, upper=self.score.upper)
