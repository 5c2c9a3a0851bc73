"""Reading results at a URL whose every answer takes a while, in turns with the same results in a folder.

    python benchmarks/remote_reading.py [--runs 500] [--delay-ms 20]

The URL is fsspec's file system in memory behind a delay per request, as an object store elsewhere has it.
`requests` is how many there were; one after the other they would take the delay times that.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.memory import MemoryFileSystem

from dimebench.store import Run, RunWriter, read_evals, read_runs
from dimebench.store.places import Place, open_place

EPISODES, EVALUATIONS = 10, 41


class Slow(MemoryFileSystem):
    """A store in memory that lets each request wait."""

    protocol = "slow"
    delay_s = 0.0
    requests = 0

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.replace("slow://", "memory://"))

    def _wait(self) -> None:
        Slow.requests += 1
        time.sleep(Slow.delay_s)

    def info(self, path: str, **more: Any) -> Any:
        self._wait()
        return super().info(path, **more)

    def find(self, path: str, **more: Any) -> Any:
        self._wait()
        return super().find(path, **more)

    def _open(self, path: str, *arguments: Any, **more: Any) -> Any:
        self._wait()
        return super()._open(path, *arguments, **more)


def make(results: Path, runs: int) -> None:
    """Runs of a real size, their numbers made up."""
    for seed in range(runs):
        task = f"dm_control/task-{seed % 7}"
        path = results / "made" / "dime" / task / f"seed-{seed:03d}"
        identity = {"sha256": "0" * 64, "of": {"protocol": {"env_steps": 1_000_000}, "settings": {}}}
        progress = {"env_step": 1_000_000, "grad_step": 2_000_000, "wall_time_s": 1.0}
        score = {"kind": "final", "lower": 0.0, "upper": 1000.0}
        who = ("made", "dime", "dime", task, seed, "finished", None)
        writer = RunWriter(Run(path, *who, identity, score, {}, progress, f"seed-{seed:03d}"))
        common = {"length": 1000, "success": None, "grad_step": 0, "wall_time_s": 1.0, "diverged": False}
        for step in range(EVALUATIONS):
            rows = [{"episode": e, "return": float(step * e), **common} for e in range(EPISODES)]
            writer.add_evaluation(step * 25_000, rows)
        writer.write()


def seconds(results: Place) -> tuple[float, Any]:
    began = time.perf_counter()
    evals = read_evals(read_runs(results))
    return time.perf_counter() - began, evals


def main() -> None:
    parser = argparse.ArgumentParser(description="Results at a URL against the same ones in a folder.")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--delay-ms", type=float, default=20.0)
    given = parser.parse_args()
    fsspec.register_implementation("slow", Slow)
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        make(results, given.runs)
        store = fsspec.filesystem("slow")
        for file in results.rglob("*.*"):
            store.pipe_file(f"/bucket/{file.relative_to(results)}", file.read_bytes())
        local, here = seconds(results)
        Slow.delay_s, Slow.requests = given.delay_ms / 1e3, 0
        remote, there = seconds(open_place("slow://bucket"))
    assert here.equals(there)
    one_by_one = Slow.requests * Slow.delay_s
    facts = {"runs": given.runs, "local_s": local, "url_s": remote, "requests": Slow.requests, "waits_s": one_by_one}
    print(json.dumps({key: round(value, 2) for key, value in facts.items()}))


if __name__ == "__main__":
    main()
