"""Everything that needs a GPU, in one command that fits the time it is given.

    python -m benchmarks.gpu [--only smoke,figures] [--seconds 400] [--out gpu-out]

Parts run in the order below, each in processes of its own with a time limit of its own. Every result is printed, and
written to OUT/gpu.jsonl, as soon as it is known; a part that fails or runs out of time is recorded as such, and the
next one goes on. Ends with 1 if anything failed, with 2 where there is nothing to run on. With --device cpu the same
machinery runs on small learners: a test of itself, not a measurement.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.gpu.campaign import Campaign, Part
from benchmarks.gpu.machine import ask
from benchmarks.gpu.record import RESULTS, File
from dimebench.errors import nearest
from dimebench.planning.process_env import WORKER_ENVIRONMENT

ALGORITHMS = ("dime", "crossq", "sac", "dime-gaussian", "random")
PARTS = (
    Part("smoke", "smoke", 120, "every learner in every mode through the training loop, resumed bit for bit",
         lanes=ALGORITHMS, timeless=True),
    Part("golden", "pytests", 120, "tests/golden on the device", timeless=True),
    Part("tests", "pytests", 80, "the tests marked gpu"),
    Part("equality", "equality", 90, "modes against each other, and repetition bit for bit", lanes=ALGORITHMS[:4]),
    Part("figures", "figures", 180, "ms per vector step, env steps/s, fraction of floor, memory, compiling"),
    Part("kernels", "kernels", 50, "kernels per vector step, device time by kernel, share of an idle GPU"),
    Part("choices", "choices", 80, "small experiments: Adam, padded widths, second stream, order, chain"),
    Part("loop", "loop", 60, "the whole loop on dog-run, and the learner's share of it"),
    Part("peers", "peers", 90, "SAC of Stable-Baselines3, torchrl and sbx on the same card"),
    Part("train", "train", 600, "a real training beside the published curve; goes on where the last one stopped"),
)  # fmt: skip
USAGE = 2


def main() -> int:
    args = _arguments()
    names = [part.name for part in PARTS]
    for name in args.only:
        if name not in names:
            return _refuse(f"unknown part '{name}'{nearest(name, names)}")
    for name in args.algo or ():
        if name not in ALGORITHMS:
            return _refuse(f"unknown algorithm '{name}'{nearest(name, ALGORITHMS)}")
    began = time.monotonic()
    facts = ask(args.device)
    if "absent" in facts:
        return _refuse(f"{facts['absent']}; --device cpu runs the same on small learners")
    args.out.mkdir(parents=True, exist_ok=True)
    args.scratch.mkdir(parents=True, exist_ok=True)
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    file = File(args.out.resolve(), f"{date}-{os.getpid()}")
    options = {key: getattr(args, key) for key in ("algo", "task", "seeds", "steps")}
    file.machine({"date": date, "seconds": args.seconds, "only": args.only, "options": options, **facts})
    print(f"{facts.get('gpu', facts['cpu'])}, driver {facts.get('driver', 'none')}, {facts['versions']}", flush=True)
    chosen = [_for_algorithms(part, args.algo) for name in args.only for part in PARTS if part.name == name]
    left = args.seconds - (time.monotonic() - began)
    with tempfile.TemporaryDirectory(prefix="gpu-", dir=args.scratch) as folder:
        environment = _environment(args) | {"TMPDIR": folder}
        options |= {"kept": str(args.scratch.resolve()), "here": str(Path.cwd())}
        campaign = Campaign(file, args.device, left, Path(folder), environment, options, _say)
        results = campaign.run(chosen)
    bad = [result for result in results if result.bad]
    counts = {status: sum(r.status == status for r in results) for status in dict.fromkeys(r.status for r in results)}
    print(", ".join(f"{count} {status}" for status, count in counts.items()) + f": {args.out / RESULTS}")
    return 1 if bad else 0


def _for_algorithms(part: Part, algorithms: list[str] | None) -> Part:
    """The part as it is run: its module's whole name, and only the processes of these algorithms."""
    part = replace(part, module=f"benchmarks.gpu.parts.{part.module}")
    if part.lanes == ("",) or not algorithms:
        return part
    return replace(part, lanes=tuple(name for name in part.lanes if name in algorithms))


def _environment(args: argparse.Namespace) -> dict[str, str]:
    """As a worker of `run` has it, with a place where compiled code stays for the next campaign."""
    inductor = os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(args.scratch.resolve() / "inductor"))
    return WORKER_ENVIRONMENT | {
        "MUJOCO_GL": os.environ.get("MUJOCO_GL", "disabled"),
        "TORCHINDUCTOR_CACHE_DIR": inductor,
    }


def _say(text: str) -> None:
    print(text, flush=True)


def _refuse(why: str) -> int:
    print(f"gpu: {why}", file=sys.stderr)
    return USAGE


def _arguments() -> argparse.Namespace:
    names = [part.name for part in PARTS]
    parts = "\n".join(f"  {part.name:10s}{part.help}" for part in PARTS)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu",
        description=__doc__,
        epilog=f"parts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = _words
    parser.add_argument("--only", type=words, default=names, metavar="PARTS", help="these parts, in this order")
    parser.add_argument("--seconds", type=float, default=840.0, help="for everything (default: 840)")
    parser.add_argument("--out", type=Path, default=Path("gpu-out"), help="folder for the results (gpu-out)")
    parser.add_argument("--device", default="cuda", help="cuda, or cpu for a test of the machinery")
    parser.add_argument("--algo", type=words, help="only these learners in smoke, equality, figures")
    parser.add_argument("--task", default="walker-run", help="of the real training (walker-run)")
    parser.add_argument("--seeds", type=int, default=4, help="of the real training (4)")
    parser.add_argument("--steps", type=int, default=96_000, help="env steps of the real training (96000)")
    scratch = Path(tempfile.gettempdir()) / "dimebench-gpu"
    parser.add_argument("--scratch", type=Path, default=scratch, help="the training's state, compiled code")
    return parser.parse_args()


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _interrupted(*_: Any) -> NoReturn:
    raise KeyboardInterrupt  # so that every part's processes are ended


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
