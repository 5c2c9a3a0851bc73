"""Ten thousand cells, a thousand workers, a hundred thousand runs: how the plan, the claims and `status` keep up.

    python benchmarks/scale.py workers --cells 10000 --workers 1000
    python benchmarks/scale.py plan --cells 10000
    python benchmarks/scale.py status --runs 100000

`workers` simulates a cluster on a real folder: real claims and real run.json files, simulated time. Workers take
cells, beat, checkpoint, and at random die (the next worker has to wait for the lease) or freeze, often for longer
than the lease, and wake up again: then they must notice that they lost the claim before they write. `plan` and
`status` time the real code on trees that hold all those runs. Nothing is trained.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from dimebench.agents.registry import known_algorithms
from dimebench.config import Request, parse_words
from dimebench.config.identity import identity_hash
from dimebench.planning.cells import Plan
from dimebench.planning.plan import make_plan, settle
from dimebench.store import Run, read_run
from dimebench.store.claims import Claim, ClaimLostError, Watch
from dimebench.store.schema import EVALS_FILE
from dimebench.store.writer import write_run
from dimebench.training.block import Block

LEASE_S, TICK_S, CHECKPOINT_S = 60.0, 2.5, 40.0
WORK_S = (30.0, 300.0)  # how long a cell trains, in simulated seconds
LIFE_S, SHARE_FROZEN = 600.0, 0.4  # of a worker, on average; how many of its ends are a freeze and no death
FREEZE_S, RESTART_S = (20.0, 600.0), 30.0
STOLEN = 50  # other workers' cells that one looks at when its own are done
THREADS = 8


def request_of(cells: int) -> Request:
    """At least this many cells of a real algorithm on real tasks."""
    tasks = 15  # of suite dmc-full
    variants = ",".join(f"sac:batch_size={1 + k}" for k in range(-(-cells // tasks)))
    return parse_words(["suite=dmc-full", f"algo={variants}"], algorithms=known_algorithms())


def plan_of(cells: int, results: Path, seeds: int = 1) -> Plan:
    return make_plan(request_of(cells), range(seeds), results, "cpu")


def run_of(block: Block, results: Path, status: str, env_step: int = 0) -> Run:
    """What training writes into run.json."""
    provenance = {"command": block.command, "seeds_together": list(block.seeds), "device": block.device}
    return Run(
        path=block.run_folder(results, block.seeds[0]),
        suite=block.suite,
        algorithm=block.algorithm,
        variant=block.variant,
        task=block.task,
        seed=block.seeds[0],
        status=status,
        reason=None,
        identity={"sha256": identity_hash(block.identity()), "of": block.identity()},
        score=block.score,
        provenance=provenance,
        progress={"env_step": env_step, "grad_step": env_step, "wall_time_s": float(env_step)},
        block=block.name,
    )


@dataclass
class Ledger:
    """What happened, for the checks at the end."""

    finished: Counter[str] = field(default_factory=Counter)
    writes: dict[str, list[int]] = field(default_factory=dict)  # run -> claim generation of each write, in order
    counts: Counter[str] = field(default_factory=Counter)

    def problems(self, blocks: Sequence[Block], results: Path) -> list[str]:
        """What must never happen: a cell lost, one done twice, a write without the claim."""
        found = []
        for block in blocks:
            key = f"{block.cell} {block.name}"
            run = read_run(block.run_folder(results, block.seeds[0]))
            if run is None or run.status != "finished":
                found.append(f"lost: {key}")
            if self.finished[key] != 1:
                found.append(f"done {self.finished[key]} times: {key}")
            if self.writes[key] != sorted(self.writes[key]):
                found.append(f"written to by one who had lost it: {key}")
        return found


class Worker:
    """One simulated worker: it knows what is on disk, its own clock, and nothing of the others."""

    def __init__(self, own: list[Block], others: list[Block], cluster: Cluster, dice: random.Random) -> None:
        self.own, self.others, self.cluster, self.dice = own, others, cluster, dice
        self.begin()

    def begin(self) -> None:
        """As a new process, which knows nothing of the one before."""
        self.watch = Watch(LEASE_S, lambda: self.cluster.now)
        self.job: tuple[Block, list[Claim], float] | None = None  # the block, its claims, seconds left to train
        self.done: set[str] = set()
        self.awake_at = self.cluster.now
        self.fails_at = self.cluster.now + self.dice.expovariate(1 / LIFE_S)
        self.beat_at = self.saved_at = self.latest_beat = self.cluster.now

    @property
    def left(self) -> bool:
        """Whether it has nothing to do any more: its own cells are done, and it holds none."""
        return self.job is None and all(self._key(block) in self.done for block in self.own)

    def tick(self) -> None:
        now = self.cluster.now
        if now < self.awake_at or self.left:
            return
        if now >= self.fails_at:
            self._fail()
        elif self.job is None:
            self._look()
        else:
            self._train()

    def _fail(self) -> None:
        now, counts = self.cluster.now, self.cluster.ledger.counts
        if self.dice.random() < SHARE_FROZEN:
            counts["freezes"] += 1
            self.awake_at = now + self.dice.uniform(*FREEZE_S)
            self.fails_at = self.awake_at + self.dice.expovariate(1 / LIFE_S)
            return
        counts["deaths"] += 1
        self.begin()  # its claims stay as they are: nobody releases them
        self.awake_at = now + RESTART_S

    def _look(self) -> None:
        """Take the first cell that is free: one's own first, then others'."""
        for block in [*self.own, *self.dice.sample(self.others, min(STOLEN, len(self.others)))]:
            key, results = self._key(block), self.cluster.results
            if key in self.done:
                continue
            done, _ = settle(lambda _, block=block: block, block.seeds, results, {})
            if done:
                self.done.add(key)
                continue
            claims = self.watch.acquire_all([block.run_folder(results, block.seeds[0])])
            if claims is None:
                continue
            done, _ = settle(lambda _, block=block: block, block.seeds, results, {})
            if done:  # by another one, since it was looked at
                for claim in claims:
                    claim.release(finished=True)
                self.done.add(key)
                continue
            before = read_run(block.run_folder(results, block.seeds[0]))
            trained = float(before.progress["env_step"]) if before else 0.0
            self.cluster.ledger.counts["starts" if before is None else "resumes"] += 1
            self.job = block, claims, self.cluster.work[key] - trained
            self.beat_at = self.saved_at = self.latest_beat = self.cluster.now
            self._write("running")
            return

    def _train(self) -> None:
        assert self.job is not None
        block, claims, left = self.job
        now = self.cluster.now
        try:
            if now >= self.beat_at or now - self.latest_beat > LEASE_S / 2:  # as a worker process does it
                for claim in claims:
                    claim.beat()
                self.latest_beat, self.beat_at = now, now + LEASE_S / 6
        except ClaimLostError:
            self.cluster.ledger.counts["claims lost"] += 1
            self.job = None
            return
        left -= TICK_S
        self.cluster.ledger.counts["trained"] += 1
        self.job = block, claims, left
        if left > 0:
            if now >= self.saved_at + CHECKPOINT_S:
                self.saved_at = now
                self._write("running")
            return
        self._write("finished")
        self.cluster.ledger.finished[self._key(block)] += 1
        self.job = None
        self.done.add(self._key(block))
        if self.dice.random() < 0.02:  # dies between the last write and letting go
            self.cluster.ledger.counts["deaths"] += 1
            self.begin()
            return
        for claim in claims:
            claim.release(finished=True)

    def _write(self, status: str) -> None:
        assert self.job is not None
        block, claims, left = self.job
        key = self._key(block)
        reached = max(0, int(self.cluster.work[key] - max(left, 0.0)))
        self.cluster.ledger.writes.setdefault(key, []).append(claims[0].generation)
        run = run_of(block, self.cluster.results, status, reached)
        if status == "finished":  # the planner looks for its evaluations
            (run.path / EVALS_FILE).touch()
        write_run(run)

    @staticmethod
    def _key(block: Block) -> str:
        return f"{block.cell} {block.name}"


class Cluster:
    """Workers with slices of the cells, until every one of them has nothing to do any more."""

    def __init__(self, blocks: Sequence[Block], results: Path, workers: int, seed: int = 0) -> None:
        self.results, self.now, self.ledger = results, 0.0, Ledger()
        dice = random.Random(seed)
        self.work = {Worker._key(block): dice.uniform(*WORK_S) for block in blocks}
        self.workers = []
        for number in range(workers):
            own = list(blocks[number::workers])
            others = dice.sample(list(blocks), min(len(blocks), 4 * STOLEN))
            self.workers.append(Worker(own, others, self, random.Random(f"{seed} {number}")))

    def run(self, longest_s: float = 1e6) -> float:
        """Simulated seconds until all is done. Threads tick side by side, so that they do meet on the disk."""
        shards = [self.workers[number::THREADS] for number in range(THREADS)]
        with ThreadPoolExecutor(THREADS) as pool:
            while not all(worker.left for worker in self.workers):
                list(pool.map(lambda shard: [worker.tick() for worker in shard], shards))
                self.now += TICK_S
                if self.now > longest_s:
                    raise RuntimeError(f"{sum(not w.left for w in self.workers)} workers never came to an end")
        return self.now


def simulate(cells: int, workers: int, results: Path, seed: int = 0) -> tuple[Ledger, list[str], float]:
    """What happened, what must not have, and the simulated seconds."""
    blocks = [block for _, block in plan_of(cells, results).blocks()][:cells]
    cluster = Cluster(blocks, results, workers, seed)
    took = cluster.run()
    return cluster.ledger, cluster.ledger.problems(blocks, results), took


# --- the commands ---------------------------------------------------------------------------------------------


def workers(options: argparse.Namespace, folder: Path) -> int:
    began, cpu = time.perf_counter(), time.process_time()
    ledger, problems, took = simulate(options.cells, options.workers, folder, options.seed)
    print(f"{options.cells} cells on {options.workers} workers: {took:,.0f} simulated seconds")
    print(", ".join(f"{count:,} {name}" for name, count in sorted(ledger.counts.items()) if name != "trained"))
    print(f"cells lost, done twice or written to by one who had lost them: {len(problems)}")
    print(f"took {time.perf_counter() - began:.0f} s, {time.process_time() - cpu:.0f} s of CPU")
    for line in problems[:10]:
        print(line)
    return bool(problems)


def plan(options: argparse.Namespace, folder: Path) -> int:
    def timed(what: str, seeds: int = 1) -> Plan:
        plan_of(15, folder)  # imports
        request = request_of(options.cells // seeds)
        began, cpu = time.perf_counter(), time.process_time()
        made = make_plan(request, range(seeds), folder, "cpu")
        wall, used = time.perf_counter() - began, time.process_time() - cpu
        blocks = sum(1 for _ in made.blocks())
        took = f"{wall:.2f} s, {used:.2f} s of CPU"
        print(f"{len(made.cells):,} cells of {seeds} seeds, {what}: {took} ({blocks:,} blocks to train)")
        return made

    fresh = timed("nothing there")
    fill([block for _, block in fresh.blocks()], folder)
    timed("all done")
    shutil.rmtree(folder)
    together = timed("nothing there", seeds=10)
    fill([block for _, block in together.blocks()], folder)
    timed("all done", seeds=10)
    return 0


def status(options: argparse.Namespace, folder: Path) -> int:
    from benchmarks.big_tree import measure

    seeds = 10
    made = plan_of(options.runs // seeds, folder, seeds)
    blocks = [block for _, block in made.blocks()][: options.runs]
    fill(blocks, folder)
    for words in (["status"], ["status", "--json"], ["status", "suite=dmc-full"]):
        seconds, cpu, megabytes = measure([*words, "--results", str(folder)])
        print(f"{len(blocks):,} runs, {' '.join(words)}: {seconds:.1f} s, {cpu:.1f} s of CPU, {megabytes:.0f} MB")
    return 0


def fill(blocks: Sequence[Block], results: Path) -> None:
    """A finished run.json for each block, written without ceremony."""
    for block in blocks:
        run = run_of(block, results, "finished", block.protocol.env_steps)
        run.path.mkdir(parents=True, exist_ok=True)
        (run.path / "run.json").write_text(json.dumps(run.to_json(), indent=1))
        (run.path / EVALS_FILE).touch()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)
    for command in (workers, plan, status):
        sub = commands.add_parser(command.__name__)
        sub.set_defaults(command=command)
        sub.add_argument("--folder", type=Path, help="where to make the tree (default: a temporary folder)")
        sub.add_argument("--cells", type=int, default=10_000)
        sub.add_argument("--workers", type=int, default=1_000)
        sub.add_argument("--runs", type=int, default=100_000)
        sub.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        return options.command(options, folder / "results")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
