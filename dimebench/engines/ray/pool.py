"""Training as tasks of a Ray cluster: a block is a task; nothing travels to it but the order's folder and a number.

Ray starts a task anew when its worker or node dies; it goes on from the last checkpoint in the results folder, which
every node must see. The command follows what the runs write there, and ends when all of them have.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dimebench.config.resources import megabytes
from dimebench.engines.local.pool import Event, Outcome, PoolSettings
from dimebench.engines.local.worker import SIGNALS, mark_interrupted, record_failure
from dimebench.engines.manifest import FOLDER, JobManifest
from dimebench.engines.manifest_events import ManifestEvents
from dimebench.engines.ray.cluster import dead_hosts, kept_from_terminal, largest, nodes
from dimebench.envs import EnvError
from dimebench.planning.cells import Plan
from dimebench.planning.durations import rough_seconds
from dimebench.planning.memory import block_memory, gpu_fraction
from dimebench.planning.plan import tidy
from dimebench.store.claims import Watch
from dimebench.training.block import Block

ENGINE = "ray"
RETRIES = 3  # of a block whose worker or node died
POLL_S = 2.0
Listen = Callable[[Event], None]


def work(folder: str, index: int) -> dict[str, Any]:
    """What a task does, in a worker of Ray: `remote.train_block`."""
    os.environ.setdefault("MUJOCO_GL", "disabled")
    from dimebench.engines.remote import train_block

    return train_block(folder, index)


@dataclass(frozen=True)
class ResourceRequest:
    """What a task asks of the node that it runs on; `memory` in bytes, and about how long it takes."""

    cpus: int
    gpus: float
    memory: int
    seconds: float

    def __str__(self) -> str:
        gpus = [f"{self.gpus:g} GPUs"] if self.gpus else []
        return ", ".join([f"{self.cpus} CPUs", *gpus, f"{self.memory / 2**30:.1f} GiB of memory"])

    def options(self) -> dict[str, Any]:
        return {"num_cpus": self.cpus, "num_gpus": self.gpus, "memory": self.memory or None}

    def fits(self, node: Mapping[str, Any]) -> bool:
        there, wanted = node["Resources"], {"CPU": self.cpus, "GPU": self.gpus, "memory": self.memory}
        return node["Alive"] and all(there.get(name, 0) >= value for name, value in wanted.items())


class RayPool:
    """Carries out a plan on the cluster that this process is connected to (`ray_cluster.connect`)."""

    def __init__(
        self,
        plan: Plan,
        settings: PoolSettings,
        resources: Callable[[str], Mapping[str, Any]] = lambda task: {},
        parallel: int | None = None,
        gpu_bytes: int | None = None,
    ) -> None:
        """resources: what is asked for a block of a task (config.resources); parallel: tasks at a time; gpu_bytes: of
        the cluster's smallest GPU; without it a block gets a whole one."""
        self.plan, self.settings = plan, settings
        self._resources, self._parallel, self._gpu_bytes = resources, parallel, gpu_bytes
        self._pairs = list(plan.blocks())
        self._todo = list(range(len(self._pairs)))
        self._running: dict[Any, int] = {}  # Ray's reference of a task -> its block
        self._resubmitted: dict[int, int] = {}
        self._signals = 0
        self._cancelled = 0  # how many of the signals have been passed on
        self._watch = Watch(settings.lease_s)
        self._failed: list[tuple[Block, str]] = []
        self._diverged: list[tuple[Block, int, str]] = []
        self._conflicts = 0
        self._interrupted = False

    def run(self, listen: Listen) -> Outcome:
        """Train every block of the plan, telling `listen` of what happens.

        SIGINT, SIGTERM and SIGUSR1 let every task save and leave; a second one ends them at once.
        """
        for cell in self.plan.cells:
            tidy(cell)
        if not self._pairs:
            return Outcome([], False)
        before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        known = nodes()
        asks = self._ask_all(known)
        self._todo.sort(key=lambda index: -asks[index].seconds)  # the longest first; those of a cell stay together
        order = self._order(asks)
        events = ManifestEvents(order, self._pairs)
        try:
            with kept_from_terminal(order.folder / "ray.log"):
                self._say_infeasible(asks, known, listen)
                while self._running or (self._todo and not self._signals):
                    self._submit(order, asks)
                    self._wait(events, listen)
                    if self._signals > self._cancelled:
                        self._cancel()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        interrupted = self._interrupted or self._signals > 0
        if not self._failed:
            shutil.rmtree(order.folder, ignore_errors=True)
            with suppress(OSError):
                (order.results / FOLDER).rmdir()
        return Outcome(self._failed, interrupted, self._conflicts, tuple(self._diverged), self._signals > 1)

    # --- what a block asks for --------------------------------------------------------------------------------

    def _ask(self, block: Block, known: list[Mapping[str, Any]]) -> ResourceRequest:
        """What a block's task gets: as asked for, else what earlier runs reached or an estimate says."""
        asked, results = self._resources(block.task), self.plan.results
        on_gpu = block.device.startswith("cuda")
        cpus = asked.get("cpus") or min(1 + block.env_workers, max(1, int(largest(known, "CPU"))))
        gpus = float(asked.get("gpus", 1)) if on_gpu else 0.0
        try:
            if on_gpu and "gpus" not in asked and self._gpu_bytes is not None:
                gpus = gpu_fraction(block, self._gpu_bytes, results)
            memory = min(block_memory(block, results, self._gpu_bytes).host, int(largest(known, "memory")))
            seconds = rough_seconds(block, results)
        except EnvError:  # the task says so itself
            memory, seconds = 0, 0.0
        if "memory" in asked:
            memory = megabytes(asked["memory"]) * 2**20
        return ResourceRequest(cpus, gpus, memory, seconds)

    def _ask_all(self, known: list[Mapping[str, Any]]) -> list[ResourceRequest]:
        """Blocks of a cell with as many seeds ask for the same."""
        found: dict[tuple[str, int], ResourceRequest] = {}
        for _, block in self._pairs:
            if (block.cell, len(block.seeds)) not in found:
                found[block.cell, len(block.seeds)] = self._ask(block, known)
        return [found[block.cell, len(block.seeds)] for _, block in self._pairs]

    def _order(self, asks: list[ResourceRequest]) -> JobManifest:
        """The order, which says how many cores a block may use for its environments."""
        cpus: dict[str, int] = {}
        for (_, block), ask in zip(self._pairs, asks, strict=True):
            cpus[block.task] = max(ask.cpus, cpus.get(block.task, 1))
        own = {task: {**self._resources(task), "cpus": count} for task, count in cpus.items()}
        return JobManifest.write(self.plan, self.settings, ENGINE, own.__getitem__)

    def _say_infeasible(self, asks: list[ResourceRequest], known: list[Mapping[str, Any]], listen: Listen) -> None:
        """Ray waits without a word for a node that has what is asked for; a cluster that grows may get one."""
        told = set()
        for pair, ask in zip(self._pairs, asks, strict=True):
            if str(ask) not in told and not any(ask.fits(node) for node in known):
                told.add(str(ask))
                listen(Event("notice", *pair, {"text": f"no node has {ask} now; waits for one"}))

    # --- tasks ------------------------------------------------------------------------------------------------

    def _submit(self, order: JobManifest, asks: list[ResourceRequest]) -> None:
        import ray

        while self._todo and not self._signals and len(self._running) < (self._parallel or len(self._pairs)):
            index = self._todo.pop(0)
            cell, block = self._pairs[index]
            name = f"{cell.name} {block.name}"
            task = ray.remote(work).options(max_retries=RETRIES, name=name, **asks[index].options())
            self._running[task.remote(str(order.folder), index)] = index

    def _wait(self, events: ManifestEvents, listen: Listen) -> None:
        """Until a task ends, or for a while; then tell what the runs have written."""
        import ray

        if not self._running:
            return
        ready, _ = ray.wait(list(self._running), timeout=POLL_S)
        for event in events.look(set(self._running.values())):
            listen(event)
        for reference in ready:
            self._end(self._running.pop(reference), reference, listen)
        self._free_claims_of_the_dead()

    def _end(self, index: int, reference: Any, listen: Listen) -> None:
        import ray

        cell, block = self._pairs[index]
        try:
            ended = ray.get(reference)
        except Exception as error:
            if self._signals:  # not begun yet, or ended at once
                mark_interrupted(block, self.plan.results)
                ended = {"status": "interrupted", "diverged": []}
            else:
                reason = reason_of(error)
                record_failure(block, self.plan.results, reason, str(error))
                ended = {"status": "failed", "reason": reason, "diverged": []}
        if ended["status"] == "interrupted" and not self._signals:  # its node must make room
            if self._resubmitted.get(index, 0) < RETRIES:
                self._resubmitted[index] = self._resubmitted.get(index, 0) + 1
                self._todo.insert(0, index)
                return
            self._interrupted = True
        self._diverged += [(block, seed, reason) for seed, reason in ended["diverged"]]
        if ended["status"] in ("failed", "refused"):
            self._failed.append((block, ended["reason"]))
            self._conflicts += bool(ended.get("conflict"))
            listen(Event("failed", cell, block, {"reason": ended["reason"]}))
        else:
            listen(Event("done", cell, block, {"status": ended["status"]}))

    def _free_claims_of_the_dead(self) -> None:
        """A block that was begun on a node that Ray holds for dead need not wait for the whole lease there.

        The claim's counter must have stood still all the same: a node that is merely cut off from Ray goes on.
        """
        dead = dead_hosts(nodes())
        running = [self._pairs[index][1] for index in self._running.values()] if dead else []
        for block in running:
            for seed in block.seeds:
                with suppress(OSError):
                    self._watch.free_if_dead(block.run_folder(self.plan.results, seed), dead)

    # --- stopping ---------------------------------------------------------------------------------------------

    def _on_signal(self, *_: Any) -> None:
        self._signals += 1
        hint = "stopping at once" if self._signals > 1 else "saving what is in work; Ctrl-C again stops at once"
        print(f"dimebench: {hint}", file=sys.stderr)

    def _cancel(self) -> None:
        """Pass the first signal on as such, which saves; a later one ends the workers."""
        import ray

        self._cancelled = self._signals
        for reference in self._running:
            ray.cancel(reference, force=self._signals > 1)


def reason_of(error: BaseException) -> str:
    """Why a task failed, in one line: the exception of ours that it raised, or what Ray says of its death."""
    import ray

    cause = getattr(error, "cause", None) or error
    if isinstance(error, ray.exceptions.RayTaskError) and type(cause).__module__.startswith("dimebench."):
        text = f"{cause} (does every node see the results folder there?)"
    elif isinstance(error, ray.exceptions.RayTaskError):
        text = f"{type(cause).__name__}: {cause}" if cause is not error else str(error).strip().splitlines()[-1]
    else:
        what = "ran out of memory" if isinstance(error, ray.exceptions.OutOfMemoryError) else "died"
        text = f"its worker {what} on {RETRIES + 1} attempts ({type(error).__name__})"
    return " ".join(text.split())[:600]
