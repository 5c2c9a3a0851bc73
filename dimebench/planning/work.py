"""What an update must do: its floating-point operations and its optimiser's bytes, from sizes and settings alone.

A product of [m, k] and [k, n] counts 2 m k n operations. Counted are the matrix products of an update as the
algorithm pages define it; the test holds every count to torch's own counter on the real update. Elementwise work is
left out: the sums are a floor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from dimebench.agents.updates.schedule import schedule

WORD = 4  # bytes of a float32: master weights and moments are kept so at every precision
ADAM_WORDS = 7  # per parameter: parameter and two moments read and written, gradient read
POLYAK_WORDS = 3  # per parameter: live and target read, target written
CRITICS = 2


@dataclass(frozen=True)
class Work:
    """Operations of matrix products, and bytes between memory and processor, of one seed."""

    flops: int = 0
    bytes: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.bytes + other.bytes)

    def __mul__(self, times: int) -> Work:
        return Work(self.flops * times, self.bytes * times)


@dataclass(frozen=True)
class AgentWork:
    """The parts that a learner's env step is made of, each for one seed."""

    critic: Work  # one critic update
    actor: Work  # one actor update, the temperature's included
    act: Work  # the action for one observation
    parameters: dict[str, int]  # of each network

    def call(self, utd: int, actor_updates: int) -> Work:
        """One call of `Agent.update`."""
        return self.critic * utd + self.actor * actor_updates


def actor_updates(utd: int, policy_delay: int) -> list[int]:
    """How many actor updates each call of `Agent.update` holds, over one period of the schedule."""
    return [len(updates) for updates in schedule(utd, policy_delay)]


def agent_work(algorithm: str, obs: int, act: int, settings: Any) -> AgentWork | None:
    """The work of one of the algorithms here; None for another package's, whose work is not known."""
    count = _COUNTS.get(algorithm)
    return count(obs, act, settings) if count else None


# --- dense layers ---------------------------------------------------------------------------------------------


def dense(rows: int, sizes: Sequence[int]) -> int:
    """One pass of `rows` through dense layers of these sizes; also what the gradient of the weights takes.

    Layers of one output are left out: sums over rows, no matrix products.
    """
    return sum(2 * rows * i * o for i, o in pairwise(sizes) if o > 1)


def input_gradients(rows: int, sizes: Sequence[int], first: bool) -> int:
    """Gradients of the layers' inputs: of the first layer's too where something trainable lies before it."""
    return dense(rows, sizes if first else sizes[1:])


def training_pass(rows: int, sizes: Sequence[int], first: bool) -> int:
    """Forward, gradients of weights, gradients of inputs."""
    return 2 * dense(rows, sizes) + input_gradients(rows, sizes, first)


def dense_parameters(sizes: Sequence[int], renorm: bool) -> int:
    """Weights and biases; with BatchRenorm also a scale and a bias per input of every layer."""
    return sum(i * o + o + 2 * i * renorm for i, o in pairwise(sizes))


# --- algorithms -----------------------------------------------------------------------------------------------


def _sac(obs: int, act: int, s: Any) -> AgentWork:
    return _with_gaussian(obs, act, s, outputs=1, renorm=(False, False), targets=True)


def _crossq(obs: int, act: int, s: Any) -> AgentWork:
    return _with_gaussian(obs, act, s, outputs=1, renorm=(True, True), targets=False)


def _gaussian_dime(obs: int, act: int, s: Any) -> AgentWork:
    return _with_gaussian(obs, act, s, outputs=s.atoms, renorm=(False, True), targets=False)


def _with_gaussian(obs: int, act: int, s: Any, outputs: int, renorm: tuple[bool, bool], targets: bool) -> AgentWork:
    """A Gaussian actor and two critics; `renorm` of actor, critics; the next state by target critics or jointly."""
    policy = [obs, *s.actor_hidden, 2 * act]  # two heads, of mean and log std
    trained = training_pass(s.batch_size, policy, first=renorm[0])
    sample = _Policy(dense(s.batch_size, policy), trained, dense(1, policy), dense_parameters(policy, renorm[0]))
    return _actor_critic(sample, act, [obs + act, *s.critic_hidden, outputs], s.batch_size, renorm[1], targets)


def _dime(obs: int, act: int, s: Any) -> AgentWork:
    """N steps of the score network; its first layer's share of the observation once a chain, of n once a step."""
    steps, batch, first = s.diffusion_steps, s.batch_size, s.score_hidden[0]
    layers = [act, *s.score_hidden, act]  # what a step of the chain runs through
    time = [2 * s.time_frequencies, s.time_embedding, s.time_embedding, first]  # the last one without a bias

    def chain(rows: int) -> int:
        return dense(rows, [obs, first]) + dense(steps, time) + dense(steps * rows, layers)

    # The phase before the time layers is trained; x_0 and the observation are not, so need no gradients.
    back = input_gradients(steps, time, first=True) + input_gradients(steps * batch, layers, first=True)
    back -= dense(batch, layers[:2])
    parameters = s.time_frequencies + dense_parameters(time[:-1], False)
    parameters += (obs + s.time_embedding) * first + dense_parameters(layers, False)
    parameters += 1 + act  # step size and friction
    policy = _Policy(chain(batch), 2 * chain(batch) + back, chain(1), parameters)
    return _actor_critic(policy, act, [obs + act, *s.critic_hidden, s.atoms], batch, renorm=True, targets=False)


@dataclass(frozen=True)
class _Policy:
    """Operations of sampling a batch, of doing so with gradients, of one action; and the parameters."""

    sample: int
    trained: int
    act: int
    parameters: int


def _actor_critic(
    policy: _Policy, act: int, sizes: Sequence[int], batch: int, renorm: bool, targets: bool
) -> AgentWork:
    count = CRITICS * dense_parameters(sizes, renorm)
    if targets:
        evaluated = dense(batch, sizes) + training_pass(batch, sizes, first=renorm)
    else:
        evaluated = training_pass(2 * batch, sizes, first=renorm)  # one joint pass over [s; s']
    critic = policy.sample + CRITICS * evaluated
    # The gradient of Q goes back to the action alone, not to the observation beside it.
    back = dense(batch, [act, sizes[1]]) + input_gradients(batch, sizes, first=False)
    actor = policy.trained + CRITICS * (dense(batch, sizes) + back)
    moved = count * (ADAM_WORDS + POLYAK_WORDS * targets)
    parameters = {"policy": policy.parameters, "critics": count} | ({"target_critics": count} if targets else {})
    return AgentWork(
        critic=Work(critic, WORD * moved),
        actor=Work(actor, WORD * ADAM_WORDS * policy.parameters),
        act=Work(policy.act, WORD * policy.parameters),
        parameters=parameters,
    )


_COUNTS: dict[str, Callable[[int, int, Any], AgentWork]] = {
    "sac": _sac,
    "crossq": _crossq,
    "dime": _dime,
    "dime-gaussian": _gaussian_dime,
}
