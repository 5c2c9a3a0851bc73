"""One schedule says which critic updates an actor update follows, and the learner, the plan and the graphs use it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dimebench.agents.updates.schedule import actor_updates, actor_updates_between, period, update_schedule


@given(utd=st.integers(1, 12), delay=st.integers(1, 12), calls=st.integers(0, 30))
def test_every_delayth_critic_update_is_followed_by_one_of_the_actor(utd: int, delay: int, calls: int) -> None:
    places = [call * utd + i for call in range(calls) for i in actor_updates(utd, delay, call * utd)]
    assert places == list(range(delay - 1, calls * utd, delay))
    assert actor_updates_between(0, calls * utd, delay) == len(places)


@given(utd=st.integers(1, 12), delay=st.integers(1, 12), call=st.integers(0, 100))
def test_the_schedule_repeats_after_its_period_and_no_sooner(utd: int, delay: int, call: int) -> None:
    turn = update_schedule(utd, delay)
    assert len(turn) == period(utd, delay)
    assert tuple(actor_updates(utd, delay, call * utd)) == turn[call % len(turn)]
    assert not any(turn == (turn[:shorter] * len(turn))[: len(turn)] for shorter in range(1, len(turn)))
