"""`dimebench run`: train what is missing, resume what was cut off, skip what is done."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import (
    check_execution,
    check_folder,
    check_looks,
    make_folder,
    say_remarks,
    undecidable,
)
from dimebench.cli.common.parsers import parse_allow, parse_request, parse_seeds, parse_trackers
from dimebench.cli.common.signals import interrupt_on_signals, leave_on_signals
from dimebench.cli.common.streams import keep_going
from dimebench.errors import UsageError

if TYPE_CHECKING:
    from dimebench.cli.common.live.ending import Ending
    from dimebench.config import Request
    from dimebench.engines.base import Engine
    from dimebench.engines.events import PoolSettings
    from dimebench.planning.cells import Plan


def run(
    words: Annotated[
        list[str] | None,
        options.words(
            "suite=NAME, and any of algo=a,b task=x,y steps=N SECTION.KEY=VALUE ALGORITHM.SETTING=VALUE "
            "all.SETTING=VALUE. A variant is written dime:diffusion_steps=8.",
            "WORDS...",
        ),
    ] = None,
    seeds: options.Seeds = "5",
    results: options.Results = options.DEFAULT_RESULTS,
    on: options.On = "local",
    wait: options.Wait = False,
    ray_address: Annotated[
        str,
        options.option(
            "With --on ray: HOST:PORT of the head node (default: RAY_ADDRESS, else a cluster started here).",
            "ADDRESS",
        ),
    ] = "",
    device: options.Device = "auto",
    workers: options.Workers = 0,
    checkpoint_every: options.CheckpointEvery = 300.0,
    mode: options.Mode = "auto",
    precision: options.Precision = "auto",
    chain: options.Chain = "auto",
    log: options.Log = "",
    until_decided: options.UntilDecided = False,
    anytime: options.Anytime = False,
    max_seeds: options.MaxSeeds = None,
    block_seeds: options.BlockSeeds = None,
    keep_checkpoints: options.KeepCheckpoints = False,
    allow: options.AllowCode = None,
    hang_timeout: options.HangTimeout = 1800.0,
) -> int:
    """Train algorithms on a suite of tasks; runs that are finished are skipped, cut-off ones go on."""
    leave_on_signals()
    keep_going()
    seed_list = parse_seeds(seeds)
    allow_code = "code" in parse_allow(allow, ["code"])
    block, most = check_looks(until_decided, seeds, max_seeds, block_seeds, anytime)
    check_folder("--results", results)
    request = parse_request(words)
    trackers = parse_trackers(log) if log else []
    from dimebench.engines.base import EngineOptions
    from dimebench.engines.registry import load_engine

    engine = load_engine(on)(EngineOptions(workers, wait, ray_address), words or [])
    if trackers and not engine.waits:
        raise UsageError("--log: follows the runs while the command lasts: add --wait")
    chosen = engine.device(device, request)
    check_execution(chosen, mode, precision, chain)
    if until_decided and not engine.waits:
        raise UsageError(f"--until-decided: looks at what has been trained: add --wait to --on {on}")
    from dimebench.cli.common.live.ending import Ending
    from dimebench.engines.events import PoolSettings
    from dimebench.planning.plan import make_plan

    every, keep, hang = checkpoint_every, keep_checkpoints, hang_timeout
    settings = PoolSettings(checkpoint_every_s=every, keep_checkpoints=keep, hang_timeout_s=hang)
    said: set[str] = set()  # with --until-decided there is a plan for each block of seeds

    def train(asked: Request, seed_list: Sequence[int]) -> int:
        plan = make_plan(asked, seed_list, results, chosen, mode, precision, engine.hardware(), chain, allow_code)
        say_remarks(plan, said)
        if any(cell.blocks for cell in plan.cells):
            make_folder("--results", results)
        cannot = None if until_decided else undecidable(plan)
        if cannot:
            print(f"dimebench: note: {cannot}", file=sys.stderr)
        interrupt_on_signals()
        return _carry_out(engine, plan, asked, settings, trackers, Ending(_typed(), goes_on=until_decided))

    if not until_decided:
        return train(request, seed_list)
    from dimebench.analysis.interim import Looks
    from dimebench.cli.common.sequential import run_until_decided

    return run_until_decided(request, train, results, Looks(block, most, anytime))


def _typed() -> list[str]:
    return ["dimebench", *sys.argv[1:]]


def _carry_out(
    engine: Engine, plan: Plan, request: Request, settings: PoolSettings, trackers: list[str], ending: Ending
) -> int:
    """Have the engine train the plan, and show how that goes; the exit code."""
    from dimebench.cli.common.jobs import JobLines
    from dimebench.cli.common.live import board

    with ExitStack() as stack:
        if trackers:
            from dimebench.export.following import following

            folders = [block.run_folder(plan.results, seed) for _, block in plan.blocks() for seed in block.seeds]
            folders += [run.folder for cell in plan.cells for run in cell.done.values()]  # their last points may lack
            stack.enter_context(following(folders, trackers, plan.results / "trackers", _report_failure))
        view = JobLines(plan) if engine.has_queue else stack.enter_context(board(plan, ending))
        try:
            outcome = engine.run(plan, request, settings, view.on_event)
        except KeyboardInterrupt:
            if engine.has_queue:
                typer.echo("the jobs go on; dimebench cancel takes them back", err=True)
            raise
    outcome.left_alone = plan.left_alone
    view.summary(outcome)
    return outcome.exit_code


def _report_failure(text: str) -> None:
    print(f"dimebench: {text}", file=sys.stderr)
