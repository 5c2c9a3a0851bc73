"""Makes the plan of a request: its cells, what of them is done, and the blocks that train the rest.

Blocks of many seeds are split where one does not fit on a GPU, and where GPUs would be idle. No seed's random streams
depend on it. Blocks that have begun stay whole: their checkpoint holds all their seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from dimebench.agents.registry import BrokenAlgorithmError, known_algorithms, load_algorithm
from dimebench.config import Request, Variant, cell_settings, check_shared_settings
from dimebench.cores import usable_cores
from dimebench.envs import UnknownTaskError, known_tasks, library_of, worker_count
from dimebench.planning.cells import ONE_DEVICE, Cell, Hardware, Plan, together
from dimebench.planning.code.closure import code_of, shared_code
from dimebench.planning.identity import check_run, identity_text
from dimebench.planning.memory import block_memory
from dimebench.store import Run, StoreError, read_run
from dimebench.store.claims import drop_claims
from dimebench.store.places import Place
from dimebench.store.provenance import command_line, package_versions
from dimebench.store.reader import without_collecting
from dimebench.store.schema import EVALS_FILE
from dimebench.training.block import Block, Protocol, plain_settings
from dimebench.training.checkpoint import Checkpoints
from dimebench.training.execution.modes import chosen, chosen_chain

ROOM = 0.95  # of a GPU's memory; the rest is for other processes and the estimate's error


def make_plan(
    request: Request,
    seeds: Sequence[int],
    results: Path,
    device: str,
    mode: str = "auto",
    precision: str = "auto",
    hardware: Hardware = ONE_DEVICE,
    chain: str = "auto",
    allow_code: bool = False,
) -> Plan:
    """Plan the request's cells; nothing is written. `allow_code`: other runs of a cell may come from other code.

    On a GPU the seeds of a cell that are still to train form one block, or several if one does not fit or GPUs would
    be idle (`divide`); on a CPU every seed is its own block, which is faster there. Seeds that began together
    continue together, even if only some of them are asked for.
    A run that cannot be read is left alone; where there is nothing else, its StoreError is raised.
    Raises ConfigError, UnknownTaskError, UnknownAlgorithmError, ExecutionError if a chain is not available, and
    IdentityConflictError if a run of another identity is in the way.
    """
    known = known_tasks()
    for task in request.suite.tasks:
        if task not in known:
            raise UnknownTaskError(task, known)
    asked = {variant.algorithm: load_algorithm(variant.algorithm).Settings for variant in request.variants}
    check_shared_settings(request, _all_settings() | asked)
    cells = []
    with without_collecting():
        for task in request.suite.tasks:
            for variant in request.variants:
                make = _block_maker(
                    request, variant, task, device, (mode, precision, chain), hardware.cores, allow_code
                )
                broken: dict[int, StoreError] = {}
                done, blocks = settle(make, seeds, results, broken)
                cells.append(Cell(variant.name, task, tuple(seeds), done, blocks, broken))
    if not any(cell.done or cell.blocks for cell in cells):
        for cell in cells:
            for error in cell.broken.values():
                raise error
    plan = Plan(request.suite.name, results, cells)
    if device.startswith("cuda"):
        divide(plan, hardware)
    return plan


def settle(
    make: Callable[[tuple[int, ...]], Block], seeds: Sequence[int], results: Path, broken: dict[int, StoreError]
) -> tuple[dict[int, Run], list[Block]]:
    """Which of these seeds are done, and the blocks, made by `make`, that train the others; nothing is written.

    broken: collects, by seed, what keeps a run from being read. Such a seed is in no block, but in that of the seeds
    that it began with, whose checkpoint holds it too.
    """
    done: dict[int, Run] = {}
    resumed: dict[tuple[int, ...], Block] = {}  # by all the seeds that began together
    fresh: list[int] = []
    any_seed = make(tuple(seeds[:1]))
    identity = any_seed.identity()  # the same for all seeds
    text = identity_text(identity)
    for seed in seeds:
        try:
            run = read_run(any_seed.run_folder(results, seed))
        except StoreError as error:
            broken[seed] = error
            continue
        if run is not None:
            check_run(run, identity, results, text, any_seed.allow_code)
            if run.done and (run.path / EVALS_FILE).exists():
                done[seed] = run
                continue
            block = make(together(run))
            if block.name == run.block and block.checkpoint_folder(results).is_dir():
                resumed[block.seeds] = block
                continue
        fresh.append(seed)
    on_gpu = any_seed.device.startswith("cuda")
    groups = [tuple(fresh)] if on_gpu and fresh else [(seed,) for seed in fresh]
    blocks = [*resumed.values(), *map(make, groups)]
    for block in blocks:  # a seed that diverged stays in its block
        for seed in block.seeds:
            done.pop(seed, None)
    return done, blocks


def tidy(plan: Plan) -> None:
    """Remove what killed processes left of finished runs: claims, and checkpoints unless they are kept."""
    for run in [run for cell in plan.cells for run in cell.done.values()]:
        if all(_is_done(run.path.parent / f"seed-{seed:03d}") for seed in together(run)):
            drop_claims(run.folder)
            if not run.provenance.get("checkpoints_kept"):
                Checkpoints(run.folder.parent / "checkpoints" / run.block).remove()


def _is_done(folder: Place) -> bool:
    """Whether the run there can be read and needs no training any more."""
    try:
        run = read_run(folder)
    except StoreError:
        return False
    return run is not None and run.done


def _all_settings() -> dict[str, type]:
    """The settings class of every algorithm that can be loaded."""
    found = {}
    for name in known_algorithms():
        with suppress(BrokenAlgorithmError):  # another package's; `algos` shows it
            found[name] = load_algorithm(name).Settings
    return found


def _block_maker(
    request: Request,
    variant: Variant,
    task: str,
    device: str,
    execution: tuple[str, str, str],  # mode, precision, chain
    cores: int | None,
    allow_code: bool,
) -> Callable[[tuple[int, ...]], Block]:
    """Makes blocks of one cell: what does not depend on the seeds is computed once."""
    suite, algorithm = request.suite, load_algorithm(variant.algorithm)
    bounds = suite.bounds(task)
    mode, precision = chosen(algorithm, device, *execution[:2])
    chain = chosen_chain(algorithm, device, execution[2])
    common = Block(
        suite=suite.name,
        algorithm=variant.algorithm,
        variant=variant.name,
        task=task,
        seeds=(),
        settings=plain_settings(cell_settings(algorithm.Settings, request, variant, task)),
        protocol=Protocol(
            env_steps=suite.budget.env_steps,
            action_repeat=suite.budget.action_repeat,
            eval_interval=suite.evaluation.interval,
            eval_episodes=suite.evaluation.episodes,
        ),
        score={"kind": suite.score.kind, "lower": bounds.lower, "upper": bounds.upper},
        device=device,
        threads=1,
        code=code_of(variant.algorithm, task, chain).digest,
        shared_code=shared_code(task),
        allow_code=allow_code,
        versions=package_versions(library_of(task).packages),
        cell=f"{suite.name}/{variant.slug}/{task}",
        command=command_line(),
        mode=mode,
        precision=precision,
        chain=chain,
    )
    cores = usable_cores() if cores is None else cores

    def make(seeds: tuple[int, ...]) -> Block:
        # With a GPU the cores are free to step environments; without, each trains a learner.
        workers = worker_count(len(seeds), cores) if device.startswith("cuda") else 0
        return replace(common, seeds=seeds, env_workers=workers)

    return make


def divide(plan: Plan, hardware: Hardware) -> None:
    """Split the plan's fresh blocks. Raises EnvError if memory has to be known and a task does not load.

    Each into as few parts as fit; then, while GPUs are idle, the block with the largest part into one more.
    """
    everything = list(plan.blocks())
    fresh = [each for each in everything if not each[1].checkpoint_folder(plan.results).is_dir()]
    parts = [_fitting(block, plan, hardware) for _, block in fresh]
    free = hardware.gpus - len(everything) - sum(parts) + len(parts)
    for _ in range(free if fresh else 0):
        sizes = [-(-len(block.seeds) // count) for (_, block), count in zip(fresh, parts, strict=True)]
        if max(sizes) > 1:
            parts[sizes.index(max(sizes))] += 1
    cores = usable_cores() if hardware.cores is None else hardware.cores
    for (cell, block), count in zip(fresh, parts, strict=True):
        if count > 1:
            cut = [(seeds, worker_count(len(seeds), cores)) for seeds in shares(block.seeds, count)]
            at = cell.blocks.index(block)
            cell.blocks[at : at + 1] = [replace(block, seeds=seeds, env_workers=workers) for seeds, workers in cut]


def shares(seeds: Sequence[int], parts: int) -> list[tuple[int, ...]]:
    """The seeds in order, in this many parts whose sizes differ by one at most, the larger ones first."""
    edges = [-(-len(seeds) * i // parts) for i in range(parts + 1)]
    return [tuple(seeds[first:last]) for first, last in pairwise(edges)]


def _fitting(block: Block, plan: Plan, hardware: Hardware) -> int:
    """The least number of parts of which the largest fits; one per seed if even that does not."""
    if hardware.gpu_bytes is None:
        return 1

    def needs(parts: int) -> int:
        part = replace(block, seeds=shares(block.seeds, parts)[0])
        return block_memory(part, plan.results, hardware.gpu_bytes).device

    counts = range(1, len(block.seeds))
    return next((n for n in counts if needs(n) <= ROOM * hardware.gpu_bytes), len(block.seeds))
