"""What another machine does with a block of a manifest: check that it may, train it, write down how it ended."""

from __future__ import annotations

import platform
import signal
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from dimebench.config import differences
from dimebench.cores import usable_cores
from dimebench.engines.events import Event, PoolSettings
from dimebench.engines.local.pool import LocalPool
from dimebench.engines.local.worker import reason_of
from dimebench.engines.manifest import JobManifest
from dimebench.engines.messages import event_line
from dimebench.engines.signals import SIGNALS, handled_by
from dimebench.envs import library_of, worker_count
from dimebench.planning.cells import Cell, Plan
from dimebench.planning.code.closure import code_of
from dimebench.planning.identity import code_difference
from dimebench.store.provenance import package_versions
from dimebench.training.block import Block


def train_block(folder: str, index: int) -> dict[str, Any]:
    """Train block `index` of the manifest in `folder`, on the machine that calls this, and say how it ended.

    Returns, and leaves as ended-<index>.json, JSON values:
      status    finished (diverged seeds included), failed, interrupted (state saved), or refused: this machine
                cannot continue these runs, and nothing was touched
      reason    one line, or null
      conflict  whether it failed because the place holds runs of another identity
      diverged  [[seed, reason], ...]
      signals   the names of those that asked it to stop
      env_step  how far each seed of the block is
      attempt, host, at
    The first SIGINT, SIGTERM or SIGUSR1 lets the worker save and leave; more of them change nothing, for a batch
    system sends several, to every process of a job. Raises ManifestError where there is no such manifest.
    """
    with Signals() as signals:
        manifest = JobManifest.read(Path(folder))
        before, steps = manifest.began(index) or {"attempt": 0}, manifest.env_steps(index)
        facts = {"host": platform.node(), "attempt": before["attempt"] + 1}
        idle = before["idle"] + 1 if before.get("env_step") == steps else 0
        manifest.note("began", index, {**facts, "at": _now(), "env_step": steps, "idle": idle})
        (manifest.folder / f"ended-{index}.json").unlink(missing_ok=True)
        ended = {**_train(manifest, index, signals), **facts, "at": _now(), "env_step": manifest.env_steps(index)}
        ended["signals"] = sorted(signals.received)
        manifest.note("ended", index, ended)
    return ended


def _train(manifest: JobManifest, index: int, signals: Signals) -> dict[str, Any]:
    block = manifest.blocks[index]
    ended: dict[str, Any] = {"status": "finished", "reason": None, "conflict": False, "diverged": []}
    try:
        reason = unfit(block, manifest.results)
    except Exception as error:  # a package that is not installed here, or broken
        reason = f"{platform.node()}: {reason_of(error)}"
    if reason is not None:
        return ended | {"status": "refused", "reason": reason}
    if signals.received:
        return ended | {"status": "interrupted"}
    if block.device.startswith("cuda"):  # as many processes for its environments as there are cores here
        cores = min(manifest.resources[index].get("cpus") or usable_cores(), usable_cores())
        block = replace(block, env_workers=worker_count(len(block.seeds), cores))
    cell = Cell(block.variant, block.task, block.seeds, {}, [block])
    plan = Plan(manifest.suite, manifest.results, [cell])
    outcome = PatientPool(plan, replace(manifest.settings, workers=1), signals).run(_Log())
    return ended | {
        "status": "interrupted" if outcome.interrupted else "failed" if outcome.failed else "finished",
        "reason": "; ".join(reason for _, reason in outcome.failed) or None,
        "conflict": bool(outcome.conflicts),
        "diverged": [[seed, reason] for _, seed, reason in outcome.diverged],
    }


def unfit(block: Block, results: Path) -> str | None:
    """Why this machine must not train the block; None where it may. Its code and packages must be the block's."""
    code = code_of(block.algorithm, block.task, block.chain).digest
    here = {"code": code, "versions": package_versions(library_of(block.task).packages)}
    differing = differences({"code": block.code, "versions": block.versions}, here)
    if differing:
        how = code_difference(results, block.code, block.identity() | {"code": code})
        what = "; ".join([*differing[:3], *filter(None, [how])])
        return f"{platform.node()} has other code or packages than this was ordered with: {what}"
    if block.device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            return f"{platform.node()}: torch sees no CUDA device here"
    return None


class Signals(ExitStack):
    """No signal ends this process; those that ask to stop are remembered, by name. For the main thread."""

    def __init__(self) -> None:
        super().__init__()
        self.received: set[str] = set()  # Python does not tell in which order

    def __enter__(self) -> Self:
        self.enter_context(handled_by(self.receive, (*SIGNALS, signal.SIGCONT)))
        return self

    def receive(self, number: int, *_: Any) -> None:
        if number in SIGNALS:
            self.received.add(signal.Signals(number).name)


class PatientPool(LocalPool):
    """Passes on one signal alone: a second one would stop the worker at once, with its state unsaved."""

    def __init__(self, plan: Plan, settings: PoolSettings, signals: Signals) -> None:
        super().__init__(plan, settings)
        self._signals = signals
        self._once = threading.Lock()  # a handler may be interrupted by another one at any point

    def _on_signal(self, *given: Any) -> None:
        self._signals.receive(*given)
        if self._once.acquire(blocking=False):
            super()._on_signal(*given)


class _Log:
    """Prints what happens, for the log that the engine keeps of the job."""

    def __init__(self) -> None:
        self._since: tuple[float, int] | None = None

    def __call__(self, event: Event) -> None:
        rate = 0.0
        if event.kind == "evaluation":
            now, step = time.monotonic(), event.facts["env_step"]
            since, first = self._since = self._since or (now, step)
            rate = (step - first) * len(event.block.seeds) / (now - since) if now > since else 0.0
        text = event_line(event, rate)
        if text:
            with suppress(OSError):  # a log on a full disk costs no run
                print(f"{_now()}  {text}", flush=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
