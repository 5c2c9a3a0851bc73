"""How long a large job manifest takes to write, to read and to look through, with a queue that answers at once.

    python benchmarks/orders.py [--blocks 10000]

squeue is a stand-in that prints as many lines as there are jobs; half of the blocks have ended.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from dimebench.agents.registry import known_algorithms
from dimebench.config import parse_words
from dimebench.engines.events import PoolSettings
from dimebench.engines.manifest import JobManifest, read_manifests
from dimebench.engines.slurm.queue import job_statuses, note_jobs
from dimebench.planning.plan import make_plan


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=10_000)
    blocks = parser.parse_args().blocks
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        request = parse_words(["suite=quick", "algo=sac", "task=walker-stand"], algorithms=known_algorithms())
        plan = make_plan(request, [0], results, "cpu")
        (block,) = plan.cells[0].blocks
        plan.cells[0].blocks = [replace(block, seeds=(seed,)) for seed in range(blocks)]
        began = time.perf_counter()
        manifest = JobManifest.write(plan, PoolSettings(), "slurm", lambda task: {"cpus": 1})
        note_jobs(manifest, {index: f"1_{index}" for index in range(blocks)})
        print(f"{blocks} blocks: {time.perf_counter() - began:.2f} s to write", end="")
        for index in range(blocks // 2):
            for kind in ("began", "ended"):
                facts = {"status": "finished", "host": "n1", "reason": None, "attempt": 1}
                (manifest.folder / f"{kind}-{index}.json").write_text(json.dumps(facts))
        squeue = Path(folder) / "bin" / "squeue"
        squeue.parent.mkdir()
        lines = "".join(f"1_{index}|PENDING||Resources\n" for index in range(blocks // 2, blocks))
        (Path(folder) / "lines").write_text(lines)
        squeue.write_text(f"#!/bin/sh\ncat {folder}/lines\n")
        squeue.chmod(0o755)
        os.environ["PATH"] = f"{squeue.parent}:{os.environ['PATH']}"
        began = time.perf_counter()
        JobManifest.read(manifest.folder)
        print(f", {time.perf_counter() - began:.2f} s to read (as each job does)", end="")
        began = time.perf_counter()
        found = job_statuses(read_manifests(results))
        assert sum(each.queued for each in found) == blocks - blocks // 2
        print(f", {time.perf_counter() - began:.2f} s for the status of every job")


if __name__ == "__main__":
    main()
