"""`dimebench bench`: throughput of this machine, with the floor beside each figure."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_execution
from dimebench.cli.common.parsers import parse_request, parse_seeds
from dimebench.errors import UsageError

# What is measured when no suite is named: the published settings on the two bodies that are hard to learn.
DEFAULTS = {"suite": "dmc-full", "algo": "dime,crossq,sac", "task": "dog-run,humanoid-run"}
SEEDS = {"cpu": "1", "cuda": "10"}  # as a process of `run` trains them together


def bench(
    words: Annotated[
        list[str] | None,
        options.words(
            "As for run: algo=a,b task=x,y suite=NAME ALGORITHM.SETTING=VALUE (default: dime, crossq and sac on "
            "dog-run and humanoid-run at full size)."
        ),
    ] = None,
    seeds: Annotated[
        str, options.vary(options.Seeds, help="How many seeds train together (default: 1 on a CPU, 10 on a GPU).")
    ] = "",
    device: Annotated[str, options.vary(options.Device, help="auto, cpu or cuda.")] = "auto",
    seconds: Annotated[float, options.seconds("--seconds", "Time for each part.", "T")] = 10.0,
    mode: options.Mode = "auto",
    precision: options.Precision = "auto",
    chain: options.Chain = "auto",
    as_json: options.Json = False,
) -> None:
    """Measure physics, learner, acting and the whole loop per algorithm and task, each beside its floor."""
    asked = parse_seeds(seeds) if seeds else None
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    request = parse_request(_with_defaults(words or []))
    from dimebench.engines.devices import device_here

    chosen = device_here(device)
    check_execution(chosen, mode, precision, chain)
    from dimebench.bench.cells import bench as measure
    from dimebench.bench.cells import learning_blocks, machine_facts
    from dimebench.cli.common.output import print_json, progress_line
    from dimebench.planning.plan import make_plan

    with tempfile.TemporaryDirectory(prefix="dimebench-bench-") as folder:
        together = asked or parse_seeds(SEEDS[chosen])
        plan = make_plan(request, together, Path(folder), chosen, mode, precision, chain=chain)
        blocks = learning_blocks(plan, together)
        if not blocks:
            raise UsageError(f"{', '.join(request.suite.algorithms)}: learns nothing, so there is nothing to measure")
        with progress_line() as show:
            progress = lambda block, part: show(f"{block.variant} on {block.task}: {part}")  # noqa: E731
            found = list(measure(blocks, Path(folder), seconds, progress))
    if as_json:
        facts = machine_facts() | {"seeds": len(blocks[0].seeds), "seconds": seconds}
        print_json(facts | {"cells": [cell.to_json() for cell in found]}, allow_nan=False)
    else:
        _show(found)


def _with_defaults(words: list[str]) -> list[str]:
    """The words, and the defaults for what they leave open; a named suite says everything itself."""
    keys = {word.partition("=")[0] for word in words}
    return words + [f"{key}={value}" for key, value in DEFAULTS.items() if not {"suite", key} & keys]


HEADER = ("task", "algorithm", "part", "env steps/s", "ms", "floor ms", "of floor")


def _show(found: list[Any]) -> None:
    from dimebench.bench.cells import PARTS
    from dimebench.cli.common.output import print_line, print_table

    rows: list[list[str]] = []
    for task in dict.fromkeys(cell.task for cell in found):
        cells = [cell for cell in found if cell.task == task]
        rows.append([task, "", "physics", *_figures(cells[0].figures["physics"])])
        for cell in cells:
            rows += [[task, cell.variant, part, *_figures(cell.figures[part])] for part in PARTS[1:]]
    print_table(rows, HEADER, HEADER[3:])
    for cell in found:
        parts = ", ".join(f"{part} {share:.0%}" for part, share in cell.shares.items())
        print_line(f"{cell.variant} on {cell.task}: {cell.dominant} dominates the loop ({parts}, each by itself)")
    how, seeds = found[0].execution, found[0].figures["loop"].seeds
    best, copy = max(cell.ceilings.gemm for cell in found), max(cell.ceilings.copy for cell in found)
    chain = f", {how['chain']} chain" if "chain" in how else ""
    print_line(
        f"{how['device']}, {how['threads']} thread, {how['mode']} {how['precision']}{chain}, {seeds} seeds together; "
        f"measured ceilings: products {best / 1e9:,.0f} GFLOP/s, copies {copy / 1e9:,.1f} GB/s"
    )


def _figures(figure: Any) -> list[str]:
    """Env steps per second over all seeds; milliseconds per env step of all seeds, and the floor's; the fraction."""
    from dimebench.numbers import rate

    own = [rate(figure.seeds / figure.seconds, 4), rate(figure.seconds * 1e3)]
    known = figure.floor_seconds is not None
    return own + ([rate(figure.floor_seconds * 1e3), f"{figure.fraction:.0%}"] if known else ["", ""])
