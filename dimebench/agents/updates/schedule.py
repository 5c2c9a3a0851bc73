"""When the actor is updated: after every `policy_delay`-th critic update, counted from the start of training."""

from __future__ import annotations

import math


def actor_updates(utd: int, policy_delay: int, done: int = 0) -> list[int]:
    """Which of a call's `utd` critic updates (0-based) an actor update follows; `done` came before the call."""
    return [i for i in range(utd) if (done + i + 1) % policy_delay == 0]


def period(utd: int, policy_delay: int) -> int:
    """The number of calls of `Agent.update` after which the schedule repeats."""
    return policy_delay // math.gcd(utd, policy_delay)


def update_schedule(utd: int, policy_delay: int) -> list[tuple[int, ...]]:
    """`actor_updates` of every call of one period."""
    return [tuple(actor_updates(utd, policy_delay, call * utd)) for call in range(period(utd, policy_delay))]


def actor_updates_between(first: int, last: int, policy_delay: int) -> int:
    """How many actor updates there are while the number of critic updates goes from `first` to `last`."""
    return last // policy_delay - first // policy_delay
