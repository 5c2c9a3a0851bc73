"""SAC of other libraries on the same card: `benchmarks/peers` in turns with ours, one seed each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.gpu.session import Case, Session

COMPARE = Path(__file__).resolve().parents[2] / "peers" / "compare.py"
PEERS = {"sb3": "stable_baselines3", "torchrl": "torchrl", "sbx": "sbx"}  # and the module that it needs
FOR_ONE = 60.0
ON_CPU = [
    "--task",
    "pendulum-swingup",
    "--critic",
    "8",
    "--rounds",
    "2",
    "--turn",
    "10",
    "--warm",
    "10",
    "all.actor_hidden=[8]",
]


def run(session: Session) -> None:
    for peer in PEERS:
        session.do(f"sac {peer}", _compare, session, peer, needs=FOR_ONE if session.on_gpu else 0.0)


def _compare(case: Case, session: Session, peer: str) -> None:
    if find_spec(PEERS[peer]) is None:
        case.skipped = f"no module named '{PEERS[peer]}'; install the extra `peers`"
        return
    sizes = ["--task", "dog-run", "--rounds", "5"] if session.on_gpu else ON_CPU
    command = [
        sys.executable,
        str(COMPARE),
        "--algo",
        "sac",
        "--peers",
        peer,
        "--device",
        session.device,
        "--json",
        *sizes,
    ]
    root = os.pathsep.join(filter(None, [str(COMPARE.parents[2]), os.environ.get("PYTHONPATH", "")]))
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": root},
        timeout=max(session.left(), 1.0),
        check=False,
    )
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["it said nothing"]
        raise RuntimeError(f"compare.py ended with {done.returncode}: {words[-1]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    ours = answer["found"]["ours"]
    case.values |= {"ms_ours": ours["ms"], "versions": answer["versions"]}
    if peer not in answer["found"]:
        case.skipped = next(
            (line for line in done.stderr.splitlines() if line.startswith(f"{peer}: ")), "it is absent"
        )
        return
    theirs = answer["found"][peer]
    case.values |= {"ms_theirs": theirs["ms"], "theirs_over_ours": theirs["ratio"]}
