"""Training as tasks of a Ray cluster: a block is a task, which gets the manifest's folder and a number.

Ray starts a task anew when its worker or node dies; it goes on from the last checkpoint in the results folder, which
every node must see. The command follows what the runs write there, and ends when all of them have.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from dimebench.config.resources import megabytes
from dimebench.engines import FOLDER
from dimebench.engines.events import Event, Outcome, PoolSettings
from dimebench.engines.local.worker import mark_interrupted, record_failure
from dimebench.engines.manifest import JobManifest
from dimebench.engines.manifest_events import ManifestEvents
from dimebench.engines.ray.cluster import dead_hosts, kept_from_terminal, largest, nodes
from dimebench.engines.signals import handled_by, say_stopping
from dimebench.envs import EnvError
from dimebench.errors import one_line
from dimebench.planning.cells import Plan
from dimebench.planning.durations import rough_seconds
from dimebench.planning.identity import keep_codes
from dimebench.planning.memory import block_memory, gpu_fraction
from dimebench.planning.plan import tidy
from dimebench.store.claims import Watch
from dimebench.training.block import Block

ENGINE = "ray"
RETRIES = 3  # of a block whose worker or node died
POLL_S = 2.0


def work(folder: str, index: int) -> dict[str, Any]:
    """What a task does, in a worker of Ray: `remote.train_block`."""
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
    """Carries out a plan on the cluster that this process is connected to (`cluster.connect`)."""

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
        self._outcome = Outcome()
        self._report: Callable[[Event], None] = lambda event: None

    def run(self, on_event: Callable[[Event], None]) -> Outcome:
        """Train every block of the plan, and report what happens to `on_event`.

        SIGINT, SIGTERM and SIGUSR1 let every task save and leave; a second one ends them at once.
        """
        tidy(self.plan)
        if not self._pairs:
            return self._outcome
        self._report = on_event
        with handled_by(self._on_signal):
            known = nodes()
            requests = self._requests(known)
            self._todo.sort(key=lambda index: -requests[index].seconds)  # longest first; cells stay together
            manifest = self._write_manifest(requests)
            keep_codes(manifest.blocks, manifest.results)
            events = ManifestEvents(manifest, self._pairs)
            with kept_from_terminal(manifest.folder / "ray.log"):
                self._report_infeasible(requests, known)
                while self._running or (self._todo and not self._signals):
                    self._submit(manifest, requests)
                    self._wait(events)
                    if self._signals > self._cancelled:
                        self._cancel()
        if not self._outcome.failed:
            shutil.rmtree(manifest.folder, ignore_errors=True)
            with suppress(OSError):
                (manifest.results / FOLDER).rmdir()
        self._outcome.interrupted |= self._signals > 0
        self._outcome.cut_short = self._signals > 1
        return self._outcome

    # --- what a block asks for --------------------------------------------------------------------------------

    def _request(self, block: Block, known: list[Mapping[str, Any]]) -> ResourceRequest:
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

    def _requests(self, known: list[Mapping[str, Any]]) -> list[ResourceRequest]:
        """Blocks of a cell with as many seeds request the same."""
        found: dict[tuple[str, int], ResourceRequest] = {}
        for _, block in self._pairs:
            if (block.cell, len(block.seeds)) not in found:
                found[block.cell, len(block.seeds)] = self._request(block, known)
        return [found[block.cell, len(block.seeds)] for _, block in self._pairs]

    def _write_manifest(self, requests: list[ResourceRequest]) -> JobManifest:
        """The manifest, which says how many cores a block may use for its environments."""
        cpus: dict[str, int] = {}
        for (_, block), request in zip(self._pairs, requests, strict=True):
            cpus[block.task] = max(request.cpus, cpus.get(block.task, 1))
        own = {task: {**self._resources(task), "cpus": count} for task, count in cpus.items()}
        return JobManifest.write(self.plan, self.settings, ENGINE, own.__getitem__)

    def _report_infeasible(self, requests: list[ResourceRequest], known: list[Mapping[str, Any]]) -> None:
        """Ray waits without a word for a node that has what is asked for; a cluster that grows may get one."""
        reported = set()
        for pair, request in zip(self._pairs, requests, strict=True):
            if str(request) not in reported and not any(request.fits(node) for node in known):
                reported.add(str(request))
                self._report(Event("notice", *pair, {"text": f"no node has {request} now; waits for one"}))

    # --- tasks ------------------------------------------------------------------------------------------------

    def _submit(self, manifest: JobManifest, requests: list[ResourceRequest]) -> None:
        import ray

        while self._todo and not self._signals and len(self._running) < (self._parallel or len(self._pairs)):
            index = self._todo.pop(0)
            cell, block = self._pairs[index]
            name = f"{cell.name} {block.name}"
            task = ray.remote(work).options(max_retries=RETRIES, name=name, **requests[index].options())
            self._running[task.remote(str(manifest.folder), index)] = index

    def _wait(self, events: ManifestEvents) -> None:
        """Until a task ends, or for a while; then report what the runs have written."""
        import ray

        if not self._running:
            return
        ready, _ = ray.wait(list(self._running), timeout=POLL_S)
        for event in events.look(set(self._running.values())):
            self._report(event)
        for reference in ready:
            self._end(self._running.pop(reference), reference)
        self._free_claims_of_the_dead()

    def _end(self, index: int, reference: Any) -> None:
        import ray

        cell, block = self._pairs[index]
        try:
            ended = ray.get(reference)
        except Exception as error:
            if self._signals:  # not begun yet, or ended at once
                mark_interrupted(block, self.plan.results)
                ended = {"status": "interrupted", "diverged": []}
            else:
                reason = task_failure(error)
                record_failure(block, self.plan.results, reason, str(error))
                ended = {"status": "failed", "reason": reason, "diverged": []}
        if ended["status"] == "interrupted" and not self._signals:  # its node must make room
            if self._resubmitted.get(index, 0) < RETRIES:
                self._resubmitted[index] = self._resubmitted.get(index, 0) + 1
                self._todo.insert(0, index)
                return
            self._outcome.interrupted = True
        self._outcome.diverged += [(block, seed, reason) for seed, reason in ended["diverged"]]
        if ended["status"] in ("failed", "refused"):
            self._outcome.failed.append((block, ended["reason"]))
            self._outcome.conflicts += bool(ended.get("conflict"))
            self._report(Event("failed", cell, block, {"reason": ended["reason"]}))
        else:
            self._report(Event("done", cell, block, {"status": ended["status"]}))

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
        say_stopping(again=self._signals > 1)

    def _cancel(self) -> None:
        """Pass the first signal on as such, which saves; a later one ends the workers."""
        import ray

        self._cancelled = self._signals
        for reference in self._running:
            ray.cancel(reference, force=self._signals > 1)


def task_failure(error: BaseException) -> str:
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
    return one_line(text)[:600]
