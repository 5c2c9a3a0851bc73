"""The memory that a block needs, on its device and on the host: as earlier runs reached it, or estimated.

Exact are the replay's rows and what an update keeps alive (`learner_bytes`); constants stand for what a process has
before it trains. Figures of a GPU are an estimate until a run there has written down what it reached.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dimebench.agents.base import Dims
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.schedule import schedule
from dimebench.envs import TaskSpec, task_spec
from dimebench.planning.learner_bytes import WORD, learner_bytes
from dimebench.store import Run, StoreError, read_run
from dimebench.store.schema import RUN_FILE
from dimebench.training.block import Block
from dimebench.training.checkpoint import CHUNK_ROWS
from dimebench.training.replay import ENDS_AT_FIRST, SHARE_OF_DEVICE, bytes_needed

MB = 1_000_000
CONTEXT = 700 * MB  # of a CUDA context with its libraries' kernels and workspaces, per process: not measured here
SPARE = 1.1  # what an allocator holds over what is alive, because its pieces do not fit
SPARE_ON_CPU = 1.6  # of malloc, which keeps what it gets (measured: docs/benchmarks.md)
GRAPHS = 2  # a captured update keeps its own activations; the calls before the capture have left theirs in the cache
PROCESS = 420 * MB  # resident set of a process that trains a network of nothing, its environments left out
PROCESS_ON_GPU = 2_500 * MB  # with the CUDA libraries in it: not measured here
ENV_WORKER = 150 * MB  # a process that steps environments, before it has any
# Bytes that loading a task takes once, and that each environment takes (measured); a dog has a skin.
TASK, ENVIRONMENT = 90 * MB, 13 * MB
DOG_TASK, DOG = 460 * MB, 73 * MB


@dataclass(frozen=True)
class Memory:
    """Bytes that a block needs at most. `source`: "earlier runs", "probe" or "estimate"."""

    device: int  # of one GPU; 0 on a CPU
    host: int  # of the process that trains and of those that step its environments
    source: str


def block_memory(block: Block, results: Path | None = None, gpu_bytes: int | None = None) -> Memory:
    """What the block needs. `gpu_bytes`: of the GPU; where the replay does not fit there, it goes to the host.

    results: where runs of the same cell may have written down what they reached.
    Raises EnvError where the task does not load.
    """
    estimate = estimated_memory(block, gpu_bytes)
    return measured_memory(block, estimate, same_cell(block, results), gpu_bytes) if results else estimate


def gpu_fraction(block: Block, gpu_bytes: int, results: Path | None = None) -> float:
    """The share of a GPU of `gpu_bytes` that the block needs, in (0, 1]: for schedulers that take fractions.

    1 also where it needs more: nothing should run beside it, and out of memory it splits.
    """
    needed = block_memory(block, results, gpu_bytes).device
    return min(1.0, max(0.01, -(-100 * needed // gpu_bytes) / 100))  # rounded up to a hundredth


def estimated_memory(block: Block, gpu_bytes: int | None = None) -> Memory:
    """From sizes and settings alone."""
    spec = task_spec(block.task, block.protocol.action_repeat)
    learner = learner_bytes(block, Dims(spec.obs_dim, spec.act_dim))
    replay, host = replay_bytes(block, spec), _environment_bytes(block) + saving_bytes(block, spec)
    if not block.device.startswith("cuda"):
        spare = 1 + _kinds(block) if "graph" in block.mode else SPARE_ON_CPU  # a recording keeps all that it makes
        return Memory(0, PROCESS + int(spare * (learner.peak + learner.noise)) + replay + host, "estimate")
    if not load_algorithm(block.algorithm).learns:
        return Memory(CONTEXT, PROCESS_ON_GPU + host, "estimate")
    device = CONTEXT + int(SPARE * learner.peak * (GRAPHS if "graph" in block.mode else 1)) + learner.noise
    if gpu_bytes is None or replay <= SHARE_OF_DEVICE * (gpu_bytes - CONTEXT):
        return Memory(device + replay, PROCESS_ON_GPU + host, "estimate")
    return Memory(device, PROCESS_ON_GPU + host + replay, "estimate")


def _kinds(block: Block) -> int:
    """How many kinds of update call there are, by where in it the actor is updated: each is recorded by itself."""
    utd, delay = block.settings.get("utd", 1), block.settings.get("policy_delay", 1)
    return len({tuple(updates) for updates in schedule(utd, delay)})


def replay_bytes(block: Block, spec: TaskSpec) -> int:
    """Of a full replay of all seeds, the observations at the ends of episodes included."""
    if not load_algorithm(block.algorithm).learns:
        return 0
    capacity = min(block.settings["replay_capacity"], block.protocol.env_steps)
    ends = ENDS_AT_FIRST + 1.5 * capacity / (spec.max_episode_steps or capacity)
    size = bytes_needed(len(block.seeds), capacity, Dims(spec.obs_dim, spec.act_dim))
    return size + int(len(block.seeds) * ends * spec.obs_dim * WORD)


def _environment_bytes(block: Block) -> int:
    """Environments to train in and, built at the first evaluation, those of its episodes."""
    first, each = (DOG_TASK, DOG) if "/dog-" in block.task else (TASK, ENVIRONMENT)
    learns = load_algorithm(block.algorithm).learns
    count = len(block.seeds) * (learns + block.protocol.eval_episodes)
    groups = 2 if learns else 1  # training and evaluation have workers of their own
    return first + count * each + groups * block.env_workers * (ENV_WORKER + first)


def saving_bytes(block: Block, spec: TaskSpec) -> int:
    """What a checkpoint takes while it is written: the state as bytes, and a chunk of replay twice."""
    state = learner_bytes(block, Dims(spec.obs_dim, spec.act_dim)).state
    rows = min(CHUNK_ROWS, block.protocol.env_steps) if state else 0
    return state + 2 * len(block.seeds) * rows * WORD * (spec.obs_dim + spec.act_dim + 2)


# --- earlier runs ---------------------------------------------------------------------------------------------


def same_cell(block: Block, results: Path) -> list[Run]:
    """Runs of the block's variant and task, of whatever suite; broken ones are passed over, as they say nothing."""
    variant = Path(block.cell).relative_to(block.suite)
    found = []
    for file in sorted(results.glob(f"*/{variant}/seed-*/{RUN_FILE}")):
        try:
            run = read_run(file.parent)
        except StoreError:
            continue
        if run is not None and same_work(run, block):
            found.append(run)
    return found


def same_work(run: Run, block: Block) -> bool:
    """Whether an env step of the run was the work that one of the block is; the budget may be another."""
    of = run.identity["of"]
    protocol = of["protocol"]
    return (
        (run.variant, run.task) == (block.variant, block.task)
        and _plain(of["settings"]) == _plain(block.settings)
        and of.get("execution") == block.identity()["execution"]
        and protocol.get("action_repeat") == block.protocol.action_repeat
    )


def measured_memory(block: Block, estimate: Memory, runs: Iterable[Run], gpu_bytes: int | None = None) -> Memory:
    """The estimate, corrected by what runs of the same work reached; the largest of them counts.

    A run of another number of seeds or another budget corrects in proportion to the estimate made for it.
    """
    device = host = 0.0
    for run in runs:
        reached, on_host = (_bytes(run, key) for key in ("peak_memory_bytes", "peak_host_memory_bytes"))
        if not reached or run.status not in ("finished", "diverged"):
            continue
        its = estimated_memory(_as_it_was(block, run), gpu_bytes)
        if block.device.startswith("cuda"):
            device = max(device, (reached + CONTEXT) / its.device * estimate.device)
            host = max(host, on_host / its.host * estimate.host)
        else:
            host = max(host, reached / its.host * estimate.host)
    if not device and not host:
        return estimate
    return Memory(int(device) or estimate.device, int(host) or estimate.host, "earlier runs")


def _as_it_was(block: Block, run: Run) -> Block:
    """The block with the run's seeds and budget."""
    together = run.provenance.get("seeds_together")
    seeds = tuple(together) if isinstance(together, list) and together else (run.seed,)
    steps = run.identity["of"]["protocol"]["env_steps"]
    return replace(block, seeds=seeds, protocol=replace(block.protocol, env_steps=steps))


def _bytes(run: Run, key: str) -> int:
    """What the run wrote down; 0 where that is no number of bytes."""
    value = run.provenance.get(key)
    return value if type(value) is int and 0 < value < 2**60 else 0


def _plain(settings: Any) -> str:
    return json.dumps(settings, sort_keys=True)
