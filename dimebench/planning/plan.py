"""The plan: which cells a request asks for, what of them is done, and the blocks that train the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dimebench.agents.registry import (
    BrokenAlgorithmError,
    known_algorithms,
    load_algorithm,
)
from dimebench.config import Request, Variant, cell_settings, check_shared_settings
from dimebench.envs import UnknownTaskError, known_tasks, worker_count
from dimebench.planning.code import code_of, shared_code
from dimebench.planning.identity import DONE, check_run, identity_text
from dimebench.store import Run, read_run
from dimebench.store.claims import drop_claims
from dimebench.store.provenance import command_line, package_versions
from dimebench.store.reader import without_collecting
from dimebench.store.schema import EVALS_FILE
from dimebench.training.block import Block, Protocol, plain_settings
from dimebench.training.checkpoint import Checkpoints
from dimebench.training.execution.modes import chosen, chosen_chain


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class Hardware:
    """Where blocks will train, as far as that decides which seeds train together and in how many processes."""

    gpus: int = 1  # that blocks are spread over: no more than there are
    gpu_bytes: int | None = None  # memory of the smallest; None: not known, so nothing is split for it
    cores: int | None = None  # that each block has for itself; None: all that this process may use


@dataclass
class Cell:
    """One (variant, task): its seeds that are done already, and the blocks that train the others."""

    variant: str
    task: str
    seeds: tuple[int, ...]
    done: dict[int, Run] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.variant} on {self.task}"


@dataclass
class Plan:
    """Everything that one `run` does."""

    suite: str
    results: Path
    cells: list[Cell]

    def blocks(self) -> Iterator[tuple[Cell, Block]]:
        """All blocks, in an order that finishes whole cells early."""
        for cell in self.cells:
            for block in cell.blocks:
                yield cell, block


def make_plan(
    request: Request,
    seeds: Sequence[int],
    results: Path,
    device: str,
    mode: str = "auto",
    precision: str = "auto",
    places: Hardware = Hardware(),
    chain: str = "auto",
    allow_code: bool = False,
) -> Plan:
    """Plan the request's cells; nothing is written. `allow_code`: other runs of a cell may come from other code.

    On a GPU the seeds of a cell that are yet to be trained form one block, or several where one would not fit or GPUs
    would have nothing to do (`divide`); on a CPU every seed is a block of its own (measured faster there). Seeds that
    began together go on together, whichever of them are asked for.
    Raises ConfigError, UnknownTaskError, UnknownAlgorithmError, ExecutionError where a chain cannot be had, and
    IdentityConflictError where a place is taken by a run of another identity.
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
                make = _BlockMaker(request, variant, task, device, (mode, precision, chain), places.cores, allow_code)
                done, blocks = settle(make, seeds, results)
                cells.append(Cell(variant.name, task, tuple(seeds), done, blocks))
    plan = Plan(request.suite.name, results, cells)
    if device.startswith("cuda"):
        from dimebench.planning.divide import divide

        divide(plan, places)
    return plan


def settle(
    make: Callable[[tuple[int, ...]], Block], seeds: Sequence[int], results: Path
) -> tuple[dict[int, Run], list[Block]]:
    """What of these seeds is done, and the blocks, made by `make`, that train the others; nothing is written."""
    done: dict[int, Run] = {}
    resumed: dict[tuple[int, ...], Block] = {}  # by their seeds: all that began together, asked for now or not
    fresh: list[int] = []
    any_seed = make(tuple(seeds[:1]))
    identity = any_seed.identity()  # the same for all: a seed is no part of it
    text = identity_text(identity)
    for seed in seeds:
        run = read_run(any_seed.run_folder(results, seed))
        if run is not None:
            check_run(run, identity, results, text, any_seed.allow_code)
            if run.status in DONE and (run.path / EVALS_FILE).exists():
                done[seed] = run
                continue
            block = make(_together(run))
            if block.name == run.block and block.checkpoint_folder(results).is_dir():
                resumed[block.seeds] = block
                continue
        fresh.append(seed)
    on_gpu = any_seed.device.startswith("cuda")
    together = [tuple(fresh)] if on_gpu and fresh else [(seed,) for seed in fresh]
    blocks = [*resumed.values(), *map(make, together)]
    for block in blocks:  # a seed that diverged stays in its block
        for seed in block.seeds:
            done.pop(seed, None)
    return done, blocks


def tidy(cell: Cell) -> None:
    """Remove what processes that were killed have left of runs that are done: claims, and checkpoints unless kept."""
    for run in cell.done.values():
        partners = [read_run(run.path.parent / f"seed-{seed:03d}") for seed in _together(run)]
        if all(partner is not None and partner.status in DONE for partner in partners):
            drop_claims(run.folder)
            if not run.provenance.get("checkpoints_kept"):
                Checkpoints(run.folder.parent / "checkpoints" / run.block).remove()


def _together(run: Run) -> tuple[int, ...]:
    """The seeds of the block that the run began in."""
    seeds = run.provenance.get("seeds_together")
    if isinstance(seeds, list) and run.seed in seeds and all(type(seed) is int and seed >= 0 for seed in seeds):
        return tuple(seeds)
    return (run.seed,)


def _all_settings() -> dict[str, type]:
    """The settings class of every algorithm that can be loaded."""
    found = {}
    for name in known_algorithms():
        with suppress(BrokenAlgorithmError):  # somebody else's broken package; `algos` says so
            found[name] = load_algorithm(name).Settings
    return found


class _BlockMaker:
    """Makes the blocks of one cell: all that does not depend on the seeds is settled once."""

    def __init__(
        self,
        request: Request,
        variant: Variant,
        task: str,
        device: str,
        execution: tuple[str, str, str],  # mode, precision, chain
        cores: int | None,
        allow_code: bool = False,
    ) -> None:
        self.device, self.cores = device, usable_cores() if cores is None else cores
        suite = request.suite
        algorithm = load_algorithm(variant.algorithm)
        settings: Any = cell_settings(algorithm.Settings, request, variant, task)
        bounds = suite.bounds(task)
        self._common: dict[str, Any] = {
            "suite": suite.name,
            "algorithm": variant.algorithm,
            "variant": variant.name,
            "task": task,
            "settings": plain_settings(settings),
            "protocol": Protocol(
                env_steps=suite.budget.env_steps,
                action_repeat=suite.budget.action_repeat,
                eval_interval=suite.evaluation.interval,
                eval_episodes=suite.evaluation.episodes,
            ),
            "score": {"kind": suite.score.kind, "lower": bounds.lower, "upper": bounds.upper},
            "device": device,
            "threads": 1,
            "shared_code": shared_code(task),
            "allow_code": allow_code,
            "versions": package_versions(),
            "cell": f"{suite.name}/{variant.slug}/{task}",
            "command": command_line(),
        }
        mode, precision, chain = execution
        self._common["mode"], self._common["precision"] = chosen(algorithm, device, mode, precision)
        self._common["chain"] = chosen_chain(algorithm, device, chain)
        self._common["code"] = code_of(variant.algorithm, task, self._common["chain"]).digest

    def __call__(self, seeds: tuple[int, ...]) -> Block:
        # On a GPU the cores are free to step environments; on a CPU each has a learner of its own.
        workers = worker_count(len(seeds), self.cores) if self.device.startswith("cuda") else 0
        return Block(seeds=seeds, env_workers=workers, **self._common)
