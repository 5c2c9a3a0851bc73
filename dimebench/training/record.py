"""What a block writes down while it trains: each seed's run.json, evaluations and logging points."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import dimebench
from dimebench.store import Run, RunWriter, read_run
from dimebench.store.provenance import machine, with_allowed
from dimebench.training import peak
from dimebench.training.block import Block
from dimebench.training.energy import joules_of

MOST_EVENTS = 100
PEAKS = ("peak_memory_bytes", "peak_host_memory_bytes")
BY_SEED = ("episode", "ended_sum", "ended_count", "latest", "diverged")  # of a checkpoint's facts: lists [S]


class Records:
    """The runs of a block's seeds, and the sums between two logging points."""

    def __init__(self, block: Block, results: Path, identity: dict[str, Any]) -> None:
        """`identity` as in `store.Run`: the caller has checked it against the runs in the seeds' folders."""
        self.block = block
        peak.begin(block.device)
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        seeds = len(block.seeds)
        self._episode = np.zeros(seeds)  # return so far of the running training episode
        self._ended_sum, self._ended_count = np.zeros(seeds), np.zeros(seeds, dtype=np.int64)
        self._before = 0.0  # seconds that earlier processes took
        self._begun = time.monotonic()
        self._joules = joules_of(block.device)
        self._joules_before: float | None = 0.0  # drawn by earlier processes; None if one of them had no counter
        self._latest: list[float | None] = [None] * seeds
        self.writers = [RunWriter(self._run(results, seed, identity)) for seed in block.seeds]

    def _run(self, results: Path, seed: int, identity: dict[str, Any]) -> Run:
        block, path = self.block, self.block.run_folder(results, seed)
        before = read_run(path)
        provenance: dict[str, Any] = {
            "command": block.command,
            "started": _now() if before is None else before.provenance.get("started"),
            "resumed": 0 if before is None else before.provenance.get("resumed", 0) + 1,
            "device": torch.cuda.get_device_name() if block.device.startswith("cuda") else "cpu",
            "seeds_together": list(block.seeds),
            "machine": machine(),
            "dimebench": dimebench.__version__,
            **({"shared_code": block.shared_code} if block.shared_code else {}),
        }
        if before is not None:
            alike = before.provenance.get("seeds_together") == list(block.seeds)
            kept = ("events", "code_allowed", *(PEAKS if alike else ()))
            provenance |= {key: before.provenance[key] for key in kept if key in before.provenance}
        return Run(
            path=path, suite=block.suite, algorithm=block.algorithm, variant=block.variant, task=block.task,
            seed=seed, status="running", reason=None, identity=identity, score=block.score, provenance=provenance,
            progress={"env_step": 0, "grad_step": 0, "wall_time_s": 0.0}, block=block.name,
        )  # fmt: skip

    # --- adding -----------------------------------------------------------------------------------------------

    def add_metrics(self, metrics: dict[str, Tensor]) -> None:
        """Sum the update's metrics, [S] each, without waiting for the device."""
        known = [name for name in metrics if name in self._sums]
        if known:  # at once: on a GPU one kernel
            sums = torch._foreach_add([self._sums[name] for name in known], [metrics[name] for name in known])
            self._sums |= dict(zip(known, sums, strict=True))
        self._sums |= {name: value for name, value in metrics.items() if name not in self._sums}
        for name in metrics:
            self._counts[name] = self._counts.get(name, 0) + 1

    def add_rewards(self, reward: np.ndarray, ended: np.ndarray) -> None:
        """Follow the returns of the training episodes."""
        self._episode += reward
        self._ended_sum[ended] += self._episode[ended]
        self._ended_count[ended] += 1
        self._episode[ended] = 0.0

    def log(self, env_step: int, grad_step: int) -> None:
        """One logging point: the means since the last one."""
        means = {name: (total / self._counts[name]).cpu().tolist() for name, total in self._sums.items()}
        wall = self._wall_time()
        for i, writer in enumerate(self.writers):
            ended = int(self._ended_count[i])
            row = {name: each[i] if np.isfinite(each[i]) else None for name, each in means.items()}
            row["train_return"] = self._ended_sum[i] / ended if ended else None
            writer.add_logging_point(env_step, row | {"grad_step": grad_step, "wall_time_s": wall})
        self._sums, self._counts = {}, {}
        self._ended_sum[:], self._ended_count[:] = 0.0, 0

    def add_evaluation(
        self, env_step: int, grad_step: int, episodes: list[list[dict[str, Any]]], diverged: np.ndarray
    ) -> None:
        """Record every seed's evaluation episodes and write all files. A diverged seed's are left out."""
        wall = self._wall_time()
        common = {"grad_step": grad_step, "wall_time_s": wall, "diverged": False}
        for i, (writer, rows) in enumerate(zip(self.writers, episodes, strict=True)):
            if not diverged[i]:
                writer.add_evaluation(env_step, [row | common for row in rows])
                self._latest[i] = float(np.mean([row["return"] for row in rows]))
        self.write(env_step, grad_step)

    def diverge(self, which: np.ndarray, env_step: int, grad_step: int, reason: str) -> None:
        """Seeds whose numbers are not finite any more: a row that says so, and the run's status."""
        row = {"episode": 0, "return": None, "length": 0, "success": None, "diverged": True}
        for i in np.flatnonzero(which):
            now = {"grad_step": grad_step, "wall_time_s": self._wall_time()}
            self._latest[i] = None  # what it had belongs to an earlier env step than the others' next one
            self.writers[i].add_evaluation(env_step, [row | now])
            self.writers[i].write(status="diverged", reason=reason)

    def allow_code(self, codes: Sequence[str]) -> None:
        """Runs of these codes lie beside the block's, as `--allow code` lets them."""
        for writer in self.writers:
            writer.run = replace(writer.run, provenance=with_allowed(writer.run.provenance, codes))

    def note(self, text: str) -> None:
        """Something that happened to the block and that a reader of its run.json should know."""
        for writer in self.writers:
            writer.run = replace(writer.run, provenance=with_event(writer.run.provenance, text))

    def diverged(self) -> list[tuple[int, str]]:
        """The seeds that diverged, and why."""
        runs = [writer.run for writer in self.writers]
        return [(run.seed, run.reason or "") for run in runs if run.status == "diverged"]

    # --- writing ----------------------------------------------------------------------------------------------

    def start(self, env_step: int, grad_step: int) -> None:
        self.write(env_step, grad_step, "running")

    def interrupt(self, env_step: int, grad_step: int) -> None:
        self.write(env_step, grad_step, "interrupted")

    def finish(self, env_step: int, grad_step: int, checkpoints_kept: bool = False) -> None:
        kept = {"checkpoints_kept": True} if checkpoints_kept else {}
        self.write(env_step, grad_step, "finished", finished=_now(), **kept)

    def write(self, env_step: int, grad_step: int, status: str | None = None, **facts: Any) -> None:
        """All files of all seeds, as they stand; `facts` are of the provenance. A diverged seed stays so."""
        progress = {"env_step": env_step, "grad_step": grad_step, "wall_time_s": self._wall_time()}
        energy = self._energy()
        if energy is not None:
            progress["energy_j"] = energy / len(self.block.seeds)
        peaks = peak.peak(self.block.device)
        for writer in self.writers:
            own = {"status": status} if status and writer.run.status != "diverged" else {}
            before = writer.run.provenance
            most = {key: max(value, _number(before.get(key))) for key, value in peaks.items()}
            writer.write(progress=progress, **own, provenance=before | most | facts)

    # --- what a checkpoint holds ------------------------------------------------------------------------------

    def facts(self) -> dict[str, Any]:
        return {
            "sums": {name: total.cpu().tolist() for name, total in self._sums.items()},
            "counts": dict(self._counts),
            "episode": self._episode.tolist(),
            "ended_sum": self._ended_sum.tolist(),
            "ended_count": self._ended_count.tolist(),
            "wall_time_s": self._wall_time(),
            "energy_j": self._energy(),
            "latest": self._latest,
            "diverged": [w.run.reason if w.run.status == "diverged" else None for w in self.writers],
        }

    def restore(self, facts: dict[str, Any]) -> None:
        """The inverse of `facts`."""
        device = self.block.device
        self._sums = {name: torch.tensor(total, device=device) for name, total in facts["sums"].items()}
        self._counts = dict(facts["counts"])
        of_episodes = (np.array(facts[name]) for name in ("episode", "ended_sum", "ended_count"))
        self._episode, self._ended_sum, self._ended_count = of_episodes
        self._before, self._begun = facts["wall_time_s"], time.monotonic()
        self._joules_before, self._joules = facts.get("energy_j"), joules_of(self.block.device)
        self._latest = list(facts["latest"])
        for writer, reason in zip(self.writers, facts["diverged"], strict=True):
            if reason is not None:
                writer.run = replace(writer.run, status="diverged", reason=reason)

    def summary(self) -> dict[str, Any]:
        """For the lines of `run`: the mean return of the latest evaluation, over the seeds that have not diverged."""
        known = [value for value in self._latest if value is not None]
        return {"latest_return": float(np.mean(known)) if known else None, "wall_time_s": self._wall_time()}

    def _energy(self) -> float | None:
        """Joules that the block's device has drawn so far, for all its seeds; None where that is not known."""
        drawn = self._joules() if self._joules else None
        return None if drawn is None or self._joules_before is None else self._joules_before + drawn

    def _wall_time(self) -> float:
        return self._before + time.monotonic() - self._begun


def pick_facts(facts: Mapping[str, Any], which: Sequence[int]) -> dict[str, Any]:
    """The share of the seeds at places `which`, of what `Records.facts` gives."""
    shares = {name: [facts[name][place] for place in which] for name in BY_SEED}
    sums = {name: [values[place] for place in which] for name, values in facts["sums"].items()}
    drawn = facts.get("energy_j")  # by the whole block, of which each seed's share is the same
    energy = None if drawn is None else drawn * len(which) / len(facts["episode"])
    return {**facts, **shares, "sums": sums, "energy_j": energy}


def with_event(provenance: dict[str, Any], text: str) -> dict[str, Any]:
    """The provenance with one more event; the oldest go where there are very many."""
    before = provenance.get("events", [])
    events = [*(before if isinstance(before, list) else []), {"at": _now(), "what": text}]
    return provenance | {"events": events[-MOST_EVENTS:]}


def _number(value: Any) -> int:
    """A number of bytes that an earlier process wrote down; 0 where it is none."""
    return value if type(value) is int else 0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
