"""How long a block takes: from finished runs of the same work, from a probe, assumed, or unknown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dimebench.agents.base import Dims
from dimebench.agents.registry import load_algorithm
from dimebench.envs import task_spec
from dimebench.planning.learner_cost import learner_work
from dimebench.planning.memory import same_cell
from dimebench.store import Run
from dimebench.store.provenance import machine
from dimebench.training.block import Block

EARLIER, OTHER, PROBE, UNKNOWN = "earlier runs", "extrapolated from earlier runs", "probe", "not known"
SCALED, ASSUMED = "scaled", "assumed"
# Of a GPU and its machine, per second: only for the order of blocks, where nothing is known.
OPERATIONS, ENV_STEPS = 1e13, 1e3


@dataclass(frozen=True)
class Duration:
    """Seconds of a block from its start to its end, None if unknown, and where the figure comes from."""

    seconds: float | None
    source: str


def from_earlier(block: Block, runs: Iterable[Run]) -> Duration:
    """The median of finished runs with the same work, budget, seeds per block and CPU model.

    If there are none: of all runs of the same work, scaled by their budgets; the source says so.
    """
    exact: list[float] = []
    other: list[float] = []
    for run in runs:
        if run.status != "finished" or not run.progress["wall_time_s"] > 0:
            continue
        protocol = run.identity["of"]["protocol"]
        together = run.provenance.get("seeds_together")
        alike = isinstance(together, list) and len(together) == len(block.seeds)
        here = run.provenance.get("machine", {}).get("cpu") == machine()["cpu"]
        same = all(protocol.get(key) == value for key, value in block.identity()["protocol"].items())
        seconds = run.progress["wall_time_s"] * block.protocol.env_steps / max(1, protocol["env_steps"])
        (exact if alike and here and same else other).append(seconds)
    if exact:
        return Duration(statistics.median(exact), EARLIER)
    return Duration(statistics.median(other), OTHER) if other else Duration(None, UNKNOWN)


def assumed(block: Block, rates: Mapping[str, float]) -> Duration | None:
    """At the env steps per second that `rates` gives for the variant, else for its algorithm; None without any."""
    rate = rates.get(block.variant) or rates.get(block.algorithm)
    return Duration(block.protocol.env_steps / rate, ASSUMED) if rate else None


def rough_seconds(block: Block, results: Path) -> float:
    """For the order of blocks: from earlier runs, else from the operations of an update."""
    known = from_earlier(block, same_cell(block, results)).seconds
    if known is not None:
        return known
    spec = task_spec(block.task, block.protocol.action_repeat)
    steps = block.protocol.env_steps * block.protocol.action_repeat
    if not load_algorithm(block.algorithm).learns:
        return steps / ENV_STEPS
    calls = learner_work(block, Dims(spec.obs_dim, spec.act_dim)).calls
    update = statistics.fmean(call.flops for call in calls)
    return steps / ENV_STEPS + block.protocol.env_steps * len(block.seeds) * update / OPERATIONS
