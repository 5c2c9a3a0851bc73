"""Our whole training loop against other libraries': the same task, widths, batch, UTD and core, in turn.

    python benchmarks/peers/compare.py --task dog-run --algo sac --peers sbx,sb3,torchrl --rounds 10 \
        [--python sbx=/path/to/python]

Each side is a process of its own on one core and one thread; they take turns of some env steps (A B C A B C ...), so
that a busy machine slows all alike. An env step is everything that training does for it: act, step the task, store,
update. Random start and compilation come before the first turn. Printed: median milliseconds per env step, by
the clock and of CPU time (waiting for a busy core does not count), and the median over rounds of the peer's time over
ours in the same round. With `--device cuda` all of them learn on the same card, and use whatever cores there are. The
peers (extra `peers`) may live in an environment of their own: `--python NAME=PATH` each, or `--python PATH` for all.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from turns import AbsentError, Side

from dimebench.planning.process_env import WORKER_ENVIRONMENT

HERE = Path(__file__).parent
SCRIPTS = {"sb3": "side_sb3.py", "sbx": "side_sb3.py", "torchrl": "side_torchrl.py", "ours": "side_ours.py"}
HAVE = {"sac": ("sbx", "sb3", "torchrl", "ours"), "crossq": ("sbx", "ours"), "dime": ("ours",)}
CRITIC = {"sac": 256, "crossq": 2048, "dime": 2048}  # their own width
TURN = {"sac": 50, "crossq": 3, "dime": 3}  # env steps: whole periods of the schedule
RANDOM_START = 300  # env steps
WARM = 60  # env steps that learn before the first turn; a multiple of every turn


def main() -> None:
    args = _arguments()
    if args.device == "cpu" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0)) if args.core is None else args.core})
    spec = {
        "task": args.task,
        "algo": args.algo,
        "critic": args.critic or CRITIC[args.algo],
        "batch_size": 256,
        "replay_capacity": 100_000,
        "random_start": RANDOM_START,
        "words": args.words,
        "mode": args.mode,
        "precision": args.precision,
        "device": args.device,
    }
    try:
        ours = Side("ours", HERE / SCRIPTS["ours"], sys.executable, spec, _environment(args.device, ours=True))
    except AbsentError as reason:
        sys.exit(f"compare: ours: {reason}")
    peers = list(_peers(args, spec))
    sides = [ours, *peers]
    took: dict[str, list[tuple[float, float]]] = {side.name: [] for side in sides}
    try:
        for side in sides:
            side.go(RANDOM_START)
            side.go(args.warm)
        for _ in range(args.rounds):
            for side in sides:
                took[side.name].append(side.go(args.turn))
    finally:
        for side in sides:
            side.close()
    found = {name: _figures(times, took["ours"]) for name, times in took.items()}
    if args.json:
        versions = {side.name: side.versions for side in sides}
        print(json.dumps(spec | {"turn": args.turn, "rounds": args.rounds, "versions": versions, "found": found}))
        return
    print(f"{args.algo} on {args.task}, critics {spec['critic']}, {args.rounds} turns of {args.turn} env steps each")
    columns = ("ms", "ratio", "cpu_ms", "cpu_ratio")
    print(f"{'':10}{'ms per env step':>16}{'peer / ours':>13}{'CPU ms':>9}{'peer / ours':>13}   versions")
    for side in sides:
        ms, ratio, cpu_ms, cpu_ratio = (found[side.name][column] for column in columns)
        versions = ", ".join(f"{name} {version}" for name, version in side.versions.items())
        print(f"{side.name:10}{ms:16.2f}{ratio:13.2f}{cpu_ms:9.2f}{cpu_ratio:13.2f}   {versions}")


def _figures(times: list[tuple[float, float]], ours: list[tuple[float, float]]) -> dict[str, Any]:
    """Of (clock, CPU) milliseconds per turn: medians, and medians of the ratio to ours in the same round."""
    figures: dict[str, Any] = {}
    for i, key in enumerate(("", "cpu_")):
        figures[f"{key}ms"] = statistics.median(turn[i] for turn in times)
        figures[f"{key}ratio"] = statistics.median(t[i] / o[i] for t, o in zip(times, ours, strict=True))
    return figures | {"turns": times}


def _peers(args: argparse.Namespace, spec: dict[str, Any]) -> Iterable[Side]:
    """The peers that can be had; the others are named on standard error with the reason."""
    for number, name in enumerate(name for name in args.peers.split(",") if name):
        if name not in HAVE[args.algo]:
            print(f"{name}: skipped: has no {args.algo} here", file=sys.stderr)
            continue
        python = sys.executable if name == "ours" else args.python.get(name, args.python.get("", sys.executable))
        label = name if name != "ours" else f"ours-{number + 2}"
        try:
            yield Side(
                label, HERE / SCRIPTS[name], python, spec | {"peer": name}, _environment(args.device, name == "ours")
            )
        except AbsentError as reason:
            print(f"{name}: skipped: {reason}; install the extra `peers`", file=sys.stderr)


def _environment(device: str, ours: bool) -> dict[str, str]:
    """Ours as a worker of `run` has it. JAX is let onto a GPU, and takes no more of it than it needs."""
    found = dict(WORKER_ENVIRONMENT) if ours else {}
    return found if device == "cpu" else found | {"JAX_PLATFORMS": "cuda", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="settings of our side, as for `dimebench run`")
    parser.add_argument("--task", default="dog-run", help="a dm_control task of suite dmc-full")
    parser.add_argument("--algo", default="sac", choices=sorted(HAVE))
    parser.add_argument("--peers", help="of sbx, sb3, torchrl and (again) ours (default: all that have it)")
    parser.add_argument("--critic", type=int, help="width of the critics (default: 256 for SAC, else 2048)")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--turn", type=int, help="env steps of a turn")
    parser.add_argument("--warm", type=int, default=WARM, help="learning env steps before the first turn")
    parser.add_argument("--core", type=int, help="the core to use (default: the last one)")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"), help="where all of them learn")
    parser.add_argument("--mode", help="how our learner executes (default: as `run` does)")
    parser.add_argument("--precision", help="of our learner's products (default: as `run` does)")
    parser.add_argument("--python", action="append", default=[], help="NAME=PATH, or PATH for all peers")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.turn = args.turn or TURN[args.algo]
    args.peers = ",".join(HAVE[args.algo][:-1]) if args.peers is None else args.peers
    args.python = dict(map(_interpreter, args.python))
    for name in filter(None, [*args.peers.split(","), *args.python]):
        if name not in SCRIPTS:
            parser.error(f"unknown peer '{name}' (known: {', '.join(SCRIPTS)})")
    if "torchrl" in args.peers and args.algo == "sac" and (args.turn % 10 or args.warm % 10):
        parser.error("--turn and --warm: torchrl needs multiples of 10")
    return args


def _interpreter(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    return (name, path) if equals else ("", text)


if __name__ == "__main__":
    main()
