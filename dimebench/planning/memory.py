"""The memory that a block needs, on its device and on the host: from the peaks of earlier runs, or estimated.

The replay and what an update keeps alive (`learner_cost`) are exact; constants stand for what a process holds before
it trains. Figures for a GPU are estimates until a run there has recorded its peak.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from dimebench.agents.base import Dims
from dimebench.agents.registry import load_algorithm
from dimebench.agents.updates.schedule import update_schedule
from dimebench.envs import TaskSpec, library_of, task_spec
from dimebench.planning.cells import together
from dimebench.planning.learner_cost import WORD, learner_bytes, plain
from dimebench.store import Run, StoreError, read_run
from dimebench.store.schema import RUN_FILE
from dimebench.training.block import Block
from dimebench.training.checkpoint import CHUNK_ROWS
from dimebench.training.replay import ENDS_AT_FIRST, SHARE_OF_DEVICE, bytes_needed

MB = 1_000_000
CONTEXT = 700 * MB  # a CUDA context with its libraries' kernels and workspaces, per process: not measured here
SPARE = 1.1  # what the allocator holds over what is alive: fragmentation
SPARE_ON_CPU = 1.6  # the same of malloc, which returns nothing (measured: docs/benchmarks.md)
GRAPHS = 2  # a captured update keeps its own activations; the cache keeps those of the calls before the capture
PROCESS = 420 * MB  # resident set of a process that trains, network and environments left out
PROCESS_ON_GPU = 2_500 * MB  # the same with the CUDA libraries: not measured here
ENV_WORKER = 150 * MB  # a process that steps environments, before it has any


@dataclass(frozen=True)
class Memory:
    """Bytes that a block needs at its peak. `source`: "earlier runs", "probe" or "estimate"."""

    device: int  # of one GPU; 0 on a CPU
    host: int  # of the process that trains and of those that step its environments
    source: str


def block_memory(block: Block, results: Path | None = None, gpu_bytes: int | None = None) -> Memory:
    """What the block needs. A replay that does not fit into the `gpu_bytes` of the GPU goes to the host.

    results: may hold runs of the same cell, which have recorded their peaks.
    Raises EnvError if the task does not load.
    """
    estimate = estimated_memory(block, gpu_bytes)
    return measured_memory(block, estimate, same_cell(block, results), gpu_bytes) if results else estimate


def gpu_fraction(block: Block, gpu_bytes: int, results: Path | None = None) -> float:
    """The share of a GPU of `gpu_bytes` that the block needs, in (0, 1], for schedulers that take fractions.

    1 also if it needs more: it gets a GPU to itself, and splits when it runs out of memory.
    """
    needed = block_memory(block, results, gpu_bytes).device
    return min(1.0, max(0.01, -(-100 * needed // gpu_bytes) / 100))  # rounded up to a hundredth


def estimated_memory(block: Block, gpu_bytes: int | None = None) -> Memory:
    """From sizes and settings alone."""
    spec = task_spec(block.task, block.protocol.action_repeat)
    learner = learner_bytes(block, Dims(spec.obs_dim, spec.act_dim))
    replay, host = replay_bytes(block, spec), _environment_bytes(block) + saving_bytes(block, spec)
    if not block.device.startswith("cuda"):
        spare = 1 + _kinds(block) if "graph" in block.mode else SPARE_ON_CPU  # a recording keeps its intermediates
        return Memory(0, PROCESS + int(spare * (learner.peak + learner.noise)) + replay + host, "estimate")
    if not load_algorithm(block.algorithm).learns:
        return Memory(CONTEXT, PROCESS_ON_GPU + host, "estimate")
    device = CONTEXT + int(SPARE * learner.peak * (GRAPHS if "graph" in block.mode else 1)) + learner.noise
    if gpu_bytes is None or replay <= SHARE_OF_DEVICE * (gpu_bytes - CONTEXT):
        return Memory(device + replay, PROCESS_ON_GPU + host, "estimate")
    return Memory(device, PROCESS_ON_GPU + host + replay, "estimate")


def _kinds(block: Block) -> int:
    """How many kinds of update call there are, by where the actor is updated: each has its own recording."""
    return len(set(update_schedule(block.settings.get("utd", 1), block.settings.get("policy_delay", 1))))


def replay_bytes(block: Block, spec: TaskSpec) -> int:
    """Of a full replay of all seeds, with the observations at the ends of episodes."""
    if not load_algorithm(block.algorithm).learns:
        return 0
    capacity = min(block.settings["replay_capacity"], block.protocol.env_steps)
    ends = ENDS_AT_FIRST + 1.5 * capacity / (spec.max_episode_steps or capacity)
    size = bytes_needed(len(block.seeds), capacity, Dims(spec.obs_dim, spec.act_dim))
    return size + int(len(block.seeds) * ends * spec.obs_dim * WORD)


def _environment_bytes(block: Block) -> int:
    """Of the environments to train in and of those to evaluate in, one per episode."""
    footprint = library_of(block.task).footprint(block.task)
    learns = load_algorithm(block.algorithm).learns
    count = len(block.seeds) * (learns + block.protocol.eval_episodes)
    groups = 2 if learns else 1  # training and evaluation have workers of their own
    here = footprint.task + count * footprint.environment
    return here + groups * block.env_workers * (ENV_WORKER + footprint.task)


def saving_bytes(block: Block, spec: TaskSpec) -> int:
    """Of a checkpoint while it is written: the state, and two copies of a chunk of replay."""
    state = learner_bytes(block, Dims(spec.obs_dim, spec.act_dim)).state
    rows = min(CHUNK_ROWS, block.protocol.env_steps) if state else 0
    return state + 2 * len(block.seeds) * rows * WORD * (spec.obs_dim + spec.act_dim + 2)


# --- earlier runs ---------------------------------------------------------------------------------------------


def same_cell(block: Block, results: Path) -> list[Run]:
    """Runs of the block's variant and task in any suite; those that cannot be read are skipped."""
    variant = Path(block.cell).relative_to(block.suite)
    found = []
    for file in sorted(results.glob(f"*/{variant}/seed-*/{RUN_FILE}")):
        with suppress(StoreError):
            found.append(read_run(file.parent))
    return [run for run in found if run is not None and same_work(run, block)]


def same_work(run: Run, block: Block) -> bool:
    """Whether an env step of the run did the same work as one of the block; budgets may differ."""
    of = run.identity["of"]
    protocol = of["protocol"]
    return (
        (run.variant, run.task) == (block.variant, block.task)
        and plain(of["settings"]) == plain(block.settings)
        and of.get("execution") == block.identity()["execution"]
        and protocol.get("action_repeat") == block.protocol.action_repeat
    )


def measured_memory(block: Block, estimate: Memory, runs: Iterable[Run], gpu_bytes: int | None = None) -> Memory:
    """The estimate, scaled to the peaks of runs of the same work; the largest counts.

    A run with another number of seeds or budget scales in proportion to the estimate made for it.
    """
    device = host = 0.0
    for run in runs:
        reached, on_host = (_bytes(run, key) for key in ("peak_memory_bytes", "peak_host_memory_bytes"))
        if not reached or not run.done:
            continue
        steps = run.identity["of"]["protocol"]["env_steps"]
        as_it_was = replace(block, seeds=together(run), protocol=replace(block.protocol, env_steps=steps))
        its = estimated_memory(as_it_was, gpu_bytes)
        if block.device.startswith("cuda"):
            device = max(device, (reached + CONTEXT) / its.device * estimate.device)
            host = max(host, on_host / its.host * estimate.host)
        else:
            host = max(host, reached / its.host * estimate.host)
    if not device and not host:
        return estimate
    return Memory(int(device) or estimate.device, int(host) or estimate.host, "earlier runs")


def _bytes(run: Run, key: str) -> int:
    """What the run recorded; 0 if that is no number of bytes."""
    value = run.provenance.get(key)
    return value if type(value) is int and 0 < value < 2**60 else 0
