"""`dimebench run`: train what is missing, resume what was cut off, skip what is done."""

from __future__ import annotations

import os
import signal
from typing import Annotated

import typer

from dimebench.cli.errors import INTERRUPTED, NOT_COMPARABLE, OK, SOME_FAILED, UsageError
from dimebench.cli.options import (
    DEFAULT_RESULTS,
    Results,
    check_folder,
    check_writable,
    parse_seeds,
    seconds_above_0,
    whole_number,
)


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
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
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
    keep_checkpoints: Annotated[
        bool, typer.Option("--keep-checkpoints", help="Keep the last checkpoint and the replay of finished runs.")
    ] = False,
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
    stop_quietly_on_signals()
    seed_list = parse_seeds(seeds)
    check_folder("--results", results)
    os.environ.setdefault("MUJOCO_GL", "disabled")
    from dimebench.agents.registry import known_algorithms
    from dimebench.config import parse_words

    request = parse_words(words or [], algorithms=known_algorithms())
    chosen = _device(device)
    from dimebench.cli.live import board
    from dimebench.launch.local import LocalPool, PoolSettings
    from dimebench.launch.plan import make_plan

    plan = make_plan(request, seed_list, results, chosen)
    if any(cell.blocks for cell in plan.cells):
        check_writable("--results", results)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    settings = PoolSettings(
        workers=1 if chosen == "cuda" else workers or cores,
        checkpoint_every_s=checkpoint_every,
        keep_checkpoints=keep_checkpoints,
        hang_timeout_s=hang_timeout,
    )
    with board(plan) as view:
        outcome = LocalPool(plan, settings).run(view.on_event)
    view.summary(outcome)
    if outcome.interrupted:
        return INTERRUPTED
    if outcome.failed and outcome.conflicts == len(outcome.failed):
        return NOT_COMPARABLE
    return SOME_FAILED if outcome.failed or outcome.diverged else OK


def stop_quietly_on_signals() -> None:
    """What a scheduler sends before anything trains ends the command as Ctrl-C does."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGUSR1):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, stop)


def _device(asked: str) -> str:
    if asked not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {asked}: unknown device (known: auto, cpu, cuda)")
    if asked == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if asked == "cuda":
        raise UsageError("--device cuda: torch sees no CUDA device on this machine")
    return "cpu"
