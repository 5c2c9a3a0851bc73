"""One of several pools at one results folder, until all is done: `python -m tests.engines.race RESULTS LEASE_S`."""

from __future__ import annotations

import sys
from pathlib import Path

from dimebench.engines.events import Event, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.planning.cells import Plan
from dimebench.planning.plan import make_plan
from tests.planning.requests import request

TASKS = ("cartpole-swingup", "walker-stand")
ALGORITHMS = "sac,sac:utd=2,sac:utd=3,crossq,crossq:utd=2,crossq:utd=3"
CELLS = 12


def plan(results: Path, steps: str = "steps=120") -> Plan:
    """Twelve cells of one run each: two tasks, two algorithms in three variants each, one seed."""
    made = make_plan(request(f"task={','.join(TASKS)}", steps, algo=ALGORITHMS), [0], results, "cpu")
    assert len(made.cells) == CELLS
    return made


def main() -> None:
    results, lease_s = Path(sys.argv[1]), float(sys.argv[2])

    def say(event: Event) -> None:
        if event.kind in ("started", "waiting", "elsewhere", "done"):
            status = event.facts.get("status", "")
            print(event.kind, event.cell.name, event.block.name, status, sep="|", flush=True)

    outcome = LocalPool(plan(results), PoolSettings(1, checkpoint_every_s=0.1, lease_s=lease_s)).run(say)
    sys.exit(3 if outcome.failed else 130 if outcome.interrupted else 0)


if __name__ == "__main__":
    main()
