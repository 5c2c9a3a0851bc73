"""A results tree of many runs: how long status, compare and report take on it, and how much memory.

    python benchmarks/big_tree.py --runs 5000

The tree is made first (not timed): every run has 41 evaluations of 10 episodes, as a run of dmc-hard has.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dimebench.store.schema import EVALS_FILE, EVALS_SCHEMA, RUN_FILE, SCHEMA_VERSION

EVALUATIONS, EPISODES, INTERVAL, SEEDS, TASKS = 41, 10, 25_000, 10, 25
EVERY_S = 0.1  # looked at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5_000)
    parser.add_argument("--repeat", type=int, default=1, help="medians over so many times")
    parser.add_argument("--keep", type=Path, help="folder to make the tree in, and to leave it")
    options = parser.parse_args()
    folder = options.keep or Path(tempfile.mkdtemp())
    results = folder / "results"
    if not results.exists():
        runs = make(results, options.runs)
        print(f"{runs} runs made")
    try:
        names = ["algo-00", "algo-01"]
        for words in (
            ["status"],
            ["compare", *names],
            ["report", "--html", "--formats", "svg", "--out", str(folder / "report")],
            ["report", "--html", "--out", str(folder / "report")],  # figures in three formats
        ):
            found = [measure([*words, "--results", str(results)]) for _ in range(options.repeat)]
            seconds, cpu, megabytes = np.median(found, axis=0)
            print(f"{' '.join(words[:4])[:29]:30} {seconds:6.1f} s  {cpu:6.1f} s of CPU  {megabytes:6.0f} MB")
        page = folder / "report" / "big" / "report.html"
        print(f"{'page':30} {page.stat().st_size / 1e6:6.2f} MB")
    finally:
        if options.keep is None:
            shutil.rmtree(folder)


def make(results: Path, runs: int) -> int:
    """Write `runs` runs, TASKS tasks and SEEDS seeds to a variant. Returns how many there are."""
    cells = [(f"algo-{k // TASKS:02d}", f"dm_control/task-{k % TASKS:02d}") for k in range(max(1, runs // SEEDS))]
    jobs = [(variant, task, seed) for variant, task in cells for seed in range(min(SEEDS, runs))]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda job: write(results, *job), jobs))
    return len(jobs)


def write(results: Path, variant: str, task: str, seed: int) -> None:
    level = 300 + 20 * int(variant[-2:]) + 10 * int(task[-2:])
    rng = np.random.default_rng([seed, level])
    steps = np.repeat(np.arange(EVALUATIONS) * INTERVAL, EPISODES)
    rows = steps.size
    values = level * (1 - np.exp(-steps / 3e5)) + 40 * rng.normal() + 20 * rng.normal(size=rows)
    columns = {
        "suite": ["big"] * rows,
        "algorithm": [variant] * rows,
        "variant": [variant] * rows,
        "task": [task] * rows,
        "seed": np.full(rows, seed),
        "env_step": steps,
        "grad_step": 2 * steps,
        "episode": np.tile(np.arange(EPISODES), EVALUATIONS),
        "return": values,
        "length": np.full(rows, 1000),
        "success": pa.nulls(rows, pa.bool_()),
        "wall_time_s": steps / 60.0,
        "diverged": np.zeros(rows, bool),
    }
    folder = results / "big" / variant / task / f"seed-{seed:03d}"
    folder.mkdir(parents=True)
    table = pa.table({f.name: pa.array(columns[f.name], f.type) for f in EVALS_SCHEMA})
    pq.write_table(table, folder / EVALS_FILE, compression="zstd", write_page_checksum=True)
    protocol = {"env_steps": 1_000_000, "action_repeat": 1, "eval_interval": INTERVAL, "eval_episodes": EPISODES}
    run = {
        "schema": SCHEMA_VERSION,
        "suite": "big",
        "algorithm": variant,
        "variant": variant,
        "task": task,
        "seed": seed,
        "status": "finished",
        "reason": None,
        "identity": {
            "sha256": f"{seed:064x}",
            "of": {
                "protocol": protocol,
                "settings": {f"setting_{k}": k for k in range(25)},
                "physics": f"physics of {task}",
                "code": "0.1.0+0123456789ab",
                "versions": {"torch": "2.13.0", "mujoco": "3.17.0"},
                "execution": {"device": "cpu", "threads": 1},
            },
        },
        "score": {"kind": "final", "lower": 0.0, "upper": 1000.0},
        "provenance": {"command": "dimebench run suite=big", "device": "cpu", "seeds_together": [seed]},
        "progress": {"env_step": 1_000_000, "grad_step": 2_000_000, "wall_time_s": 16_667.0},
        "block": f"seed-{seed:03d}",
    }
    (folder / RUN_FILE).write_text(json.dumps(run, indent=1))


def measure(words: list[str]) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of CPU and peak megabytes of `dimebench WORDS` on two cores, with its helpers."""
    command = [sys.executable, "-m", "dimebench.cli.main", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:2])  # inherited
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True)
    os.sched_setaffinity(0, cores)
    ticks: dict[int, int] = {}
    most = 0
    try:
        while process.poll() is None:
            now = dict(_members(process.pid))
            ticks |= now
            most = max(most, sum(map(_kilobytes, now)))
            time.sleep(EVERY_S)
    except KeyboardInterrupt:
        process.kill()
        raise
    seconds = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"dimebench {' '.join(words)}: exit code {process.returncode}")
    return seconds, sum(ticks.values()) / os.sysconf("SC_CLK_TCK"), most / 1024


def _members(session: int) -> Iterator[tuple[int, int]]:
    """The processes of a session, each with its ticks of CPU so far."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        if int(fields[3]) == session:
            yield int(folder.name), int(fields[11]) + int(fields[12])


def _kilobytes(pid: int) -> int:
    """Memory of a process; what it shares with others is counted once in all of them together."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


if __name__ == "__main__":
    main()
