"""What a run on the fake device may show."""

from __future__ import annotations

from typing import Any

from dimebench.agents.registry import load_algorithm
from tests.agents.learners import make
from tests.gpu_free.runs import CUT, STARTS, STEPS

ACTION = "event synchronize (training/staging.py Fetching.wait)"  # once an env step: the loop needs the action
STAGING = "event synchronize (training/staging.py Staging.buffer)"  # while no action is waited for, at the start
BESIDE = (  # waits that do not belong to an env step: where they may be, and for what
    "agents/updates/optimising.py NetworkAgent.add",  # parameters are made on the host
    "agents/updates/optimising.py NetworkAgent.load_state_dict",  # resuming
    "agents/updates/adam.py Adam.load_state_dict",
    "agents/dime.py CategoricalCritics.add_networks",
    "outside",  # the test itself, of what is left in the end
    "training/checkpoint.py",
    "training/evaluate.py Evaluator.evaluate",
    "training/execution/graphs.py CudaGraphs.capture",
    "training/loop.py Trainer._check_parameters",  # at logging points, as the next
    "training/record.py Records.log",
    "training/replay.py Replay._store_end",  # a row at an episode's end: sent without waiting for kernels
    "training/replay.py Replay.chunk",  # for a checkpoint
    "training/replay.py Replay.restore",
    "training/execution/warmup.py warm_up",  # once, before training
)


def two_sided(algorithm: str) -> set[str]:
    """What computes otherwise once BatchRenorm's warm-up is over: a variant more of each."""
    agent = make(algorithm, [0])
    forwards = {"critic_objective": agent.renorms("critics"), "actor_sample": agent.renorms("policy")}
    return {function for function, layers in forwards.items() if layers}


def problems(algorithm: str, case: str, shown: dict[str, Any]) -> list[str]:
    """What is wrong with a run, a line each."""
    expected = "interrupted" if case == "cut" else "finished"
    found = [] if shown["status"] == expected else [f"{shown['status']}, not {expected}"]
    found += shown["faults"]
    found += [f"other bits than the run that it repeats: {shown['differs']}"] if shown["differs"] else []
    for function, (variants, kinds) in shown["compiled"].items():
        due = kinds * (2 if function in two_sided(algorithm) else 1)
        found += [f"{function} is compiled {variants} times, not {due}"] if variants != due else []
    if shown["prepared"] > shown["began"]:
        found.append(f"something is compiled or captured as late as at env step {shown['prepared']}")
    if "graph" in case:
        found += [] if shown["replays"] > 2 * (STEPS - STARTS) else ["not every action and update is a replay"]
        found += [] if "compile" not in case or shown["compiled"] else ["nothing is compiled"]
    return found + _waits(algorithm, shown)


def _waits(algorithm: str, shown: dict[str, Any]) -> list[str]:
    """Of an env step's waits those that are not allowed."""
    hot = {wait: count for wait, count in shown["waits"].items() if not any(f"({place}" in wait for place in BESIDE)}
    done = CUT if shown["status"] == "interrupted" else STEPS
    learning = done - max(STARTS, shown["began"]) if load_algorithm(algorithm).learns else 0
    actions, staged = hot.pop(ACTION, 0), hot.pop(STAGING, 0)
    found = [f"{wait}, {count} times" for wait, count in hot.items()]
    found += [] if actions == learning else [f"{actions} waits for an action in {learning} env steps"]
    return found + ([] if staged <= STARTS else [f"{staged} waits for buffers"])
