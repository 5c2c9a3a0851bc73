"""`dimebench plan`: what `run` would do, and the memory, disk, hours and money that it takes. Nothing is written."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dimebench.cli.common import options
from dimebench.cli.common.checks import check_execution, check_folder, check_looks, say_remarks, undecidable
from dimebench.cli.common.parsers import canonical, number_above_0, parse_allow, parse_request, parse_seeds
from dimebench.errors import UsageError, nearest

if TYPE_CHECKING:
    from dimebench.config import Variant
    from dimebench.planning.cells import Hardware
    from dimebench.planning.forecast import BlockForecast, Forecast, Target

GPU_MEMORY_GB = 80.0  # of a GPU that is described and not asked
CORES_PER_GPU = 8  # of a machine that is described: for the processes that step environments


def plan(
    words: Annotated[list[str] | None, options.words("As for run.", "WORDS...")] = None,
    seeds: options.Seeds = "5",
    results: options.Results = options.DEFAULT_RESULTS,
    on: options.On = "local",
    device: options.Device = "auto",
    workers: Annotated[
        int, options.whole("--workers", "CPU workers at a time, on each node; 0 for one per core of this machine.", 0)
    ] = 0,
    gpus: Annotated[
        int, options.whole("--gpus", "GPUs of a machine or cluster that is not this one, on each node.", 0)
    ] = 0,
    gpu_memory: Annotated[
        float, options.above_0("--gpu-memory", "With --gpus: gigabytes of each.", "GB")
    ] = GPU_MEMORY_GB,
    nodes: Annotated[int, options.whole("--nodes", "Nodes of a cluster.", 1, " node")] = 1,
    price: Annotated[
        float | None, options.above_0("--price", "Of one GPU (on a CPU: of one worker) for an hour.", "PER_HOUR")
    ] = None,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Measure what no earlier run tells, seconds for each.")
    ] = True,
    rate: Annotated[
        list[str] | None,
        options.option(
            "Assume env steps per second of a run of an algorithm, which is then not probed: --rate dime=1100; "
            "may be repeated.",
            "NAME=N",
            "--rate",
        ),
    ] = None,
    probe_seconds: Annotated[float, options.seconds("--probe-seconds", "Of each probe's training.")] = 3.0,
    mode: options.Mode = "auto",
    precision: options.Precision = "auto",
    chain: options.Chain = "auto",
    keep_checkpoints: options.KeepCheckpoints = False,
    until_decided: options.UntilDecided = False,
    anytime: options.Anytime = False,
    max_seeds: options.MaxSeeds = None,
    allow: options.AllowCode = None,
    as_json: options.Json = False,
    # The rest changes nothing here: with them every command line of `run` can be planned.
    block_seeds: Annotated[int | None, options.vary(options.BlockSeeds, hidden=True)] = None,
    checkpoint_every: Annotated[float, options.vary(options.CheckpointEvery, hidden=True)] = 300.0,
    hang_timeout: Annotated[float, options.vary(options.HangTimeout, hidden=True)] = 1800.0,
    log: Annotated[str, options.vary(options.Log, hidden=True)] = "",
    wait: Annotated[bool, options.vary(options.Wait, hidden=True)] = False,
) -> None:
    """Show what run would train with the same words, and the memory, disk, hours and money that it takes."""
    block, most = check_looks(until_decided, seeds, max_seeds, block_seeds, anytime)
    # Without a maximum nobody knows how many: the plan is that of the first block.
    seed_list = list(range(block if most is None else most)) if until_decided else parse_seeds(seeds)
    check_folder("--results", results)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    request = parse_request(words)
    target, hardware = _target(on, device, workers, gpus, gpu_memory, nodes)
    check_execution(target.device, mode, precision, chain)
    from dimebench.cli.common.output import print_json, print_line, progress_line
    from dimebench.cores import usable_cores
    from dimebench.planning.forecast import forecast
    from dimebench.planning.paces import Probes
    from dimebench.planning.plan import make_plan

    rates = _rates(rate or [], request.variants)
    allow_code = "code" in parse_allow(allow, ["code"])
    made = make_plan(request, seed_list, results, target.device, mode, precision, hardware, chain, allow_code)
    say_remarks(made, set())
    cannot = None if until_decided else undecidable(made)
    with progress_line() as show:
        at_once = min(target.slots, usable_cores()) if target.here else usable_cores()
        probes = Probes(probe_seconds, target.here, at_once, show)
        nothing = lambda blocks: [None] * len(blocks)  # noqa: E731
        found = forecast(made, target, probes if probe else nothing, keep_checkpoints, rates)
    if as_json:
        about = {"cannot_decide": cannot and asdict(cannot) | {"text": str(cannot)}}
        print_json(_plain(found, price, on, rates) | about, allow_nan=False)
        return
    _show(found, price, on, probe, rates)
    if cannot:
        print_line(str(cannot))


def _target(on: str, device: str, workers: int, gpus: int, gpu_memory: float, nodes: int) -> tuple[Target, Hardware]:
    """What the plan is for. Raises UsageError where the options describe nothing that could train it."""
    from dimebench.cores import usable_cores
    from dimebench.engines.devices import gpus_here
    from dimebench.planning.cells import Hardware
    from dimebench.planning.forecast import Target
    from dimebench.planning.machine import here

    if on == "local" and nodes > 1:
        raise UsageError(f"--nodes {nodes}: this machine is one: goes with --on slurm or ray")
    if gpus:
        if device == "cpu":
            raise UsageError("--gpus: with --device cpu nothing would run on them")
        count, size = nodes * gpus, int(gpu_memory * 1e9)
        return Target("cuda", count, size, here=False), Hardware(count, size, CORES_PER_GPU)
    if on != "local":
        if device.startswith("cuda") or not workers:
            raise UsageError(f"--on {on}: say what there is: --gpus N or --workers N on each node, --nodes N")
        return Target("cpu", nodes * workers, here=False), Hardware()
    chosen, numbers = gpus_here(device)
    if chosen == "cpu":
        return Target("cpu", workers or usable_cores()), Hardware()
    machine = here(numbers)
    return Target("cuda", max(1, len(machine.gpus)), machine.hardware.gpu_bytes), machine.hardware


def _rates(words: list[str], variants: Sequence[Variant]) -> dict[str, float]:
    """Env steps per second by variant or algorithm, from the words NAME=N of `--rate`. Raises UsageError."""
    known = dict.fromkeys([each.name for each in variants] + [each.algorithm for each in variants])
    rates: dict[str, float] = {}
    for word in words:
        name, equals, number = word.rpartition("=")
        if not equals or not name:
            raise UsageError(f"--rate {word}: write NAME=N, env steps per second: --rate {next(iter(known))}=1000")
        value = number_above_0(f"--rate {name}", "number of env steps per second")(number)
        called = canonical(name)
        if called not in known:
            raise UsageError(f"--rate {word}: no algorithm of this plan is '{name}'{nearest(name, known)}")
        if called in rates:
            raise UsageError(f"--rate {word}: the rate of {name} is already {rates[called]:g}")
        rates[called] = value
    return rates


def _hours(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min" if seconds < 3600 else f"{seconds / 3600:,.1f} h"


def _size(count: float) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


HEADER = ("algorithm", "task", "seeds", "done", "blocks", "GPU memory", "memory", "disk", "time", "known from")


def _show(found: Forecast, price: float | None, on: str, probe: bool, rates: dict[str, float]) -> None:
    from dimebench.cli.common.output import print_line, print_table
    from dimebench.config.names import shown_tasks

    called = shown_tasks(cell.task for cell, _ in found.cells)
    rows = []
    for cell, blocks in found.cells:
        known = [each.duration.seconds for each in blocks if each.duration.seconds is not None]
        row = [cell.variant, called[cell.task], str(len(cell.seeds)), str(len(cell.done)), str(len(blocks))]
        row.append(_size(max(each.memory.device for each in blocks)) if blocks else "")
        row.append(_size(max(each.memory.host for each in blocks)) if blocks else "")
        row.append(_size(sum(each.results_bytes + each.checkpoint_bytes for each in blocks)) if blocks else "")
        row.append(_hours(sum(known)) if known else "")
        rows.append([*row, ", ".join(dict.fromkeys(_briefly(each.duration.source) for each in blocks))])
    left_out = {"GPU memory"} if found.target.device == "cpu" else set()
    left_out |= {"done"} if not any(cell.done for cell, _ in found.cells) else set()
    left_out |= {"blocks"} if all(len(each.block.seeds) == 1 for each in found.blocks()) else set()
    kept = [k for k, name in enumerate(HEADER) if name not in left_out]
    print_table([[row[k] for k in kept] for row in rows], [HEADER[k] for k in kept], HEADER[2:9])
    for line in _sums(found, price, on, probe, rates):
        print_line(line)


def _briefly(source: str) -> str:
    """A source without the task that it is from, which the lines below the table name."""
    word = source.partition(" ")[0]
    return word if word in ("probe", "scaled") else source


def _sums(found: Forecast, price: float | None, on: str, probe: bool, rates: dict[str, float]) -> list[str]:
    """The lines below the table."""
    from dimebench.numbers import count

    target, blocks = found.target, found.blocks()
    if not blocks:
        alone = sum(len(cell.left_alone) for cell, _ in found.cells)
        rest = f", but for {count(alone, 'run')} that cannot be read" if alone else ""
        return [f"nothing is left to train{rest}"]
    units = count(target.slots, target.unit)
    runs = sum(len(cell.seeds) - len(cell.done) - len(cell.left_alone) for cell, _ in found.cells)
    lines = [f"{runs} runs to train in {len(blocks)} blocks, on {units}"]
    hosts = sorted((each.memory.host for each in blocks), reverse=True)
    sources = ", ".join(sorted({each.memory.source for each in blocks}))
    at_once = _size(sum(hosts[: target.slots]))
    lines.append(f"memory: {_size(hosts[0])} for the largest block, {at_once} at once ({sources})")
    lines.append(f"disk: {_size(found.disk_bytes)} at most, {_size(_stays(found))} of it stays")
    if found.unknown < len(blocks):
        took, of_one = _hours(found.seconds), _hours(found.device_seconds)
        known = f" of {count(len(blocks) - found.unknown, 'block')}" if found.unknown else ""
        sources = "; ".join(each for each in found.sources() if each != "not known")
        lines.append(f"time{known}: {took} on {units}, {of_one} of one ({sources})")
        if target.device == "cuda":
            lines.append("blocks that share a GPU are counted as if they took turns")
    unknown = f"no earlier runs in the results folder, {'no GPU here to probe' if probe else '--no-probe'}"
    if found.unknown:
        lines.append(f"time of {count(found.unknown, 'block')} is not known: {unknown}")
    lines += _origins(found, rates)
    if price is not None:
        lines.append(_price(found, price, on, unknown))
    return lines


def _origins(found: Forecast, rates: dict[str, float]) -> list[str]:
    """What the sources of the times mean."""
    target, sources = found.target, " ".join(found.sources())
    lines = []
    if "probe" in sources:
        what = "of CPU time, as on a machine with nothing else to do" if target.device == "cpu" else "by the clock"
        lines.append(f"a probe is {what}; early ends of episodes and checkpoints are left out")
    if "scaled" in sources:
        lines.append(
            "scaled: the learner's time of the task that was probed, by the operations that it takes on the other; "
            "the physics is measured on both"
        )
    if "assumed" in sources:
        given = ", ".join(f"{name} {rate:,g}" for name, rate in rates.items())
        lines.append(f"assumed: {given} env steps per second of a run, evaluations included (--rate)")
    return lines


def _price(found: Forecast, price: float, on: str, unknown: str) -> str:
    """The cost and what it is made of, or why there is none."""
    from dimebench.numbers import count

    target = found.target
    if found.unknown:
        return (
            f"cost: not known, for the time of {count(found.unknown, 'block')} is not ({unknown}); --rate assumes one"
        )
    if on == "local":
        of = f"{_hours(found.seconds)} of {count(target.slots, target.unit)}, all of them until the end"
    else:
        of = f"{_hours(found.device_seconds)} of one {target.unit}, each while it works"
    return f"cost: {_cost(found, price, on):,.2f}, at {price:g} for an hour of one {target.unit}: {of}"


def _stays(found: Forecast) -> int:
    return sum(each.results_bytes + found.keep_checkpoints * each.checkpoint_bytes for each in found.blocks())


def _cost(found: Forecast, price: float, on: str) -> float:
    seconds = found.target.slots * found.seconds if on == "local" else found.device_seconds
    return price * seconds / 3600


def _plain_block(one: BlockForecast) -> dict[str, Any]:
    memory = one.memory
    size = {"gpu_memory_bytes": memory.device, "memory_bytes": memory.host, "memory_from": memory.source}
    disk = {"results_bytes": one.results_bytes, "checkpoint_bytes": one.checkpoint_bytes}
    time = {"seconds": one.duration.seconds, "seconds_from": one.duration.source}
    workers = {"environment_processes": one.block.env_workers}
    return {"seeds": list(one.block.seeds), "left": one.left, **size, **disk, **time, **workers}


def _plain(found: Forecast, price: float | None, on: str, rates: dict[str, float]) -> dict[str, Any]:
    target = found.target
    return {
        "target": {"on": on, "device": target.device, "slots": target.slots, "gpu_memory_bytes": target.gpu_bytes},
        "cells": [
            {"variant": cell.variant, "task": cell.task, "seeds": list(cell.seeds), "done": sorted(cell.done)}
            | {"not_read": {str(seed): str(error) for seed, error in sorted(cell.broken.items())}}
            | {"blocks": [_plain_block(each) for each in blocks]}
            for cell, blocks in found.cells
        ],
        "blocks": len(found.blocks()),
        "blocks_of_unknown_time": found.unknown,
        "disk_bytes": found.disk_bytes,
        "disk_bytes_that_stay": _stays(found),
        "assumed_env_steps_per_second": rates,
        "seconds": None if found.unknown else found.seconds,
        "device_seconds": None if found.unknown else found.device_seconds,
        "cost": None if price is None or found.unknown else _cost(found, price, on),
    }
