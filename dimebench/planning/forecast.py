"""What a plan takes: memory, disk and time, each figure with where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from dimebench.agents.base import Dims
from dimebench.agents.registry import load_algorithm
from dimebench.envs import task_spec
from dimebench.planning.cells import Cell, Plan
from dimebench.planning.durations import PROBE, Duration, assumed, from_earlier
from dimebench.planning.learner_cost import WORD, learner_bytes
from dimebench.planning.memory import CONTEXT, Memory, block_memory, replay_bytes, same_cell, saving_bytes
from dimebench.planning.paces import Found
from dimebench.planning.packing import in_turn
from dimebench.planning.probe import Pace
from dimebench.store import StoreError, read_run
from dimebench.training.block import Block
from dimebench.training.checkpoint import KEPT

# Bytes on disk, as measured on results/recorded.
EVALUATION_ROW, LOGGED_ROW, FILES = 20, 110, 12_000
PARAMETERS_AND_MOMENTS = 3  # a policy file holds only the parameters


Paces = Callable[[Sequence[Block]], Sequence[Found | None]]  # measures blocks, or does not


@dataclass(frozen=True)
class Target:
    """Where the plan will train: `slots` processes on a CPU, or `slots` GPUs."""

    device: str  # cpu or cuda
    slots: int
    gpu_bytes: int | None = None  # memory of one GPU
    here: bool = True  # on this machine: a probe is a measurement

    @property
    def unit(self) -> str:
        return "GPU" if self.device == "cuda" else "worker"


@dataclass(frozen=True)
class BlockForecast:
    """One block: how much of its budget is left, and what that takes."""

    block: Block
    left: float  # fraction of its env steps
    memory: Memory
    results_bytes: int  # stay
    checkpoint_bytes: int  # in addition while the block trains, replay included
    duration: Duration


@dataclass(frozen=True)
class Forecast:
    """All blocks of a plan on a target."""

    target: Target
    cells: list[tuple[Cell, list[BlockForecast]]]
    keep_checkpoints: bool

    def blocks(self) -> list[BlockForecast]:
        return [each for _, blocks in self.cells for each in blocks]

    @property
    def disk_bytes(self) -> int:
        """At most: everything that stays, and the largest checkpoints that can exist at once."""
        blocks = self.blocks()
        checkpoints = sorted((each.checkpoint_bytes for each in blocks), reverse=True)
        at_once = checkpoints if self.keep_checkpoints else checkpoints[: self.target.slots]
        return sum(each.results_bytes for each in blocks) + sum(at_once)

    @property
    def unknown(self) -> int:
        """How many blocks have no known duration."""
        return sum(each.duration.seconds is None for each in self.blocks())

    @property
    def device_seconds(self) -> float:
        """Summed over the blocks of known duration. Blocks that share a GPU count as if they took turns."""
        return sum(each.duration.seconds or 0.0 for each in self.blocks())

    @property
    def seconds(self) -> float:
        """Until the last block ends, the longest first; blocks of unknown duration are left out."""
        return in_turn([each.duration.seconds or 0.0 for each in self.blocks()], self.target.slots)

    def sources(self) -> list[str]:
        return sorted({each.duration.source for each in self.blocks()})


def forecast(
    plan: Plan, target: Target, paces: Paces, keep_checkpoints: bool = False, rates: Mapping[str, float] | None = None
) -> Forecast:
    """What the plan's blocks take. `paces` measures blocks, used where no earlier run exists.

    rates: env steps per second of a run, by variant or algorithm; one that is given counts, whatever runs there are.
    Raises EnvError if a task does not load.
    """
    known = [(cell, block, _known(block, plan, rates or {})) for cell, block in plan.blocks()]
    missing = [block for _, block, duration in known if duration.seconds is None]
    measured = iter(paces(missing) if missing else ())
    cells: list[tuple[Cell, list[BlockForecast]]] = [(cell, []) for cell in plan.cells]
    by_cell = {id(cell): blocks for cell, blocks in cells}
    for cell, block, duration in known:
        found = next(measured) if duration.seconds is None else None
        by_cell[id(cell)].append(_block(block, plan, target, duration, found))
    return Forecast(target, cells, keep_checkpoints)


def _known(block: Block, plan: Plan, rates: Mapping[str, float]) -> Duration:
    return assumed(block, rates) or from_earlier(block, same_cell(block, plan.results))


def _block(block: Block, plan: Plan, target: Target, duration: Duration, found: Found | None) -> BlockForecast:
    memory, left = block_memory(block, plan.results, target.gpu_bytes), _left(block, plan)
    if found is not None:
        duration = Duration(found.pace.seconds(block), found.source)
        if memory.source == "estimate" and found.measured:
            memory = _as_probed(block, found.pace)
    if duration.seconds is not None:
        duration = replace(duration, seconds=left * duration.seconds)
    return BlockForecast(block, left, memory, *_disk(block), duration)


def _left(block: Block, plan: Plan) -> float:
    """The fraction of the block's budget that is still to train."""
    begun = block.checkpoint_folder(plan.results).is_dir()
    reached = 0
    for seed in block.seeds if begun else ():
        with suppress(StoreError):  # the plan names it
            run = read_run(block.run_folder(plan.results, seed))
            reached = max(reached, run.progress["env_step"] if run is not None else 0)
    return 1 - min(reached / block.protocol.env_steps, 1)


def _as_probed(block: Block, pace: Pace) -> Memory:
    """What the probe's process held, plus what it did not: a full replay, and a checkpoint being written."""
    spec = task_spec(block.task, block.protocol.action_repeat)
    saving = saving_bytes(block, spec)
    if block.device.startswith("cuda"):  # there the whole replay is allocated at the start
        return Memory(pace.device_bytes + CONTEXT, pace.host_bytes + saving, PROBE)
    return Memory(0, pace.host_bytes + replay_bytes(block, spec) + saving, PROBE)


def _disk(block: Block) -> tuple[int, int]:
    """Bytes of results that stay, and of checkpoints while the block trains."""
    spec, protocol = task_spec(block.task, block.protocol.action_repeat), block.protocol
    evaluations = 1 + -(-protocol.env_steps // protocol.eval_interval)
    learns = load_algorithm(block.algorithm).learns
    logged = protocol.env_steps // protocol.logging_interval() if learns else evaluations
    rows = evaluations * protocol.eval_episodes * EVALUATION_ROW + logged * LOGGED_ROW
    seeds = len(block.seeds)
    state = learner_bytes(block, Dims(spec.obs_dim, spec.act_dim)).state
    results = seeds * (FILES + rows) + state // PARAMETERS_AND_MOMENTS
    if not learns:
        return results, 0
    capacity = min(block.settings["replay_capacity"], protocol.env_steps)
    replay = seeds * capacity * (WORD * (spec.obs_dim + spec.act_dim + 2) + 1)
    return results, (KEPT + 1) * state + replay
