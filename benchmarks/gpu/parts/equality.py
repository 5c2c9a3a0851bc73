"""The same numbers? Each mode against eager float32 from the same parameters, transitions and noise, and each against
itself, bit for bit. So many calls that each graph, of both sides of the renormalisation's warm-up, is replayed often.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from benchmarks.gpu.learners import Setting, made, modes
from benchmarks.gpu.session import Case, Session
from dimebench.agents.base import Metrics
from dimebench.agents.registry import load_algorithm

CALLS, CALLS_ON_CPU = 48, 24
BATCH = 64  # rows: fewer stay in float32 on a CPU, whatever the precision
SMALL = {"critic_hidden": [256, 256], "batch_size": BATCH}
LOOSE = {"float32": 2e-2, "tf32": 5e-2, "bf16": 2e-1}  # of a loss: relative to it, or to 1 where it is smaller


def run(session: Session) -> None:
    name = session.orders.lane
    eager = Setting(name, 3 if session.on_gpu else 1, "eager", "float32")
    expected: list[Metrics] = []
    session.do(f"{name} repeats eager float32", _repeats, session, eager, expected)
    for other in others(session, eager):
        session.do(other.name, _agrees, session, other, expected, kind=other.mode)


def others(session: Session, eager: Setting) -> list[Setting]:
    """What is held to eager, the most telling first."""
    ways = [way for way in modes(session) if way[0] != "eager"]
    if session.on_gpu:
        captured = [("compile+graph", "float32"), ("graph", "float32"), *ways]
        ways = [way for way in captured if way[0] != "compile"] + [("compile", "float32")]
    found = [replace(eager, mode=mode, precision=precision) for mode, precision in ways]
    if session.on_gpu and eager.algorithm == "dime":
        fused = [("compile+graph", precision) for precision in ("float32", "tf32", "bf16")]
        found[1:1] = [replace(eager, mode=mode, precision=precision, chain="fused") for mode, precision in fused]
    return found


def _repeats(case: Case, session: Session, setting: Setting, expected: list[Metrics]) -> None:
    """Eager, twice: what the others are held to."""
    one = expected[:] = _updates(session, setting)[0]
    case.values["calls"] = len(one)
    case.check("it repeats bit for bit", _same(one, _updates(session, setting)[0]))


def _agrees(case: Case, session: Session, setting: Setting, expected: list[Metrics]) -> None:
    """A mode against eager, and against itself."""
    if not expected:  # another process made them, and died
        eager = replace(setting, mode="eager", precision="float32", chain="plain")
        expected[:] = _updates(session, eager)[0]
    found, counts = _updates(session, setting)
    again, _ = _updates(session, setting)
    limit = LOOSE[setting.precision]
    worst, what, at = 0.0, "", 0
    for call, (f, e) in enumerate(zip(found, expected, strict=True)):
        case.check(f"call {call} gives the metrics of an eager one", f.keys() == e.keys())
        for key in f.keys() & e.keys():
            off = float(((f[key] - e[key]).abs() / e[key].abs().clamp_min(1.0)).max())
            if not off <= worst and worst == worst:  # the first NaN stays
                worst, what, at = off, key, call
    case.values |= {"worst": worst, "of": what, "in_call": at, "limit": limit, "counts": counts[0]}
    case.check(f"metrics within {limit} of eager ones", worst <= limit)
    case.check("it counts its calls", counts[0] == len(found) * counts[1])
    case.values["repeats"] = _same(found, again)
    case.check("it repeats bit for bit", case.values["repeats"])


def _updates(session: Session, setting: Setting) -> tuple[list[Metrics], tuple[int, int]]:
    """The metrics of each call, on the host; critic updates done, and those of one call."""
    calls = CALLS if session.on_gpu else CALLS_ON_CPU
    more: dict[str, Any] = dict(SMALL) if session.on_gpu else {"batch_size": BATCH}
    settings = load_algorithm(setting.algorithm).Settings()
    if hasattr(settings, "renorm_warmup"):  # training-mode forwards of the critics: those of half of the calls
        more["renorm_warmup"] = settings.utd * calls // 2
    with made(session, setting, **more) as learner:
        found = []
        for _ in range(calls):
            learner.act()
            found.append({key: value.cpu().clone() for key, value in learner.update().items()})
        return found, (learner.agent.grad_steps, learner.settings.utd)


def _same(one: list[Metrics], other: list[Metrics]) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
        for a, b in zip(one, other, strict=True)
    )
