"""The contract of an environment library's adapter: all that the rest of the package knows of the library."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from dimebench.envs.environment import Environment, Seed


@dataclass(frozen=True)
class Footprint:
    """Resident bytes of a process that steps a task: once for the task, and for each environment."""

    task: int
    environment: int


class Library(ABC):
    """A library of tasks that are called `prefix/NAME`; methods take that full name.

    Building an adapter must not import the library: only `tasks`, `build` and `refusal` may.
    """

    prefix: ClassVar[str]
    packages: ClassVar[tuple[str, ...]]  # whose versions can change a number; saved states belong to the first one's
    aliases: ClassVar[tuple[str, ...]] = ()  # what files of other tools call the library
    complete: ClassVar[bool] = True  # no curves exist of other tasks with this prefix: such a name is a mistake
    resumable: ClassVar[bool] = False  # whether its environments save and restore their state exactly
    success: ClassVar[Literal["any", "last"]] = "any"  # the step of an episode at which success counts, where told

    @abstractmethod
    def tasks(self) -> list[str]:
        """Every task, by its full name."""

    @abstractmethod
    def build(self, task: str, seed: Seed) -> Environment:
        """An environment, not yet reset. Whatever it raises is shown as one line that names the task."""

    def refusal(self, task: str) -> str | None:
        """Why a name that the library itself knows is no task here; None for any other name."""
        return None

    def current(self, task: str) -> str:
        """The task that another version of it is called by here."""
        return task

    def former_versions(self) -> tuple[int, ...]:
        """Versions N of the tasks NAME-vN of which curves exist, newest first, beside the one here."""
        return ()

    def spellings(self) -> dict[str, str]:
        """What files of other tools call tasks beside their own names in any spelling: by "lower-case" name."""
        return {}

    def bounds(self, task: str) -> tuple[float, float] | None:
        """Returns that score 0 and 1, where the library fixes them."""
        return None

    def needs_gl(self, task: str) -> bool:
        """Whether stepping the task, not only filming it, takes a GL context."""
        return False

    def body(self, task: str) -> str:
        """Equal for tasks whose env steps take the same time."""
        return task

    def footprint(self, task: str) -> Footprint:
        """Memory of the task; the default was measured on bodies without a skin, in MuJoCo."""
        return Footprint(task=90_000_000, environment=13_000_000)
