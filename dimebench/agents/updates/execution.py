"""How an update is run: a second CUDA stream, compiled functions, counts and kinds of calls for graphs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from dimebench.agents.parts.compiling import compiled
from dimebench.agents.updates.optimising import NetworkAgent
from dimebench.agents.updates.schedule import actor_updates, actor_updates_between, period

R = TypeVar("R")


class ExecutableAgent(NetworkAgent):
    """An agent whose updates a compiler can fuse and a graph can repeat."""

    compilable = True

    _second: torch.cuda.Stream | None = None

    # --- streams ----------------------------------------------------------------------------------------------

    def aside(self, function: Callable[..., R], *args: Any) -> R:
        """Call it on a second CUDA stream, in parallel with what follows until `join`; elsewhere just call it."""
        if self.device.type != "cuda":
            return function(*args)
        if self._second is None:
            self._second = torch.cuda.Stream(self.device)
        self._second.wait_stream(torch.cuda.current_stream(self.device))
        with torch.cuda.stream(self._second):
            return function(*args)

    def join(self) -> None:
        """Wait for what runs aside."""
        if self._second is not None:
            torch.cuda.current_stream(self.device).wait_stream(self._second)

    # --- compiling --------------------------------------------------------------------------------------------

    def compiled_functions(self) -> list[tuple[Any, str]]:
        """The functions (owner, name) that `compile` replaces."""
        return [(self, "critic_objective"), (self, "actor_objective")]

    def compile(self) -> None:
        for owner, name in self.compiled_functions():
            setattr(owner, name, compiled(getattr(owner, name)))

    # --- graphs: how calls of `update` differ, and the part of the state that is no tensor --------------------

    def actor_updates(self, ahead: int = 0) -> list[int]:
        """Which critic updates (0-based) an actor update follows, in the next call of `update` or `ahead` later."""
        s = self.settings
        return actor_updates(s.utd, s.policy_delay, self.grad_steps + ahead * s.utd)

    def update_key(self) -> tuple[int, ...]:
        """Which actor updates there are and, around the end of the warm-up, how many forwards precede it."""
        left = {min(max(r.settings.warmup - r.steps, 0), self.settings.utd) for r in self.renorms()}
        return (*self.actor_updates(), -1, *sorted(left))

    def update_kinds(self, calls: int) -> dict[tuple[int, ...], list[int]]:
        """Kinds recur with the schedule's period and change where a warm-up ends: calls are tried around there."""
        s, now = self.settings, self.counts()
        turn = period(s.utd, s.policy_delay)
        changes = {0}
        for renorm in self.renorms():
            left = max(renorm.settings.warmup - renorm.steps, 0)  # counted by critic updates or by actor updates
            changes |= {left // s.utd, left * s.policy_delay // s.utd}
        near = {change + i for change in changes for i in range(-2 * turn - 1, 2 * turn + 2)}
        found: dict[tuple[int, ...], list[int]] = {}
        for call in sorted(i for i in near if 0 <= i < calls):
            self.set_counts(self.counts_after(call))
            found.setdefault(self.update_key(), self.counts())
            self.set_counts(now)
        return found

    def counts_after(self, calls: int) -> list[int]:
        """What `counts` will be after so many calls of `update`."""
        s = self.settings
        done = self.grad_steps + calls * s.utd
        of_actor = actor_updates_between(self.grad_steps, done, s.policy_delay)
        actor = {id(renorm) for renorm in self.renorms("policy")}
        each = [r.steps + (of_actor if id(r) in actor else calls * s.utd) for r in self.renorms()]
        return [done, *each]

    def counts(self) -> list[int]:
        return [self.grad_steps, *(renorm.steps for renorm in self.renorms())]

    def set_counts(self, counts: Sequence[int]) -> None:
        self.grad_steps = counts[0]
        for renorm, steps in zip(self.renorms(), counts[1:], strict=True):
            renorm.set_steps(steps)
