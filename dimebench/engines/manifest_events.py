"""The progress of a manifest's blocks as events, read from the files that the machines which train them write."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence

import numpy as np

from dimebench.engines.events import Event
from dimebench.engines.manifest import JobManifest, ManifestError
from dimebench.planning.cells import Cell
from dimebench.store import Run, StoreError, read_evals, read_run
from dimebench.training.block import Block


class ManifestEvents:
    """Yields every change once. A file that is just being replaced waits for the next look."""

    def __init__(self, manifest: JobManifest, pairs: Sequence[tuple[Cell, Block]]) -> None:
        """pairs: the blocks of the manifest, with their cells."""
        self._manifest, self._pairs = manifest, pairs
        self._attempts: dict[int, int] = {}
        self._progress: dict[int, tuple[int, ...]] = {}  # env steps of each seed
        self._evaluated: dict[int, int] = {}
        self._returns: dict[int, float | None] = {}

    def look(self, indices: Collection[int]) -> Iterator[Event]:
        """What has happened to these blocks since the last look."""
        try:
            names = set(os.listdir(self._manifest.folder))
        except OSError:
            return
        for index in sorted(indices):
            if f"began-{index}.json" in names:
                yield from self._begun(index)
                yield from self._reached(index)

    def _begun(self, index: int) -> Iterator[Event]:
        try:
            began = self._manifest.began(index)
        except ManifestError:
            return
        if began is None or began["attempt"] == self._attempts.get(index, 0):
            return
        cell, block = self._pairs[index]
        if not self._attempts.get(index):
            yield Event("started", cell, block, {})
        if began["attempt"] > 1:
            at = min(began["env_step"])
            text = f"goes on from env step {at} on {began['host']}, attempt {began['attempt']}"
            yield Event("notice", cell, block, {"text": text})
        self._attempts[index] = began["attempt"]

    def _reached(self, index: int) -> Iterator[Event]:
        cell, block = self._pairs[index]
        try:
            found = [read_run(block.run_folder(self._manifest.results, seed)) for seed in block.seeds]
        except StoreError:
            return
        runs = [run for run in found if run is not None]
        steps = tuple(run.progress["env_step"] for run in runs)
        if len(runs) < len(found) or steps == self._progress.get(index):
            return
        self._progress[index] = steps
        evaluated = self._latest(index, runs)
        facts = {"env_step": min(steps), "latest_return": self._returns.get(index)}
        yield Event("evaluation" if evaluated else "progress", cell, block, facts)

    def _latest(self, index: int, runs: Sequence[Run]) -> bool:
        """Whether there is a new evaluation; its mean return over seeds is kept."""
        try:
            evals = read_evals(runs)
        except (StoreError, OSError):
            return False
        if evals.empty or int(evals["env_step"].max()) == self._evaluated.get(index, -1):
            return False
        self._evaluated[index] = int(evals["env_step"].max())
        last = evals[evals["env_step"] == self._evaluated[index]]  # of one env step: seeds that diverged have none
        known = last.groupby("seed")["return"].mean().dropna()
        self._returns[index] = float(np.mean(known)) if len(known) else None
        return True
