"""`dimebench run`: train what is missing, resume what was cut off, skip what is done."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dimebench.cli.common.options import (
    DEFAULT_RESULTS,
    AllowCode,
    Results,
    check_execution,
    check_folder,
    check_looks,
    make_folder,
    one_of,
    parse_allow,
    parse_seeds,
    seconds_above_0,
    whole_number,
)
from dimebench.cli.common.remarks import say_remarks
from dimebench.errors import INTERRUPTED, UsageError

if TYPE_CHECKING:
    from dimebench.config import Request


def run(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="suite=NAME, and any of algo=a,b task=x,y steps=N SECTION.KEY=VALUE ALGORITHM.SETTING=VALUE "
            "all.SETTING=VALUE. A variant is written dime:diffusion_steps=8.",
            metavar="WORDS...",
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="How many seeds (10), a range (3-7) or a list (1,4,9).")] = "5",
    results: Results = DEFAULT_RESULTS,
    on: Annotated[
        str,
        typer.Option(
            help="Where to train: local (here), slurm (jobs of a cluster), ray (tasks of a cluster).",
            metavar="ENGINE",
            parser=one_of("--on", "engine", "local", "slurm", "ray"),
        ),
    ] = "local",
    wait: Annotated[bool, typer.Option("--wait", help="With --on slurm: until all jobs have ended.")] = False,
    ray_address: Annotated[
        str,
        typer.Option(
            "--ray-address",
            help="With --on ray: HOST:PORT of the head node (default: RAY_ADDRESS, else a cluster started here).",
            metavar="ADDRESS",
        ),
    ] = "",
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda (all GPUs), or some of them: cuda:0,1.", metavar="DEVICE")
    ] = "auto",
    workers: Annotated[
        int,
        typer.Option(
            help="Processes on a CPU; 0 for one per core.", metavar="N", parser=whole_number("--workers", 0)
        ),
    ] = 0,
    checkpoint_every: Annotated[
        float,
        typer.Option(help="Seconds between checkpoints.", metavar="S", parser=seconds_above_0("--checkpoint-every")),
    ] = 300.0,
    mode: Annotated[
        str, typer.Option(help="How the learner runs: auto, eager, compile, graph, compile+graph (graphs on a GPU).")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(help="What dense layers multiply in: auto, float32, tf32 (on a GPU), bf16.")
    ] = "auto",
    chain: Annotated[
        str, typer.Option(help="How DIME's denoising chain runs: auto, plain, fused (one kernel, on a GPU).")
    ] = "auto",
    log: Annotated[str, typer.Option(help="Log live to tensorboard, wandb or both.", metavar="A,B")] = "",
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided", help="Add blocks of seeds until a group-sequential test says which is better."
        ),
    ] = False,
    max_seeds: Annotated[
        int | None,
        typer.Option(
            help="With --until-decided: at most so many (default: 20).",
            metavar="N",
            parser=whole_number("--max-seeds", 2, " seeds"),
        ),
    ] = None,
    block_seeds: Annotated[
        int | None,
        typer.Option(
            help="With --until-decided: seeds per block (default: 5).",
            metavar="K",
            parser=whole_number("--block-seeds", 2, " seeds"),
        ),
    ] = None,
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Keep the last checkpoint and the replay of finished runs.")
    ] = False,
    allow: AllowCode = None,
    hang_timeout: Annotated[
        float,
        typer.Option(
            help="Kill a worker that gives no sign of life for this long.",
            metavar="S",
            parser=seconds_above_0("--hang-timeout"),
        ),
    ] = 1800.0,
) -> int:
    """Train algorithms on a suite of tasks; runs that are finished are skipped, cut-off ones go on."""
    leave_on_signals()
    seed_list = parse_seeds(seeds)
    allow_code = "code" in parse_allow(allow, ["code"])
    most, block = check_looks(until_decided, seeds, max_seeds, block_seeds)
    check_folder("--results", results)
    os.environ.setdefault("MUJOCO_GL", "disabled")
    from dimebench.agents.registry import known_algorithms
    from dimebench.cli.common.engines import Manner, engine_of
    from dimebench.cli.common.follow import trackers_of
    from dimebench.config import parse_words

    request = parse_words(words or [], algorithms=known_algorithms())
    engine = engine_of(on, Manner(workers, trackers_of(log), wait, ray_address), words or [])
    chosen = engine.device(device, request)
    check_execution(chosen, mode, precision, chain)
    if until_decided and not engine.waits:
        raise UsageError(f"--until-decided: looks at what has been trained: add --wait to --on {on}")
    from dimebench.engines.local.pool import PoolSettings
    from dimebench.planning.identity import keep_codes
    from dimebench.planning.plan import make_plan

    said: set[str] = set()  # with --until-decided there is a plan for each block of seeds

    def train(asked: Request, seed_list: Sequence[int]) -> int:
        plan = make_plan(asked, seed_list, results, chosen, mode, precision, engine.places(), chain, allow_code)
        say_remarks(plan, said)
        if any(cell.blocks for cell in plan.cells):
            make_folder("--results", results)
            keep_codes((block for _, block in plan.blocks()), results)
        settings = PoolSettings(
            checkpoint_every_s=checkpoint_every,
            keep_checkpoints=keep_checkpoints,
            hang_timeout_s=hang_timeout,
        )
        interrupt_on_signals()
        return engine.carry_out(plan, asked, settings)

    if not until_decided:
        return train(request, seed_list)
    from dimebench.cli.common.sequential import run_until_decided

    return run_until_decided(request, train, results, most, block)


def leave_on_signals() -> None:
    """Until there is something to save or to tidy up, Ctrl-C and what a scheduler sends end the command at once.

    Not by an exception: raised within the import of a library, it comes out as anything, or not at all.
    """
    for number, default in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGTERM, signal.SIG_DFL),
        (signal.SIGUSR1, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is default:
            signal.signal(number, _leave)


def interrupt_on_signals() -> None:
    """From here on they raise KeyboardInterrupt, for whoever does not handle them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
        if signal.getsignal(number) is _leave:
            signal.signal(number, _interrupt)


def _leave(*_: object) -> None:
    os.write(2, b"dimebench: interrupted\n")
    os._exit(INTERRUPTED)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
