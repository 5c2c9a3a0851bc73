"""A block's training state on disk: numbered folders that appear whole, replay in append-only chunks.

    checkpoints/<block>/000007/manifest.json      small facts, checksums, replay chunks
                               state.safetensors  learner, optimisers, generators, environments
    checkpoints/<block>/replay/000000000-000012000.safetensors

A checkpoint is written beside its place and renamed into it; the one before is removed only then. One whose
checksums do not hold is passed over for the one before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load, save
from torch import Tensor

from dimebench.store.atomic import atomic_write

CHECKPOINT_VERSION = 1
KEPT = 2  # the newest, and the one before in case its files turn out to be torn


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read back whole: every checksum held."""

    facts: dict[str, Any]
    state: dict[str, Tensor]
    chunks: list[tuple[int, dict[str, Tensor]]]  # number of the first transition, the transitions


class Checkpoints:
    """The checkpoints of one block."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._next = int(self._numbered()[-1].name) + 1 if self._numbered() else 0
        self._chunks: list[dict[str, Any]] = []  # of the newest checkpoint: file, first, last, sha256

    def save(
        self,
        facts: Mapping[str, Any],
        state: Mapping[str, Tensor],
        added: int,
        kept: int,
        chunk: Callable[[int, int], dict[str, Tensor]],
    ) -> None:
        """Write a checkpoint. `chunk(a, b)` gives transitions a to b - 1; of `added` the last `kept` still count.

        Raises OSError (a full disk, say) with the checkpoint before intact.
        """
        chunks = [c for c in self._chunks if c["last"] > added - kept]
        first = max(self._chunks[-1]["last"] if self._chunks else 0, added - kept)
        new_chunk: Path | None = None
        if first < added:
            file = f"{first:09d}-{added:09d}.safetensors"
            new_chunk = self.folder / "replay" / file
            digest = self._write(new_chunk, save(chunk(first, added)))
            chunks.append({"file": file, "first": first, "last": added, "sha256": digest})
        final = self.folder / f"{self._next:06d}"
        beside = self.folder / f".{final.name}.tmp"
        shutil.rmtree(beside, ignore_errors=True)
        try:
            digest = self._write(beside / "state.safetensors", save({k: v.contiguous() for k, v in state.items()}))
            manifest = {
                "version": CHECKPOINT_VERSION,
                "facts": dict(facts),
                "state": digest,
                "replay": chunks,
            }
            self._write(beside / "manifest.json", json.dumps(manifest, indent=1).encode())
            beside.rename(final)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            if new_chunk is not None:
                new_chunk.unlink(missing_ok=True)
            raise
        self._chunks = chunks
        self._next += 1
        self._drop_old()

    def load(self) -> Checkpoint | None:
        """The newest whole checkpoint, or None where there is none."""
        for folder in reversed(self._numbered()):
            try:
                manifest = json.loads((folder / "manifest.json").read_bytes())
                if manifest["version"] != CHECKPOINT_VERSION:
                    continue
                state = self._read(folder / "state.safetensors", manifest["state"])
                chunks = [
                    (c["first"], self._read(self.folder / "replay" / c["file"], c["sha256"]))
                    for c in manifest["replay"]
                ]
            except (OSError, ValueError, KeyError, TypeError):
                continue  # torn or corrupt: the one before
            self._chunks = manifest["replay"]
            return Checkpoint(manifest["facts"], state, chunks)
        return None

    def keep_policy(self, policy: Mapping[str, Tensor]) -> None:
        """Write the trained policy's parameters, small and apart."""
        if policy:
            self._write(self.folder / "policy.safetensors", save({k: v.contiguous() for k, v in policy.items()}))

    def remove(self) -> None:
        """Drop the checkpoints, when the block is finished; the policy stays."""
        for folder in [*self._numbered(), self.folder / "replay"]:
            shutil.rmtree(folder, ignore_errors=True)

    def _numbered(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("[0-9]*") if p.is_dir() and p.name.isdigit())

    def _drop_old(self) -> None:
        for folder in self._numbered()[:-KEPT]:
            shutil.rmtree(folder, ignore_errors=True)
        used = {c["file"] for c in self._chunks}
        for folder in self._numbered():
            try:
                used |= {c["file"] for c in json.loads((folder / "manifest.json").read_bytes())["replay"]}
            except (OSError, ValueError, KeyError):
                continue
        for file in (self.folder / "replay").glob("*.safetensors"):
            if file.name not in used:
                file.unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, data: bytes) -> str:
        atomic_write(path, data)
        return hashlib.sha256(data).hexdigest()

    @staticmethod
    def _read(path: Path, sha256: str) -> dict[str, Tensor]:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise ValueError(f"{path.name}: checksum does not hold")
        return load(data)
